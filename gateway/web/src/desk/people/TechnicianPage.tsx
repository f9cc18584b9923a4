/** One technician: profile, skills with their certificates, shifts, and when they work in the coming two weeks. */
import { CalendarClock, FileBadge, Pencil, Plus, Trash2, UserX } from "lucide-react";
import { useState } from "react";
import { useOutletContext, useParams } from "react-router";

import { may, useList, useOne, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Bones, Loaded, Notice } from "../../ui/states";
import { AbsenceButton } from "./AbsencesPage";
import { CENTRES, Conflicts, dayOf, here, SHIFTS, VALIDITY, zones, type Held, type Meanwhile } from "./common";

type Detail = Schema["TechnicianDetail"];
type Assignment = Schema["AssignmentItem"];
type Span = Schema["SpanItem"];

const VEHICLES = ["van", "car", "motorbike", "bicycle", "on_foot", "transit"];

export function TechnicianPage() {
  const { id = "" } = useParams();
  const found = useOne<Detail>(`/technicians/${id}`);
  useTitle(found.data?.name);
  return <Loaded of={found} skeleton={<Bones rows={8} />}>{(data) => <One of={data} />}</Loaded>;
}

function One(props: { of: Detail }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const { of } = props;
  const manage = may(me, "technician.manage");
  return (
    <>
      <PageHead back={{ to: "/people/technicians", label: text.t("people.tab.technicians") }} title={of.name} sub={[of.organisation?.name, ...of.teams.map((team) => team.name)].filter(Boolean).join(" · ")} right={(manage || me.person.id === of.id) && <AbsenceButton person={{ id: of.id, label: of.name }} />} />
      {of.missing.length > 0 && <div style={{ marginBottom: 14 }}><Notice tone="watch">{of.missing.map((word) => text.code("missing_more", word)).join(" ")}</Notice></div>}
      <div className="two">
        <div>
          <Skills of={of} manage={manage} />
          <WorkingTime of={of} />
        </div>
        <div>
          <Profile of={of} manage={manage} />
          <Follows of={of} manage={may(me, "shift.manage")} />
        </div>
      </div>
    </>
  );
}

function Profile(props: { of: Detail; manage: boolean }) {
  const text = useText();
  const { of } = props;
  const held = of.profile;
  const vans = { path: "/stock-locations", asked: { kind: "van" }, label: (row: any) => `${row.code} · ${row.name}` };
  const fields: Field[] = [
    { name: "home_address", label: "technicians.home", kind: "area", most: 500 },
    { name: "home_latitude_deg", label: "col.latitude", kind: "number", min: -90, max: 90, decimals: 6, half: true },
    { name: "home_longitude_deg", label: "col.longitude", kind: "number", min: -180, max: 180, decimals: 6, half: true },
    { name: "time_zone", label: "col.time_zone", kind: "select", required: true, half: true, options: zones() },
    { name: "work_centre_id", label: "col.work_centre", kind: "pick", of: CENTRES, half: true },
    { name: "vehicle", label: "technicians.vehicle", kind: "select", required: true, half: true, options: VEHICLES.map((word) => ({ value: word, label: text.code("vehicle", word) })) },
    { name: "speed_kmh", label: "technicians.speed", kind: "number", min: 1, max: 300, half: true, suffix: " km/h" },
    { name: "van_location_id", label: "technicians.van", kind: "pick", of: vans, half: true },
    { name: "overtime_minutes", label: "technicians.overtime", kind: "integer", min: 0, max: 720, half: true, hint: "technicians.overtime_hint" },
    { name: "cost_per_hour", label: "technicians.cost", kind: "number", min: 0, decimals: 2, half: true },
    { name: "overtime_cost_per_hour", label: "technicians.overtime_cost", kind: "number", min: 0, decimals: 2, half: true },
    { name: "currency", label: "col.currency", required: true, half: true, most: 3 },
  ];
  const initial = {
    time_zone: here(), vehicle: "van", currency: "CNY", ...held,
    cost_per_hour: held?.cost_per_hour ? Number(held.cost_per_hour) : null,
    overtime_cost_per_hour: held?.overtime_cost_per_hour ? Number(held.overtime_cost_per_hour) : null,
    van_location_id: held?.van ? { id: held.van.id, label: held.van.name } : null,
    work_centre_id: of.work_centre ? { id: of.work_centre.id, label: of.work_centre.name } : null,
  };
  const edit = props.manage && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: of.name, submit: text.t("action.save"), path: `/technicians/${of.id}`, method: "PUT", version: held?.version, fields, initial, done: "form.saved" }} />;
  const money = (amount: string | null | undefined) => (amount ? `${text.number(Number(amount), 2)} ${held?.currency}` : "–");
  return (
    <CardBlock title={text.t("technicians.profile")} right={edit}>
      {!held ? <div className="small muted">{text.t(props.manage ? "technicians.no_profile" : "technicians.private")}</div> : (
        <Facts rows={[
          [text.t("technicians.home"), held.home_address ?? (held.home_latitude_deg !== null ? `${held.home_latitude_deg.toFixed(5)}, ${held.home_longitude_deg!.toFixed(5)}` : "–")],
          [text.t("col.time_zone"), held.time_zone.replaceAll("_", " ")],
          [text.t("col.work_centre"), of.work_centre?.name ?? "–"],
          [text.t("technicians.vehicle"), `${text.code("vehicle", held.vehicle)} · ${text.number(held.speed_used_kmh, 0)} km/h`],
          [text.t("technicians.van"), held.van?.name ?? "–"],
          [text.t("technicians.cost"), money(held.cost_per_hour)],
          [text.t("technicians.overtime_cost"), money(held.overtime_cost_per_hour)],
        ]} />
      )}
    </CardBlock>
  );
}

export const heldFields = (): Field[] => [
  { name: "level", label: "skills.level", kind: "integer", required: true, min: 1, max: 5, half: true, hint: "skills.level_hint" },
  { name: "valid_from", label: "col.from", kind: "date", half: true },
  { name: "valid_until", label: "skills.until", kind: "date", half: true, hint: "skills.until_hint" },
  { name: "document_id", label: "skills.certificate", kind: "pick", of: { path: "/documents", asked: { kind: "certificate" }, label: (row: any) => row.title } },
  { name: "note", label: "skills.note", kind: "area", most: 500 },
];

function Skills(props: { of: Detail; manage: boolean }) {
  const text = useText();
  const { of } = props;
  const [lost, setLost] = useState<Meanwhile[]>([]);
  const after = (answer: { conflicts: Meanwhile[] }) => setLost(answer.conflicts);
  return (
    <CardBlock title={text.t("people.tab.skills")} right={props.manage && <AddSkill of={of} after={after} />}>
      {of.skills.length === 0 && <div className="small muted">{text.t("skills.none")}</div>}
      {of.skills.map((held) => (
        <div key={held.skill_id} className="row wrap line" style={{ gap: "4px 12px" }}>
          <div className="grow" style={{ flexBasis: 180 }}><span className="mono small">{held.code}</span> <span className="break" style={{ fontWeight: 560 }}>{text.language === "zh" ? held.name_zh : held.name_en}</span>{held.note && <div className="tiny muted break">{held.note}</div>}</div>
          <Level level={held.level} />
          <Chip small tone={VALIDITY[held.validity] ?? "quiet"}>{text.code("validity", held.validity)}</Chip>
          <span className="small muted">{held.valid_until ? text.t("people.until_day", { day: text.day(`${held.valid_until}T12:00:00`) }) : text.t("skills.for_ever")}</span>
          {held.document_id && <a className="link small" href={`/api/v1/documents/${held.document_id}/content`}><FileBadge size={14} /> {text.t("skills.certificate")}</a>}
          {props.manage && <span className="row" style={{ gap: 4 }}><EditSkill of={of} held={held} after={after} /><ActButton small danger icon={Trash2} label={text.t("action.delete")} path={`/technicians/${of.id}/skills/${held.skill_id}`} method="DELETE" /></span>}
        </div>
      ))}
      {lost.length > 0 && <Conflicts visits={lost} close={() => setLost([])} />}
    </CardBlock>
  );
}

export function Level(props: { level: number }) {
  const text = useText();
  return <span className="mono" title={text.t(`skills.level.${props.level}`)} aria-label={text.t("skills.level_is", { level: props.level })}>{"●".repeat(props.level)}<span className="faint">{"●".repeat(5 - props.level)}</span></span>;
}

function EditSkill(props: { of: Detail; held: Held; after: (answer: { conflicts: Meanwhile[] }) => void }) {
  const text = useText();
  const { held } = props;
  return <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: `${props.of.name} · ${held.code}`, submit: text.t("action.save"), path: `/technicians/${props.of.id}/skills/${held.skill_id}`, method: "PUT", fields: heldFields(), initial: { ...held, document_id: held.document_id ? { id: held.document_id, label: text.t("skills.certificate") } : null }, after: props.after }} />;
}

/** The skill is chosen first: where it is sent depends on it. */
function AddSkill(props: { of: Detail; after: (answer: { conflicts: Meanwhile[] }) => void }) {
  const text = useText();
  const skills = useList<Schema["SkillItem"]>("/skills");
  const free = (skills.data?.items ?? []).filter((skill) => !props.of.skills.some((held) => held.skill_id === skill.id));
  const [skill, setSkill] = useState<string>("");
  const fields: Field[] = [{ name: "skill_id", label: "skills.skill", kind: "own", required: true, own: (value, change) => <SkillSelect free={free} value={(value as string) ?? ""} change={(one) => { setSkill(one); change(one); }} /> }, ...heldFields()];
  return <FormButton small icon={Plus} label={text.t("skills.give")} form={{ path: `/technicians/${props.of.id}/skills/${skill}`, method: "PUT", fields, initial: { level: 3 }, body: ({ skill_id: _, document_id, ...rest }) => ({ ...rest, level: Number(rest.level), note: rest.note || null, valid_from: rest.valid_from || null, valid_until: rest.valid_until || null, document_id: (document_id as { id: string } | null)?.id ?? null }), after: props.after }} />;
}

function SkillSelect(props: { free: Schema["SkillItem"][]; value: string; change: (id: string) => void }) {
  const text = useText();
  return (
    <label className="small" style={{ display: "block" }}><span style={{ fontWeight: 500 }}>{text.t("skills.skill")} *</span>
      <select className="plainselect" value={props.value} onChange={(event) => props.change(event.currentTarget.value)} style={{ width: "100%", minHeight: 36, marginTop: 4 }}>
        <option value="" disabled>{text.t("skills.choose")}</option>
        {props.free.map((skill) => <option key={skill.id} value={skill.id}>{skill.code} · {text.language === "zh" ? skill.name_zh : skill.name_en}</option>)}
      </select>
    </label>
  );
}

function Follows(props: { of: Detail; manage: boolean }) {
  const text = useText();
  const { of } = props;
  const found = useList<Assignment>("/shift-assignments", { person_id: of.id });
  const fields: Field[] = [
    { name: "shift_id", label: "shifts.shift", kind: "pick", of: SHIFTS, required: true },
    { name: "valid_from", label: "col.from", kind: "date", required: true, half: true },
    { name: "valid_until", label: "shifts.last_day", kind: "date", half: true },
  ];
  const [shift, setShift] = useState("");
  const own: Field[] = [{ ...fields[0]!, kind: "own", own: (value, change) => <ShiftSelect value={(value as string) ?? ""} change={(id) => { setShift(id); change(id); }} /> }, ...fields.slice(1)];
  const add = props.manage && <FormButton small icon={Plus} label={text.t("shifts.assign")} form={{ path: `/shifts/${shift}/assignments`, fields: own, initial: { valid_from: dayOf(new Date()) }, body: (values) => ({ person_id: of.id, valid_from: values.valid_from, valid_until: values.valid_until || null }) }} />;
  return (
    <CardBlock title={text.t("people.tab.shifts")} right={add}>
      <Loaded of={found} skeleton={<Bones rows={2} />}>
        {(page) => page.items.length === 0 ? <div className="small muted">{text.t(of.teams.length ? "shifts.of_team" : "shifts.follows_none")}</div> : <>{page.items.map((one) => (
          <div key={one.id} className="row wrap line" style={{ gap: "4px 12px" }}>
            <span className="grow" style={{ fontWeight: 560 }}>{one.shift.name}</span>
            <span className="small muted">{text.day(`${one.valid_from}T12:00:00`)} – {one.valid_until ? text.day(`${one.valid_until}T12:00:00`) : text.t("shifts.open_end")}</span>
            {props.manage && <ActButton small danger icon={UserX} label={text.t("shifts.end")} path={`/shift-assignments/${one.id}?last=${dayOf(new Date())}`} method="DELETE" />}
          </div>
        ))}</>}
      </Loaded>
    </CardBlock>
  );
}

export function ShiftSelect(props: { value: string; change: (id: string) => void }) {
  const text = useText();
  const shifts = useList<Schema["ShiftItem"]>("/shifts");
  return (
    <label className="small" style={{ display: "block" }}><span style={{ fontWeight: 500 }}>{text.t("shifts.shift")} *</span>
      <select className="plainselect" value={props.value} onChange={(event) => props.change(event.currentTarget.value)} style={{ width: "100%", minHeight: 36, marginTop: 4 }}>
        <option value="" disabled>{text.t("shifts.choose")}</option>
        {(shifts.data?.items ?? []).map((shift) => <option key={shift.id} value={shift.id}>{shift.name}</option>)}
      </select>
    </label>
  );
}

function WorkingTime(props: { of: Detail }) {
  const text = useText();
  const found = useList<Span>(`/technicians/${props.of.id}/availability`, { limit: undefined });
  const zone = props.of.profile?.time_zone;
  const clock = new Intl.DateTimeFormat(text.language === "zh" ? "zh-CN" : "en-GB", { timeZone: zone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const hour = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return (
    <CardBlock title={text.t("technicians.coming")}>
      <Loaded of={found} skeleton={<Bones rows={5} />}>
        {(page) => page.items.length === 0 ? <div className="small muted">{text.t("technicians.no_time")}</div> : <>{page.items.map((span) => (
          <div key={span.start} className="row wrap line" style={{ gap: "2px 12px" }}>
            <CalendarClock size={14} aria-hidden className="muted" />
            <span className="grow num" style={{ flexBasis: 200 }}>{clock.format(new Date(span.start))} – {hour.format(new Date(span.end))}</span>
            {span.lunch && <span className="tiny muted">{text.t("technicians.lunch", { minutes: span.lunch.minutes, from: hour.format(new Date(span.lunch.opens)), until: hour.format(new Date(span.lunch.closes)) })}</span>}
            {span.overtime_end !== span.end && <span className="tiny muted">{text.t("technicians.overtime_until", { at: hour.format(new Date(span.overtime_end)) })}</span>}
          </div>
        ))}</>}
      </Loaded>
    </CardBlock>
  );
}

