/** The rules of a mapping as a form; what it has no field for stays as it is and shows in the JSON view. */
import { ActionIcon, NumberInput, SegmentedControl, Select, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";

import type { Place, Rules, ValueRule } from "../../api/mappings";
import { useText } from "../../i18n/useText";

type Props = { rules: Rules; change: (rules: Rules) => void; topic: string; readOnly?: boolean };

const FORMATS = ["ms", "s", "us", "ns", "rfc3339"];

export function RulesForm(props: Props) {
  const text = useText();
  const { rules } = props;
  const set = (part: Partial<Rules>) => props.change(cleaned({ ...rules, ...part }));
  return (
    <div className="stack" style={{ gap: 16 }}>
      <div>
        <div className="label">{text.t("rules.payload")}</div>
        <SegmentedControl size="xs" value={rules.payload ?? "json"} onChange={(value) => set({ payload: value as Rules["payload"] })} data={[{ value: "json", label: text.t("rules.payload_json") }, { value: "text", label: text.t("rules.payload_text") }]} />
      </div>
      {rules.payload !== "text" && (
        <TextInput label={text.t("rules.each")} description={text.t("rules.each_hint")} placeholder="sensors[]" value={rules.each ?? ""} className="mono-input" spellCheck={false} onChange={(event) => set({ each: event.currentTarget.value || undefined })} />
      )}
      <AssetPlace {...props} set={set} />
      {rules.payload !== "text" && <TimeRule rules={rules} set={set} />}
      <Values {...props} set={set} />
    </div>
  );
}

type Part = Props & { set: (part: Partial<Rules>) => void };

function kindOf(place: Place | undefined): string {
  return place === undefined ? "own" : place.fixed !== undefined ? "fixed" : place.level !== undefined ? "level" : "path";
}

/** Whose readings these are. */
function AssetPlace(props: Part) {
  const text = useText();
  const place = props.rules.asset;
  const kind = kindOf(place);
  const keep = place?.lookup ? { lookup: place.lookup } : {};
  const choose = (next: string) =>
    props.set({ asset: next === "own" ? undefined : next === "fixed" ? { fixed: "", ...keep } : next === "level" ? { level: 1, ...keep } : { path: "", ...keep } });
  const levels = props.topic.split("/").map((part, index) => ({ value: String(index + 1), label: `${index + 1}: ${part || "–"}` }));
  return (
    <div className="row wrap top" style={{ gap: 10 }}>
      <Select style={{ flex: "1 1 200px" }} label={text.t("rules.asset")} value={kind} onChange={(value) => value && choose(value)} data={["own", "fixed", "level", "path"].map((word) => ({ value: word, label: text.t(`rules.whose.${word}`) }))} />
      {kind === "fixed" && <TextInput style={{ flex: "1 1 160px" }} label={text.t("rules.serial")} placeholder="P-7" value={place?.fixed ?? ""} onChange={(event) => props.set({ asset: { ...keep, fixed: event.currentTarget.value } })} />}
      {kind === "level" && <Select style={{ flex: "1 1 160px" }} label={text.t("rules.level")} value={String(place?.level ?? 1)} data={levels} onChange={(value) => props.set({ asset: { ...keep, level: Number(value ?? 1) } })} />}
      {kind === "path" && <TextInput style={{ flex: "1 1 160px" }} label={text.t("rules.path")} placeholder="device.name" className="mono-input" spellCheck={false} value={place?.path ?? ""} onChange={(event) => props.set({ asset: { ...keep, path: event.currentTarget.value } })} />}
    </div>
  );
}

function TimeRule(props: { rules: Rules; set: (part: Partial<Rules>) => void }) {
  const text = useText();
  const { time } = props.rules;
  const change = (path: string, format: string) => props.set({ time: path ? { ...time, path, format } : undefined });
  return (
    <div className="row wrap top" style={{ gap: 10 }}>
      <TextInput style={{ flex: "1 1 200px" }} label={text.t("rules.time")} description={text.t("rules.time_hint")} placeholder="ts" className="mono-input" spellCheck={false} value={time?.path ?? ""} onChange={(event) => change(event.currentTarget.value, time?.format ?? "ms")} />
      {time && <Select style={{ flex: "0 1 190px" }} label={text.t("rules.time_format")} description=" " value={time.format} data={FORMATS.map((word) => ({ value: word, label: text.t(`rules.written.${word}`) }))} onChange={(value) => change(time.path, value ?? "ms")} />}
    </div>
  );
}

function Values(props: Part) {
  const text = useText();
  const { values } = props.rules;
  const change = (index: number, part: Partial<ValueRule>) => props.set({ values: values.map((rule, at) => (at === index ? { ...rule, ...part } : rule)) });
  return (
    <div className="stack" style={{ gap: 10 }}>
      <div className="label" style={{ margin: 0 }}>{text.t("rules.values")}</div>
      {values.map((rule, index) => (
        <ValueRow key={index} rule={rule} change={(part) => change(index, part)} remove={values.length > 1 ? () => props.set({ values: values.filter((_, at) => at !== index) }) : undefined} />
      ))}
      <button type="button" className="plainbutton link small row" style={{ gap: 6, minHeight: 34 }} onClick={() => props.set({ values: [...values, { metric: "", path: "" }] })}><Plus size={15} aria-hidden />{text.t("rules.add_value")}</button>
    </div>
  );
}

function ValueRow(props: { rule: ValueRule; change: (part: Partial<ValueRule>) => void; remove?: () => void }) {
  const text = useText();
  const { rule, change } = props;
  const named = typeof rule.metric === "string";
  return (
    <div className="value-rule">
      <TextInput size="xs" label={text.t("rules.metric")} placeholder="temperature" disabled={!named} value={named ? (rule.metric as string) : text.t("rules.in_json")} onChange={(event) => change({ metric: event.currentTarget.value })} />
      <TextInput size="xs" label={text.t("rules.path")} placeholder="temp" className="mono-input" spellCheck={false} value={rule.path ?? ""} onChange={(event) => change({ path: event.currentTarget.value || undefined })} />
      <TextInput size="xs" label={text.t("rules.unit")} placeholder="Cel" value={rule.unit ?? ""} onChange={(event) => change({ unit: event.currentTarget.value || undefined })} />
      <NumberInput size="xs" label={text.t("rules.scale")} placeholder="1" hideControls value={rule.scale ?? ""} onChange={(value) => change({ scale: value === "" ? undefined : Number(value) })} />
      <NumberInput size="xs" label={text.t("rules.offset")} placeholder="0" hideControls value={rule.offset ?? ""} onChange={(value) => change({ offset: value === "" ? undefined : Number(value) })} />
      <ActionIcon variant="subtle" color="gray" size="md" style={{ alignSelf: "end", visibility: props.remove ? "visible" : "hidden" }} aria-label={text.t("rules.remove")} onClick={props.remove}><Trash2 size={15} /></ActionIcon>
      {rule.lookup && <div className="tiny muted" style={{ gridColumn: "1 / -1" }}>{text.t("rules.has_lookup", { count: Object.keys(rule.lookup).length })}</div>}
    </div>
  );
}

/** Without what is not set: the server refuses fields that say nothing. */
function cleaned(rules: Rules): Rules {
  const copy = { ...rules };
  for (const name of Object.keys(copy) as (keyof Rules)[]) if (copy[name] === undefined) delete copy[name];
  copy.values = copy.values.map((rule) => Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined)) as ValueRule);
  return copy;
}
