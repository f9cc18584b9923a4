/** Policies of service levels: what is promised for which work, what pauses it, who is told when. */
import { Checkbox, NumberInput, Select } from "@mantine/core";
import { AlarmClock, Pencil, Plus, Trash2 } from "lucide-react";
import { useOutletContext } from "react-router";

import { may, useList, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { duration } from "../../i18n/format";
import { useText, type Text } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field, FormProps, Values } from "../../ui/Form";
import { PageHead, useTitle } from "../../ui/parts";
import type { Source } from "../../ui/Pick";
import { Bones, Empty, Loaded } from "../../ui/states";
import { CUSTOMERS } from "../assets/look";
import { Preview } from "./Preview";
import { SlaTabs } from "./SlaTabs";
import { CLOCKS, PRIORITIES, REASONS, ROLES, SUBJECTS, words } from "./words";

type Policy = Schema["SlaPolicyItem"];
type Targets = Record<string, { minutes: number | ""; unit: "min" | "h" }>; // by "clock.priority"
const CALENDARS: Source = { path: "/calendars", label: (row) => row.name, local: true };
const PEOPLE: Source = { path: "/people", label: (row) => row.name };
const LEVELS = ["any", ...PRIORITIES];

export function SlaPoliciesPage() {
  const text = useText();
  const manage = may(useOutletContext<Me>(), "sla.manage");
  const policies = useList<Policy>("/sla-policies");
  useTitle(text.t("sla.tab.policies"));
  const add = manage ? <FormButton primary icon={Plus} label={text.t("sla.add_policy")} form={{ ...formOf(text, null), path: "/sla-policies" }} /> : undefined;
  return (
    <>
      <PageHead title={text.t("sla.tab.policies")} sub={text.t("sla.policies_sub")} right={add} />
      <SlaTabs />
      <Loaded of={policies} skeleton={<Bones rows={5} />}>
        {(page) => page.items.length === 0 ? <Empty icon={AlarmClock} sentence={text.t("sla.no_policies")} example={text.t("sla.policies_example")} action={add} /> : (
          <div className="stack" style={{ gap: 14 }}>
            {page.items.map((policy) => <PolicyCard key={policy.id} policy={policy} manage={manage} />)}
            <Preview />
          </div>
        )}
      </Loaded>
    </>
  );
}

function PolicyCard(props: { policy: Policy; manage: boolean }) {
  const text = useText();
  const { policy } = props;
  const said = (minutes: number) => duration(minutes * 60, text.language);
  const levels = LEVELS.filter((level) => policy.targets.some((target) => target.priority === level));
  return (
    <section className="card pad">
      <div className="row wrap" style={{ gap: "6px 10px" }}>
        <span className="break" style={{ fontSize: 16, fontWeight: 650 }}>{policy.name}</span>
        <Chip tone={policy.enabled ? "ok" : "quiet"} small>{text.t(policy.enabled ? "policies.on" : "policies.off")}</Chip>
        <span className="grow" />
        {props.manage && <>
          <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ ...formOf(text, policy), title: policy.name, submit: text.t("action.save"), path: `/sla-policies/${policy.id}`, method: "PUT", version: policy.version, done: "form.saved" }} />
          <ActButton small danger icon={Trash2} label={text.t("action.delete")} path={`/sla-policies/${policy.id}`} method="DELETE" version={policy.version} />
        </>}
      </div>
      <div className="small muted break" style={{ margin: "4px 0 10px" }}>{matchText(policy, text)} · {policy.calendar ? text.t("sla.on_calendar", { name: policy.calendar.name }) : text.t("sla.around_the_clock")} · {text.t("sla.open_work", { count: policy.open })}</div>
      {levels.length > 0 && (
        <div className="scroll">
          <table className="grid bare">
            <thead><tr><th>{text.t("orders.priority")}</th>{CLOCKS.map((clock) => <th key={clock}>{text.code("sla_clock", clock)}</th>)}</tr></thead>
            <tbody>
              {levels.map((level) => (
                <tr key={level}>
                  <td>{level === "any" ? text.t("sla.any_priority") : text.code("priority", level)}</td>
                  {CLOCKS.map((clock) => {
                    const target = policy.targets.find((one) => one.clock === clock && one.priority === level);
                    return <td key={clock} className="num-left">{target ? said(target.minutes) : <span className="faint">–</span>}{target?.calendar && <div className="tiny muted">{target.calendar.name}</div>}</td>;
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <div className="small" style={{ marginTop: 10 }}>
        {Object.entries(policy.pauses).map(([reason, clocks]) => <div key={reason}><span className="muted">{text.t("sla.pauses_for")}</span> {text.code("sla_reason", reason)}: {clocks.map((clock) => text.code("sla_clock", clock)).join(", ")}</div>)}
        {policy.warnings.map((one) => <div key={one.percent}><b className="num">{one.percent} %</b> → {one.tell.map((each) => text.code("sla_tell", each.to)).join(", ")}{one.repeat_minutes ? <span className="muted"> · {text.t("sla.repeated", { time: said(one.repeat_minutes), count: one.repeats })}</span> : null}</div>)}
      </div>
    </section>
  );
}

function matchText(policy: Policy, text: Text): string {
  if (policy.match === null) return text.t("sla.match.linked");
  const asked = Object.entries(policy.match).filter(([, all]) => all.length > 0);
  if (asked.length === 0) return text.t("sla.match.all");
  const spoken = (name: string, all: string[]) => (name === "priorities" ? all.map((word) => text.code("priority", word)).join(", ") : name === "subjects" ? all.map((word) => text.code("sla_subject", word)).join(", ") : name === "origins" ? all.map((word) => text.code("origin", word)).join(", ") : text.number(all.length, 0));
  return asked.map(([name, all]) => `${text.code("sla_match", name)}: ${spoken(name, all)}`).join("; ");
}

function formOf(text: Text, policy: Policy | null): Omit<FormProps, "close" | "title" | "path"> {
  const kept = (name: string) => policy?.match?.[name] ?? [];
  const initial: Values = {
    name: policy?.name ?? "",
    enabled: policy?.enabled ?? true,
    scope: policy === null ? "all" : policy.match === null ? "linked" : Object.values(policy.match).some((all) => all.length > 0) ? "some" : "all",
    customers: kept("customer_ids").map((id) => ({ customer: { id, label: id } })),
    types: kept("service_type_ids").map((id) => ({ type: { id, label: id } })),
    subjects: kept("subjects"),
    precedence: policy?.precedence ?? 0,
    calendar_id: policy?.calendar ? { id: policy.calendar.id, label: policy.calendar.name } : null,
    targets: Object.fromEntries((policy?.targets ?? []).map((one) => [`${one.clock}.${one.priority}`, one.minutes % 60 ? { minutes: one.minutes, unit: "min" } : { minutes: one.minutes / 60, unit: "h" }])),
    pauses: policy?.pauses ?? { customer: [...CLOCKS].slice(1), parts: ["restoration", "closing"], access: ["arrival", "restoration", "closing"], third_party: ["restoration", "closing"] },
    warnings: (policy?.warnings ?? [{ percent: 50, tell: [{ to: "assignee" }] }, { percent: 80, tell: [{ to: "dispatchers" }] }, { percent: 100, tell: [{ to: "planners" }], repeat_minutes: 60, repeats: 5 }]).map((one) => ({ ...one, tell: one.tell.filter((each) => each.to !== "person").map((each) => each.to), person: person(one.tell) })),
  };
  return { size: "xl", fields: fieldsOf(text), initial, body: (values) => bodyOf(values, policy) };
}

const person = (tell: Schema["Told"][]) => { const one = tell.find((each) => each.to === "person"); return one?.id ? { id: one.id, label: one.id } : null; };

const fieldsOf = (text: Text): Field[] => [
  { name: "name", label: "col.name", required: true },
  { name: "calendar_id", label: "sla.calendar", kind: "pick", of: CALENDARS, half: true, hint: "sla.calendar_hint" },
  { name: "precedence", label: "sla.precedence", kind: "integer", min: -1000, max: 1000, half: true, hint: "sla.precedence_hint" },
  { name: "scope", label: "sla.holds_for", kind: "select", required: true, half: true, options: ["all", "some", "linked"].map((word) => ({ value: word, label: text.t(`sla.scope.${word}`) })) },
  { name: "enabled", label: "policies.on", kind: "switch", half: true },
  { name: "customers", label: "nav.customers", kind: "lines", add: "sla.add_customer", show: (values) => values.scope === "some", lines: [{ name: "customer", label: "col.customer", kind: "pick", of: CUSTOMERS }] },
  { name: "types", label: "sla_match.service_type_ids", kind: "lines", add: "sla.add_type", show: (values) => values.scope === "some", lines: [{ name: "type", label: "sla_match.service_type_ids", kind: "pick", of: { path: "/service-types" } }] },
  { name: "subjects", label: "sla.kind", kind: "own", show: (values) => values.scope === "some", own: (value, change) => <Several label={text.t("sla.kind")} family="sla_subject" all={SUBJECTS} value={value as string[]} change={change} /> },
  { name: "targets", label: "sla.targets", kind: "own", own: (value, change) => <TargetGrid value={value as Targets} change={change} /> },
  { name: "pauses", label: "sla.pauses_for", kind: "own", own: (value, change) => <PauseGrid value={value as Record<string, string[]>} change={change} /> },
  { name: "warnings", label: "sla.chain", hint: "sla.chain_hint", kind: "lines", add: "sla.add_warning", lines: [
    { name: "percent", label: "sla.percent", kind: "integer", min: 1, max: 1000, half: true, required: true, suffix: "%" },
    { name: "repeat_minutes", label: "sla.repeat_minutes", kind: "integer", min: 5, half: true },
    { name: "repeats", label: "sla.repeats", kind: "integer", min: 0, max: 20, half: true },
    { name: "tell", label: "sla.tell", kind: "own", own: (value, change) => <Several label={text.t("sla.tell")} family="sla_tell" all={ROLES.slice(0, -1)} value={(value as string[] | undefined) ?? []} change={change} /> },
    { name: "person", label: "sla_tell.person", kind: "pick", of: PEOPLE },
  ] },
];

function bodyOf(values: Values, policy: Policy | null) {
  const ids = (rows: unknown, name: string) => ((rows as Record<string, { id: string } | undefined>[] | undefined) ?? []).map((row) => row[name]?.id).filter((id): id is string => !!id);
  const targets = Object.entries(values.targets as Targets).filter(([, one]) => one.minutes !== "" && Number(one.minutes) > 0).map(([key, one]) => {
    const [clock, priority] = key.split(".");
    const before = policy?.targets.find((each) => each.clock === clock && each.priority === priority);
    return { clock, priority, minutes: Math.max(1, Math.round(Number(one.minutes) * (one.unit === "h" ? 60 : 1))), calendar_id: before?.calendar_id ?? null };
  });
  const some = { ...(policy?.match ?? {}), customer_ids: ids(values.customers, "customer"), service_type_ids: ids(values.types, "type"), subjects: values.subjects };
  return {
    name: values.name, enabled: values.enabled === true, precedence: Number(values.precedence) || 0, calendar_id: (values.calendar_id as { id: string } | null)?.id ?? null,
    match: values.scope === "linked" ? null : values.scope === "all" ? {} : some,
    pauses: values.pauses,
    targets,
    warnings: ((values.warnings as Values[] | undefined) ?? []).filter((row) => row.percent).map((row) => ({ percent: Number(row.percent), repeat_minutes: row.repeat_minutes ? Number(row.repeat_minutes) : null, repeats: Number(row.repeats) || 0, clocks: row.clocks ?? null, tell: [...((row.tell as string[] | undefined) ?? []).map((to) => ({ to })), ...(row.person ? [{ to: "person", id: (row.person as { id: string }).id }] : [])] })),
  };
}

function Several(props: { label: string; family: string; all: readonly string[]; value: string[]; change: (value: string[]) => void }) {
  const text = useText();
  return (
    <Checkbox.Group label={props.label} value={props.value} onChange={props.change}>
      <div className="row wrap" style={{ gap: "6px 14px", marginTop: 4 }}>{words(props.family, props.all, text).map((one) => <Checkbox key={one.value} size="xs" value={one.value} label={one.label} />)}</div>
    </Checkbox.Group>
  );
}

function TargetGrid(props: { value: Targets; change: (value: Targets) => void }) {
  const text = useText();
  const set = (key: string, more: Partial<Targets[string]>) => props.change({ ...props.value, [key]: { ...(props.value[key] ?? { minutes: "", unit: "h" }), ...more } });
  return (
    <div>
      <div className="label">{text.t("sla.targets")}</div>
      <div className="tiny muted" style={{ marginBottom: 6 }}>{text.t("sla.targets_hint")}</div>
      <div className="scroll">
        <table className="grid bare">
          <thead><tr><th />{CLOCKS.map((clock) => <th key={clock}>{text.code("sla_clock", clock)}</th>)}</tr></thead>
          <tbody>
            {LEVELS.map((level) => (
              <tr key={level}>
                <td className="small">{level === "any" ? text.t("sla.any_priority") : text.code("priority", level)}</td>
                {CLOCKS.map((clock) => {
                  const key = `${clock}.${level}`;
                  const one = props.value[key];
                  const label = `${text.code("sla_clock", clock)} · ${level === "any" ? text.t("sla.any_priority") : text.code("priority", level)}`;
                  return (
                    <td key={clock}>
                      <div className="row" style={{ gap: 2, minWidth: 128 }}>
                        <NumberInput size="xs" aria-label={label} value={one?.minutes ?? ""} min={0} onChange={(minutes) => set(key, { minutes: minutes === "" ? "" : Number(minutes) })} hideControls style={{ width: 62 }} />
                        <Select size="xs" aria-label={`${label} · ${text.t("sla.unit")}`} value={one?.unit ?? "h"} onChange={(unit) => set(key, { unit: unit as "h" })} data={["min", "h"].map((word) => ({ value: word, label: text.t(`sla.unit.${word}`) }))} style={{ width: 74 }} />
                      </div>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function PauseGrid(props: { value: Record<string, string[]>; change: (value: Record<string, string[]>) => void }) {
  const text = useText();
  const flip = (reason: string, clock: string, on: boolean) => {
    const held = props.value[reason] ?? [];
    props.change({ ...props.value, [reason]: on ? [...held, clock] : held.filter((one) => one !== clock) });
  };
  return (
    <div>
      <div className="label">{text.t("sla.pauses_for")}</div>
      <div className="scroll">
        <table className="grid bare">
          <thead><tr><th>{text.t("sla.reason")}</th>{CLOCKS.map((clock) => <th key={clock}>{text.code("sla_clock", clock)}</th>)}</tr></thead>
          <tbody>
            {REASONS.map((reason) => (
              <tr key={reason}>
                <td className="small">{text.code("sla_reason", reason)}</td>
                {CLOCKS.map((clock) => <td key={clock}><Checkbox size="xs" aria-label={`${text.code("sla_reason", reason)} · ${text.code("sla_clock", clock)}`} checked={(props.value[reason] ?? []).includes(clock)} onChange={(event) => flip(reason, clock, event.currentTarget.checked)} /></td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
