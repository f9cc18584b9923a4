/** Teams, internal and outsourced, with their members over time; and the work centres that they belong to. */
import { Modal } from "@mantine/core";
import { MapPinned, Pencil, Plus, UserMinus, UserPlus, UsersRound } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useList, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { CardBlock } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Loaded } from "../../ui/states";
import { ORGANISATIONS, PEOPLE } from "../assets/look";
import { CALENDARS, CENTRES, dayOf } from "./common";
import { PeopleTabs } from "./PeopleTabs";
import { ShiftSelect } from "./TechnicianPage";

type Team = Schema["TeamItem"];
type Member = Schema["MemberItem"];
type Centre = Schema["CentreItem"];

const KINDS = ["internal", "outsourced"];

export function TeamsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [open, setOpen] = useState<Team | null>(null);
  const manage = may(me, "team.manage");
  const kinds = KINDS.map((kind) => ({ value: kind, label: text.code("team_kind", kind) }));
  const fields: Field[] = [
    { name: "name", label: "col.name", required: true },
    { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: kinds },
    { name: "trade", label: "skills.trade", half: true },
    { name: "organisation_id", label: "teams.partner", kind: "pick", of: { ...ORGANISATIONS, asked: { kind: "partner" } }, required: true, show: (values) => values.kind === "outsourced" },
    { name: "work_centre_id", label: "col.work_centre", kind: "pick", of: CENTRES },
  ];
  const add = manage ? <FormButton primary icon={Plus} label={text.t("teams.add")} form={{ path: "/teams", fields, initial: { kind: "internal" }, after: setOpen }} /> : undefined;
  return (
    <>
      <ListPage<Team>
        title={text.t("people.tab.teams")}
        sub={text.t("teams.sub")}
        tabs={<PeopleTabs />}
        path="/teams"
        search="teams.search"
        filters={[{ name: "kind", label: "col.kind", options: kinds }]}
        columns={[
          { label: "col.name", cell: (row) => <div><span className="break" style={{ fontWeight: 600 }}>{row.name}</span><div className="tiny muted break">{[row.trade, row.organisation?.id !== me.organisation.id && row.organisation?.name].filter(Boolean).join(" · ")}</div></div> },
          { label: "col.kind", cell: (row) => <Chip small tone={row.kind === "outsourced" ? "learning" : "quiet"}>{text.code("team_kind", row.kind)}</Chip>, phone: "side" },
          { label: "teams.leaders", cell: (row) => row.leaders.map((one) => one.name).join(", ") || <span className="faint">–</span>, phone: "named" },
          { label: "col.work_centre", cell: (row) => row.work_centre?.name ?? <span className="faint">–</span>, phone: "hide" },
          { label: "teams.members", num: true, phone: "named", cell: (row) => row.members },
        ]}
        pick={setOpen}
        right={add}
        empty={{ icon: UsersRound, sentence: "teams.empty", example: "teams.example", action: add }}
      />
      <div style={{ height: 18 }} />
      <Centres manage={manage} />
      {open && <One team={open} manage={manage} close={() => setOpen(null)} />}
    </>
  );
}

function One(props: { team: Team; manage: boolean; close: () => void }) {
  const text = useText();
  const { team } = props;
  const [past, setPast] = useState(false);
  const [shift, setShift] = useState("");
  const members = useList<Member>(`/teams/${team.id}/members`, { past });
  const shifts = useList<Schema["AssignmentItem"]>("/shift-assignments", { team_id: team.id });
  const joins: Field[] = [
    { name: "person_id", label: "col.person", kind: "pick", of: { ...PEOPLE, asked: { organisation_id: team.organisation?.id } }, required: true },
    { name: "leads", label: "teams.leads", kind: "switch" },
    { name: "valid_from", label: "col.from", kind: "moment", half: true },
    { name: "valid_to", label: "col.to", kind: "moment", half: true },
  ];
  const follow: Field[] = [
    { name: "shift_id", label: "shifts.shift", kind: "own", required: true, own: (value, change) => <ShiftSelect value={(value as string) ?? ""} change={(id) => { setShift(id); change(id); }} /> },
    { name: "valid_from", label: "col.from", kind: "date", required: true, half: true },
    { name: "valid_until", label: "shifts.last_day", kind: "date", half: true },
  ];
  return (
    <Modal opened onClose={props.close} title={team.name} size="lg">
      <div className="stack" style={{ gap: 14 }}>
        {props.manage && (
          <div className="row wrap">
            <FormButton primary small icon={UserPlus} label={text.t("teams.join")} form={{ path: `/teams/${team.id}/members`, fields: joins, title: team.name }} />
            <FormButton small icon={Plus} label={text.t("shifts.assign")} form={{ path: `/shifts/${shift}/assignments`, fields: follow, initial: { valid_from: dayOf(new Date()) }, body: (values) => ({ team_id: team.id, valid_from: values.valid_from, valid_until: values.valid_until || null }) }} />
            <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: team.name, submit: text.t("action.save"), path: `/teams/${team.id}`, method: "PATCH", version: team.version, fields: [{ name: "name", label: "col.name", required: true }, { name: "trade", label: "skills.trade" }, { name: "work_centre_id", label: "col.work_centre", kind: "pick", of: CENTRES }, { name: "archived", label: "people.archived", kind: "switch" }], initial: { name: team.name, trade: team.trade ?? "", archived: team.archived_at !== null, work_centre_id: team.work_centre ? { id: team.work_centre.id, label: team.work_centre.name } : null }, after: props.close }} />
          </div>
        )}
        <Loaded of={members} skeleton={<Bones rows={4} />}>
          {(page) => page.items.length === 0 ? <div className="small muted">{text.t("teams.nobody")}</div> : <div>{page.items.map((one) => (
            <div key={one.id} className="row wrap line" style={{ gap: "2px 12px", opacity: one.valid_to && new Date(one.valid_to) < new Date() ? 0.55 : 1 }}>
              <span className="grow break" style={{ fontWeight: 560 }}>{one.person.name} {one.leads && <Chip small tone="ok">{text.t("teams.leads")}</Chip>}</span>
              <span className="small muted">{text.day(one.valid_from)} – {one.valid_to ? text.day(one.valid_to) : text.t("shifts.open_end")}</span>
              {props.manage && !one.valid_to && <ActButton small danger icon={UserMinus} label={text.t("teams.leave")} path={`/teams/${team.id}/members/${one.id}`} method="DELETE" />}
            </div>
          ))}</div>}
        </Loaded>
        <button type="button" className="plainbutton link small" onClick={() => setPast(!past)}>{text.t(past ? "teams.only_now" : "teams.also_past")}</button>
        {(shifts.data?.items ?? []).map((one) => <div key={one.id} className="small muted">{text.t("teams.follows", { shift: one.shift.name, from: text.day(`${one.valid_from}T12:00:00`) })}</div>)}
      </div>
    </Modal>
  );
}

function Centres(props: { manage: boolean }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const found = useList<Centre>("/work-centres");
  const fields: Field[] = [
    { name: "name", label: "col.name", required: true },
    { name: "address", label: "col.address", kind: "area", most: 500 },
    { name: "latitude_deg", label: "col.latitude", kind: "number", min: -90, max: 90, decimals: 6, half: true },
    { name: "longitude_deg", label: "col.longitude", kind: "number", min: -180, max: 180, decimals: 6, half: true },
    { name: "calendar_id", label: "col.calendar", kind: "pick", of: CALENDARS },
  ];
  const add = props.manage && <FormButton small icon={Plus} label={text.t("centres.add")} form={{ path: "/work-centres", fields: [{ name: "code", label: "col.code", required: true, most: 40, half: true }, ...fields] }} />;
  return (
    <CardBlock title={text.t("centres.title")} flush right={add}>
      <Loaded of={found} skeleton={<Bones rows={2} />}>
        {(page) => page.items.length === 0 ? <div className="small muted inset" style={{ paddingBottom: 16 }}><MapPinned size={14} aria-hidden /> {text.t("centres.empty")}</div> : (
          <Table plain rows={page.items} columns={[
            { label: "col.code", cell: (row) => <span className="mono">{row.code}</span> },
            { label: "col.name", cell: (row) => <span className="break">{row.name}</span> },
            { label: "col.address", cell: (row) => <span className="break">{row.address ?? "–"}</span>, phone: "hide" },
            { label: "col.act", cell: (row) => props.manage && row.organisation_id === me.organisation.id ? <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: row.name, submit: text.t("action.save"), path: `/work-centres/${row.id}`, method: "PATCH", version: row.version, fields, initial: { ...row, calendar_id: row.calendar_id ? { id: row.calendar_id, label: "…" } : null } }} /> : null },
          ]} />
        )}
      </Loaded>
    </CardBlock>
  );
}
