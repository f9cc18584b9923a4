/** Who can be sent: skills, when they work, how busy they are, and what planning lacks of them. */
import { HardHat } from "lucide-react";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { ORGANISATIONS } from "../assets/look";
import { CENTRES, Load, SkillChip, TEAMS, useHours, type Technician } from "./common";
import { PeopleTabs } from "./PeopleTabs";

const SHOWN = 4; // skills in a row of the list

export function TechniciansPage() {
  const text = useText();
  const hours = useHours();
  return (
    <ListPage<Technician>
      title={text.t("people.tab.technicians")}
      sub={text.t("technicians.sub")}
      tabs={<PeopleTabs />}
      path="/technicians"
      search="people.search"
      filters={[{ name: "team_id", label: "col.team", of: TEAMS }, { name: "work_centre_id", label: "col.work_centre", of: CENTRES }, { name: "organisation_id", label: "people.organisation", of: ORGANISATIONS }]}
      columns={[
        { label: "col.name", cell: (row) => <Name row={row} /> },
        { label: "people.tab.skills", phone: "named", cell: (row) => row.skills.length === 0 ? <span className="faint">–</span> : <span className="row wrap" style={{ gap: 4 }}>{row.skills.slice(0, SHOWN).map((held) => <SkillChip key={held.skill_id} held={held} />)}{row.skills.length > SHOWN && <span className="tiny muted">+{row.skills.length - SHOWN}</span>}</span> },
        { label: "technicians.works", cell: (row) => <Works row={row} /> },
        { label: "technicians.load", phone: "named", cell: (row) => <div><Load share={row.load} /><div className="tiny muted">{text.t("technicians.load_of", { planned: hours(row.planned_minutes), available: hours(row.available_minutes) })}</div></div> },
        { label: "technicians.open", num: true, phone: "named", cell: (row) => row.open_work_orders },
      ]}
      to={(row) => `/people/technicians/${row.id}`}
      empty={{ icon: HardHat, sentence: "technicians.empty", example: "technicians.example" }}
    />
  );
}

function Name(props: { row: Technician }) {
  const text = useText();
  const { row } = props;
  return (
    <div>
      <span className="break" style={{ fontWeight: 600 }}>{row.name}</span>
      <div className="tiny muted break" style={{ fontWeight: 400 }}>{[row.organisation?.name, ...row.teams.map((team) => team.name), row.work_centre?.name].filter(Boolean).join(" · ")}</div>
      {row.missing.length > 0 && <div className="row wrap" style={{ gap: 4, marginTop: 3 }}>{row.missing.map((word) => <Chip key={word} small tone="watch">{text.code("missing", word)}</Chip>)}</div>}
    </div>
  );
}

function Works(props: { row: Technician }) {
  const text = useText();
  const { row } = props;
  if (row.absent) return <Chip small tone="quiet">{text.t("technicians.absent")}</Chip>;
  if (row.works_now && row.next_span) return <div><Chip small tone="ok">{text.t("technicians.at_work")}</Chip><div className="tiny muted">{text.t("technicians.until", { at: text.moment(row.next_span.end) })}</div></div>;
  return row.next_span ? <span className="small">{text.t("technicians.from", { at: text.moment(row.next_span.start) })}</span> : <span className="faint">–</span>;
}
