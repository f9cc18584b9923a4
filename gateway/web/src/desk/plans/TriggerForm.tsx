/** Makes a trigger: what kind it is, and for calendars a builder of rules that says in words what it has built. */
import { ActionIcon, Button, Checkbox, Chip as Toggle, Group, NumberInput, Select, Switch, Textarea, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { useText } from "../../i18n/useText";
import type { Trigger } from "./look";
import { FREQUENCIES, monthName, partsOf, ruleOf, triggerSentence, WEEKDAYS, weekdayName, type Parts } from "./sentence";

const KINDS = ["calendar", "meter", "whichever_first", "threshold", "finding", "remaining_life", "expression"];
export const FRESH: Record<string, Trigger> = {
  calendar: { kind: "calendar", rrule: "FREQ=MONTHLY;INTERVAL=3" },
  meter: { kind: "meter", meter: "", every: 500 },
  whichever_first: { kind: "whichever_first", of: [{ kind: "calendar", rrule: "FREQ=YEARLY" }, { kind: "meter", meter: "", every: 2000 }] },
  threshold: { kind: "threshold", meter: "", at_least: 100 },
  finding: { kind: "finding", severity: "warning" },
  remaining_life: { kind: "remaining_life", below_days: 30 },
  expression: { kind: "expression", text: "" },
};

type Edited = { value: Trigger; change: (trigger: Trigger) => void; kinds?: string[] };

export function TriggerForm(props: Edited) {
  const text = useText();
  const { value, change } = props;
  const kinds = props.kinds ?? KINDS;
  return (
    <div className="stack" style={{ gap: 12 }}>
      <Select label={text.t("plan.trigger")} value={value.kind} allowDeselect={false} data={kinds.map((kind) => ({ value: kind, label: text.code("plan.kind", kind) }))} onChange={(kind) => kind && kind !== value.kind && change(structuredClone(FRESH[kind]!))} />
      <Details {...props} />
      <div className="small" aria-live="polite" style={{ fontWeight: 560 }}>{triggerSentence(value, text)}</div>
    </div>
  );
}

function Details(props: Edited) {
  const text = useText();
  const { value, change } = props;
  const set = (name: string, next: unknown) => change({ ...value, [name]: next });
  const word = (name: string, label: string, hint?: string) => <TextInput label={text.t(label)} description={hint && text.t(hint)} value={String(value[name] ?? "")} maxLength={200} onChange={(event) => set(name, event.currentTarget.value)} />;
  const number = (name: string, label: string) => <NumberInput label={text.t(label)} value={(value[name] as number | undefined) ?? ""} onChange={(next) => set(name, next === "" ? undefined : Number(next))} thousandSeparator="," />;
  switch (value.kind) {
    case "calendar":
      return (
        <>
          <RuleBuilder key={/UNTIL|COUNT/.test(String(value.rrule)) ? "raw" : "built"} rule={String(value.rrule ?? "")} change={(rule) => set("rrule", rule)} />
          <Switch label={text.t("plan.include_start")} checked={value.include_start === true} onChange={(event) => set("include_start", event.currentTarget.checked || undefined)} />
        </>
      );
    case "meter": {
      const once = value.at !== undefined;
      return (
        <div className="form-grid">
          <div>{word("meter", "plan.meter", "plan.meter_hint")}</div>
          <div className="half"><Select label={text.t("plan.meter_how")} allowDeselect={false} value={once ? "at" : "every"} data={[{ value: "every", label: text.t("plan.meter_every") }, { value: "at", label: text.t("plan.meter_at") }]} onChange={(how) => change(how === "at" ? { kind: "meter", meter: value.meter, at: Number(value.every ?? 500) } : { kind: "meter", meter: value.meter, every: Number(value.at ?? 500) })} /></div>
          <div className="half">{number(once ? "at" : "every", "plan.meter_value")}</div>
        </div>
      );
    }
    case "whichever_first":
      return <Race {...props} />;
    case "threshold": {
      const source = "metric" in value ? "metric" : "meter";
      const side = "at_most" in value ? "at_most" : "at_least";
      const { meter, metric, at_least, at_most, ...rest } = value;
      const put = (from: string, to: string) => change({ ...rest, kind: "threshold", [from]: metric ?? meter ?? "", [to]: at_least ?? at_most });
      return (
        <div className="form-grid">
          <div className="half"><Select label={text.t("plan.of_what")} allowDeselect={false} value={source} data={["meter", "metric"].map((one) => ({ value: one, label: text.code("plan.source", one) }))} onChange={(next) => next && put(next, side)} /></div>
          <div className="half">{word(source, "col.name")}</div>
          <div className="half"><Select label={text.t("plan.side")} allowDeselect={false} value={side} data={["at_least", "at_most"].map((one) => ({ value: one, label: text.code("plan.side", one) }))} onChange={(next) => next && put(source, next)} /></div>
          <div className="half">{number(side, "plan.limit")}</div>
          <div>{number("clear", "plan.clear")}</div>
        </div>
      );
    }
    case "finding":
      return (
        <div className="form-grid">
          <div className="half"><Select label={text.t("plan.severity")} allowDeselect={false} value={String(value.severity ?? "warning")} data={["info", "warning", "critical"].map((one) => ({ value: one, label: text.code("severity", one) }))} onChange={(next) => set("severity", next)} /></div>
          <div className="half">{word("key", "plan.finding_key")}</div>
        </div>
      );
    case "remaining_life":
      return <>{number("below_days", "plan.below_days")}<Switch label={text.t("plan.cautious")} checked={value.cautious === true} onChange={(event) => set("cautious", event.currentTarget.checked || undefined)} /></>;
    default:
      return <Textarea label={text.t("plan.expression")} description={text.t("plan.expression_hint")} value={String(value.text ?? "")} autosize minRows={2} maxLength={1000} placeholder={'meter("hours") > 500 and month >= 4'} onChange={(event) => set("text", event.currentTarget.value)} />;
  }
}

function Race(props: Edited) {
  const text = useText();
  const parts = (props.value.of as Trigger[]) ?? [];
  const put = (next: Trigger[]) => props.change({ kind: "whichever_first", of: next });
  return (
    <div className="stack" style={{ gap: 10 }}>
      {parts.map((part, index) => (
        <div key={index} className="linebox">
          <div className="grow"><TriggerForm value={part} kinds={["calendar", "meter"]} change={(next) => put(parts.map((one, at) => (at === index ? next : one)))} /></div>
          {parts.length > 2 && <ActionIcon variant="subtle" color="gray" aria-label={text.t("plan.remove_part")} onClick={() => put(parts.filter((_, at) => at !== index))}><Trash2 size={16} /></ActionIcon>}
        </div>
      ))}
      {parts.length < 5 && <div><Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => put([...parts, structuredClone(FRESH.meter!)])}>{text.t("plan.race_add")}</Button></div>}
    </div>
  );
}

const BUILT = new Set(["FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYMONTH", "SKIP"]);

/** The rules that people want, by clicking; all others as RFC 5545 writes them. */
function RuleBuilder(props: { rule: string; change: (rule: string) => void }) {
  const text = useText();
  const parts = partsOf(props.rule);
  const strange = !FREQUENCIES.some((one) => one === parts.FREQ) || Object.keys(parts).some((name) => !BUILT.has(name)) || (parts.FREQ === "DAILY" && Object.keys(parts).length > 2);
  const [raw, setRaw] = useState(strange);
  const put = (next: Parts) => props.change(ruleOf(next));
  return (
    <div className="stack" style={{ gap: 10 }}>
      {raw ? <TextInput label={text.t("plan.rrule")} description={text.t("plan.rrule_hint")} value={props.rule} maxLength={500} classNames={{ input: "mono" }} onChange={(event) => props.change(event.currentTarget.value)} /> : (
        <div className="form-grid">
          <div className="half"><NumberInput label={text.t("plan.interval")} value={Number(parts.INTERVAL || 1)} min={1} max={999} allowDecimal={false} onChange={(next) => put({ ...parts, INTERVAL: Number(next) > 1 ? String(next) : "" })} /></div>
          <div className="half"><Select label={text.t("plan.unit")} allowDeselect={false} value={parts.FREQ} data={FREQUENCIES.map((one) => ({ value: one, label: text.code("plan.units", one) }))} onChange={(next) => next && put({ FREQ: next, INTERVAL: parts.INTERVAL ?? "" })} /></div>
          {parts.FREQ === "WEEKLY" && <div><Weekdays value={parts.BYDAY ? parts.BYDAY.split(",") : []} change={(days) => put({ ...parts, BYDAY: days.join(",") })} /></div>}
          {parts.FREQ === "YEARLY" && <div><Select label={text.t("plan.month")} clearable placeholder={text.t("plan.month_of_start")} value={parts.BYMONTH ?? null} data={Array.from({ length: 12 }, (_, month) => ({ value: String(month + 1), label: monthName(month + 1, text) }))} onChange={(month) => put({ ...parts, BYMONTH: month ?? "", ...(month ? {} : { BYDAY: "", BYMONTHDAY: "" }) })} /></div>}
          {(parts.FREQ === "MONTHLY" || parts.BYMONTH) && <DayOf parts={parts} put={put} />}
        </div>
      )}
      <Checkbox size="xs" label={text.t("plan.write_rule")} checked={raw} disabled={raw && strange} onChange={(event) => setRaw(event.currentTarget.checked)} />
    </div>
  );
}

function Weekdays(props: { value: string[]; change: (days: string[]) => void }) {
  const text = useText();
  return (
    <Toggle.Group multiple value={props.value} onChange={(days) => props.change(WEEKDAYS.filter((one) => days.includes(one)))}>
      <Group gap={6}>{WEEKDAYS.map((one) => <Toggle key={one} size="xs" value={one}>{weekdayName(one, text, "short")}</Toggle>)}</Group>
    </Toggle.Group>
  );
}

function DayOf(props: { parts: Parts; put: (next: Parts) => void }) {
  const text = useText();
  const { parts, put } = props;
  const how = parts.BYDAY ? "weekday" : parts.BYMONTHDAY === "-1" ? "last" : parts.BYMONTHDAY ? "day" : "start";
  const [, nth = "1", weekday = "MO"] = /^([+-]?\d+)?([A-Z]{2})/.exec(parts.BYDAY ?? "") ?? [];
  const bare = { ...parts, BYDAY: "", BYMONTHDAY: "", SKIP: "" };
  const choose = (next: string | null) => put({ ...bare, ...(next === "weekday" ? { BYDAY: "1MO" } : next === "last" ? { BYMONTHDAY: "-1" } : next === "day" ? { BYMONTHDAY: "1" } : {}) });
  return (
    <>
      <div><Select label={text.t("plan.which_day")} allowDeselect={false} value={how} data={["start", "day", "last", "weekday"].map((one) => ({ value: one, label: text.code("plan.day_how", one) }))} onChange={choose} /></div>
      {how === "day" && <div><NumberInput label={text.t("plan.day_of_month")} min={1} max={31} allowDecimal={false} value={Number(parts.BYMONTHDAY)} onChange={(day) => put({ ...bare, BYMONTHDAY: String(day || 1) })} /></div>}
      {how === "weekday" && <div className="half"><Select label={text.t("plan.nth_which")} allowDeselect={false} value={String(Number(nth))} data={["1", "2", "3", "4", "-1"].map((one) => ({ value: one, label: text.code("plan.nth", one) }))} onChange={(one) => put({ ...bare, BYDAY: `${one}${weekday}` })} /></div>}
      {how === "weekday" && <div className="half"><Select label={text.t("plan.weekday")} allowDeselect={false} value={weekday} data={WEEKDAYS.map((one) => ({ value: one, label: weekdayName(one, text) }))} onChange={(one) => put({ ...bare, BYDAY: `${nth}${one}` })} /></div>}
    </>
  );
}
