/** Who is away: requests to decide on, and a month of everybody at a glance. */
import { ActionIcon } from "@mantine/core";
import { CalendarOff, CalendarX2, Check, ChevronLeft, ChevronRight, Plane, Undo2, X } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useList, useOne, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton, REASON } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import type { Chosen } from "../../ui/Pick";
import { Bones, Empty, Loaded } from "../../ui/states";
import { TONES, type Tone } from "../../ui/theme";
import { Conflicts, dayOf, plusDays, TECHNICIANS, type Meanwhile } from "./common";
import { PeopleTabs } from "./PeopleTabs";

type Absence = Schema["AbsenceItem"];
type Answer = Schema["AbsenceAnswer"];

const REASONS = ["vacation", "sick", "training", "personal", "public_duty", "other"];
const LOOK: Record<string, Tone> = { requested: "watch", approved: "ok", refused: "trouble", withdrawn: "quiet" };

/** Ask for an absence, or enter one; whoever is planned meanwhile is named afterwards. */
export function AbsenceButton(props: { person?: Chosen; primary?: boolean }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const [lost, setLost] = useState<Meanwhile[]>([]);
  const decides = may(me, "absence.decide");
  const fields: Field[] = [
    { name: "person_id", label: "col.person", kind: "pick", of: TECHNICIANS, required: true, show: () => decides && !props.person },
    { name: "reason", label: "absences.reason", kind: "select", required: true, half: true, options: REASONS.map((word) => ({ value: word, label: text.code("absence", word) })) },
    { name: "whole", label: "absences.whole_days", kind: "switch", half: true },
    { name: "first_day", label: "absences.first_day", kind: "date", required: true, half: true, show: (values) => !!values.whole },
    { name: "last_day", label: "shifts.last_day", kind: "date", half: true, show: (values) => !!values.whole },
    { name: "starts_at", label: "col.from", kind: "moment", required: true, half: true, show: (values) => !values.whole },
    { name: "ends_at", label: "col.to", kind: "moment", required: true, half: true, show: (values) => !values.whole },
    { name: "note", label: "skills.note", kind: "area", most: 500 },
    { name: "approved", label: "absences.at_once", kind: "switch", show: () => decides },
  ];
  const moment = (value: unknown) => (typeof value === "string" && value ? new Date(value).toISOString() : null);
  const body = (values: Record<string, unknown>) => ({
    person_id: props.person?.id ?? (values.person_id as Chosen | null)?.id ?? null,
    reason: values.reason,
    note: values.note || null,
    approved: decides && !!values.approved,
    ...(values.whole ? { first_day: values.first_day, last_day: values.last_day || null } : { starts_at: moment(values.starts_at), ends_at: moment(values.ends_at) }),
  });
  return (
    <>
      <FormButton primary={props.primary} icon={Plane} label={text.t(decides ? "absences.enter" : "absences.ask")} form={{ path: "/absences", title: props.person?.label, fields, body, initial: { reason: "vacation", whole: true, first_day: dayOf(new Date()), approved: decides }, done: "form.saved", after: (answer: Answer) => setLost(answer.conflicts) }} />
      {lost.length > 0 && <Conflicts visits={lost} close={() => setLost([])} />}
    </>
  );
}

export function AbsencesPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const decides = may(me, "absence.decide");
  useTitle(text.t("people.tab.absences"));
  const requested = useList<Absence>("/absences", { state: "requested" });
  const [lost, setLost] = useState<Meanwhile[]>([]); // here: the row of what is decided goes away
  return (
    <>
      <PageHead title={text.t("people.tab.absences")} sub={text.t("absences.sub")} right={<AbsenceButton primary />} />
      <PeopleTabs />
      {(requested.data?.items.length ?? 0) > 0 && (
        <div style={{ marginBottom: 16 }}>
          <CardBlock title={text.t("absences.to_decide")}>{requested.data!.items.map((one) => <Line key={one.id} of={one} decides={decides} me={me} lost={setLost} />)}</CardBlock>
        </div>
      )}
      <Month decides={decides} me={me} lost={setLost} />
      {lost.length > 0 && <Conflicts visits={lost} close={() => setLost([])} />}
    </>
  );
}

function Line(props: { of: Absence; decides: boolean; me: Me; lost: (visits: Meanwhile[]) => void }) {
  const text = useText();
  const { of } = props;
  const path = `/absences/${of.id}`;
  const after = (answer: Answer) => props.lost(answer.conflicts);
  const hit = useOne<Answer>(path, of.state === "requested").data?.conflicts ?? []; // known before somebody decides
  const own = of.person.id === props.me.person.id;
  return (
    <div className="row wrap line" style={{ gap: "4px 12px" }}>
      <div className="grow" style={{ flexBasis: 220 }}>
        <span className="break" style={{ fontWeight: 600 }}>{of.person.name}</span> <Chip small tone={LOOK[of.state] ?? "quiet"}>{text.code("absence_state", of.state)}</Chip>
        <div className="small muted break">{of.reason && text.code("absence", of.reason)} · {range(of, text.language)}{of.note && ` · ${of.note}`}</div>
      </div>
      {hit.length > 0 && <button type="button" className="plainbutton" onClick={() => props.lost(hit)}><Chip small tone="watch" icon={CalendarX2}>{text.t("absences.visits", { count: hit.length })}</Chip></button>}
      {of.state === "requested" && props.decides && !own && <ActButton small primary icon={Check} label={text.t("absences.approve")} path={`${path}/approve`} version={of.version} after={after} />}
      {of.state === "requested" && props.decides && !own && <FormButton small danger icon={X} label={text.t("absences.refuse")} form={{ path: `${path}/refuse`, version: of.version, fields: [REASON] }} />}
      {(props.decides || (own && of.state === "requested")) && <ActButton small icon={Undo2} label={text.t("absences.withdraw")} path={`${path}/withdraw`} version={of.version} />}
    </div>
  );
}

/** Days where they are whole ones of the person's own zone, else moments. */
function range(of: Absence, language: string): string {
  const locale = language === "zh" ? "zh-CN" : "en-GB";
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: of.time_zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const [start, end] = [new Date(of.starts_at), new Date(of.ends_at)];
  const whole = clock.format(start) === "00:00" && clock.format(end) === "00:00";
  const day = new Intl.DateTimeFormat(locale, { timeZone: of.time_zone, dateStyle: "medium", timeStyle: whole ? undefined : "short" });
  return day.formatRange(start, whole ? new Date(end.getTime() - 1) : end);
}

function Month(props: { decides: boolean; me: Me; lost: (visits: Meanwhile[]) => void }) {
  const text = useText();
  const [first, setFirst] = useState(() => `${dayOf(new Date()).slice(0, 7)}-01`);
  const start = new Date(`${first}T00:00:00`);
  const count = new Date(start.getFullYear(), start.getMonth() + 1, 0).getDate();
  const days = Array.from({ length: count }, (_, index) => plusDays(first, index));
  const end = new Date(start.getFullYear(), start.getMonth() + 1, 1);
  const found = useList<Absence>("/absences", { from: start.toISOString(), until: end.toISOString(), limit: 500 });
  const move = (months: number) => setFirst(dayOf(new Date(start.getFullYear(), start.getMonth() + months, 1)));
  const title = new Intl.DateTimeFormat(text.language === "zh" ? "zh-CN" : "en-GB", { month: "long", year: "numeric" }).format(start);
  const arrows = <span className="row" style={{ gap: 4 }}><ActionIcon variant="default" aria-label={text.t("absences.before")} onClick={() => move(-1)}><ChevronLeft size={16} /></ActionIcon><ActionIcon variant="default" aria-label={text.t("absences.after")} onClick={() => move(1)}><ChevronRight size={16} /></ActionIcon></span>;
  return (
    <CardBlock title={title} right={arrows}>
      <Loaded of={found} skeleton={<Bones rows={5} />}>
        {(page) => page.items.length === 0 ? <Empty bare icon={CalendarOff} sentence={text.t("absences.nobody")} /> : <>
          <Grid days={days} absences={page.items} />
          {page.items.filter((one) => one.state !== "requested").map((one) => <Line key={one.id} of={one} decides={props.decides} me={props.me} lost={props.lost} />)}
        </>}
      </Loaded>
    </CardBlock>
  );
}

function Grid(props: { days: string[]; absences: Absence[] }) {
  const text = useText();
  const people = [...new Map(props.absences.map((one) => [one.person.id, one.person.name])).entries()].sort((one, other) => one[1].localeCompare(other[1]));
  const weekend = (day: string) => [0, 6].includes(new Date(`${day}T12:00:00`).getDay());
  const on = (person: string, day: string) => props.absences.find((one) => one.person.id === person && new Date(one.starts_at) < new Date(`${plusDays(day, 1)}T00:00:00`) && new Date(one.ends_at) > new Date(`${day}T00:00:00`));
  return (
    <div className="scroll" style={{ marginBottom: 8 }}>
      <table className="grid bare" style={{ minWidth: 170 + props.days.length * 24, tableLayout: "fixed" }}>
        <thead><tr><th style={{ position: "sticky", left: 0, background: "#fff", width: 150 }}>{text.t("col.name")}</th>{props.days.map((day) => <th key={day} className="num" style={{ padding: "6px 0", textAlign: "center", opacity: weekend(day) ? 0.5 : 1 }}>{Number(day.slice(8))}</th>)}</tr></thead>
        <tbody>
          {people.map(([id, name]) => (
            <tr key={id}>
              <td style={{ position: "sticky", left: 0, background: "#fff" }}><span className="break">{name}</span></td>
              {props.days.map((day) => {
                const away = on(id, day);
                const tone = TONES[away ? LOOK[away.state] ?? "quiet" : "quiet"];
                const said = away ? `${name}: ${away.reason ? text.code("absence", away.reason) : text.t("technicians.absent")} · ${text.code("absence_state", away.state)}` : undefined;
                return <td key={day} title={said} style={{ padding: 2, background: weekend(day) ? "#f6f8f9" : undefined }}>{away && <span role="img" aria-label={said} style={{ display: "block", height: 18, borderRadius: 4, background: tone.line, border: `1px ${away.state === "requested" ? "dashed" : "solid"} ${tone.ink}` }} />}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
