/** How dates move and on which days work may lie. */
import { ActionIcon, Button, NumberInput, Select, TagsInput, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import type { ReactNode } from "react";

import { useText } from "../../i18n/useText";
import type { Draft } from "./draft";

type Set = <N extends keyof Draft>(name: N, value: Draft[N]) => void;

export function DaysForm(props: { draft: Draft; set: Set; calendar: ReactNode; wrong: (name: string) => string | undefined }) {
  const text = useText();
  const { draft, set, wrong } = props;
  const shifted = Object.keys(draft.shift).length > 0;
  const way = draft.scheduling === "fixed" && shifted ? "shift" : draft.scheduling;
  const choose = (next: string | null) => { set("scheduling", next === "floating" ? "floating" : "fixed"); set("shift", next === "shift" ? { late_percent: 50, late: { percent: 10 } } : {}); };
  const minute = `${String(Math.floor(draft.at_minute / 60)).padStart(2, "0")}:${String(draft.at_minute % 60).padStart(2, "0")}`;
  const closes = !!draft.calendar_id || draft.seasons.length > 0 || draft.blackouts.length > 0;
  return (
    <div className="form-grid">
      <div><Select label={text.t("plan.scheduling")} allowDeselect={false} value={way} data={["fixed", "floating", "shift"].map((one) => ({ value: one, label: text.code("plan.scheduling", one) }))} onChange={choose} error={wrong("scheduling")} description={text.code("plan.scheduling_hint", way)} /></div>
      {way === "shift" && <>
        <div className="half"><NumberInput label={text.t("plan.late_percent")} suffix=" %" min={0} max={100} value={Number(draft.shift.late_percent ?? 0)} error={wrong("shift")} onChange={(next) => set("shift", { ...draft.shift, late_percent: Number(next) })} /></div>
        <div className="half"><Tolerance label="plan.late_tolerance" value={(draft.shift.late as Record<string, number>) ?? {}} change={(late) => set("shift", { ...draft.shift, late })} /></div>
      </>}
      <div className="half"><Tolerance label="plan.tolerance_before" value={draft.tolerance_before} change={(next) => set("tolerance_before", next)} /></div>
      <div className="half"><Tolerance label="plan.tolerance_after" value={draft.tolerance_after} change={(next) => set("tolerance_after", next)} /></div>
      <div className="half"><Select label={text.t("plan.starts")} allowDeselect={false} value={draft.starts} data={["commissioned", "installed", "on"].map((one) => ({ value: one, label: text.code("plan.start", one) }))} onChange={(one) => one && set("starts", one)} /></div>
      <div className="half">{draft.starts === "on" ? <TextInput type="date" label={text.t("plan.start_day")} withAsterisk value={draft.starts_on ?? ""} error={wrong("starts_on")} onChange={(event) => set("starts_on", event.currentTarget.value || null)} /> : <span />}</div>
      <div className="half"><TextInput type="time" label={text.t("plan.at_minute")} value={minute} onChange={(event) => { const [hour = 8, min = 0] = event.currentTarget.value.split(":").map(Number); set("at_minute", hour * 60 + min); }} /></div>
      <div className="half"><Select label={text.t("plan.when_missed")} allowDeselect={false} value={draft.when_missed} data={["close", "keep"].map((one) => ({ value: one, label: text.code("plan.missed", one) }))} onChange={(one) => one && set("when_missed", one)} /></div>
      {draft.packages.length > 1 && <div><NumberInput label={text.t("plan.near_days")} description={text.t("plan.near_hint")} min={0} max={366} value={draft.near_days} onChange={(next) => set("near_days", Number(next))} /></div>}
      <div>{props.calendar}</div>
      <div><TagsInput label={text.t("plan.seasons")} description={text.t("plan.seasons_hint")} placeholder="11-01/03-31" value={draft.seasons} error={wrong("seasons")} onChange={(seasons) => set("seasons", seasons)} /></div>
      <div><Blackouts value={draft.blackouts} change={(next) => set("blackouts", next)} error={wrong("blackouts")} /></div>
      {closes && <div><Select label={text.t("plan.when_closed")} allowDeselect={false} value={draft.when_closed} data={["keep", "next", "previous", "nearest", "skip"].map((one) => ({ value: one, label: text.code("plan.closed", one) }))} onChange={(one) => one && set("when_closed", one)} /></div>}
    </div>
  );
}

function Tolerance(props: { label: string; value: Record<string, number>; change: (next: Record<string, number>) => void }) {
  const text = useText();
  const unit = "percent" in props.value ? "percent" : "days";
  return (
    <div className="row" style={{ alignItems: "flex-end" }}>
      <NumberInput className="grow" label={text.t(props.label)} min={0} value={props.value[unit] ?? 0} onChange={(next) => props.change({ [unit]: Number(next) })} />
      <Select w={120} aria-label={text.t("plan.unit")} allowDeselect={false} value={unit} data={["days", "percent"].map((one) => ({ value: one, label: text.code("plan.tolerance_unit", one) }))} onChange={(next) => next && props.change({ [next]: props.value[unit] ?? 0 })} />
    </div>
  );
}

function Blackouts(props: { value: string[][]; change: (next: string[][]) => void; error?: string }) {
  const text = useText();
  const put = (index: number, place: number, day: string) => props.change(props.value.map((span, at) => (at === index ? span.map((one, here) => (here === place ? day : one)) : span)));
  return (
    <div className="stack" style={{ gap: 6 }}>
      <div className="small" style={{ fontWeight: 500 }}>{text.t("plan.blackouts")}</div>
      {props.value.map((span, index) => (
        <div key={index} className="row">
          <TextInput type="date" aria-label={text.t("col.from")} value={span[0] ?? ""} onChange={(event) => put(index, 0, event.currentTarget.value)} />
          <TextInput type="date" aria-label={text.t("col.to")} value={span[1] ?? ""} onChange={(event) => put(index, 1, event.currentTarget.value)} />
          <ActionIcon variant="subtle" color="gray" aria-label={text.t("plan.remove_part")} onClick={() => props.change(props.value.filter((_, at) => at !== index))}><Trash2 size={15} /></ActionIcon>
        </div>
      ))}
      {props.error && <div className="small" style={{ color: "var(--mantine-color-red-8)" }}>{props.error}</div>}
      <div><Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => props.change([...props.value, ["", ""]])}>{text.t("plan.add_blackout")}</Button></div>
    </div>
  );
}
