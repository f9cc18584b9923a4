/** One step of a procedure: what is asked in both languages, what counts as right, when it is asked at all. */
import { ActionIcon, Button, Checkbox, Modal, NumberInput, Select, Switch, Textarea, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { useText } from "../../i18n/useText";
import { words, type Condition, type Step } from "../work/Checklist";
import { PRIORITIES } from "../work/look";

const KINDS = ["check", "number", "choice", "text", "photo", "signature", "meter"];
const OPERATORS: Record<string, string[]> = {
  number: ["out_of_limit", "above", "below", "answered"],
  meter: ["out_of_limit", "above", "below", "answered"],
  check: ["equals", "answered"],
  choice: ["equals", "not_equals", "out_of_limit", "answered"],
  text: ["answered"],
  photo: ["answered"],
  signature: ["answered"],
};

const empty = (): Step => ({ key: "", kind: "check", title_en: "", title_zh: "", required: true, photos: 0, when: [], follow_up: null });

/** The server keeps only what belongs to the kind. */
function trimmed(step: Step): Step {
  const measured = step.kind === "number" || step.kind === "meter";
  const { unit, low, high, decimals, choices, multiple, meter, ...rest } = step;
  const limited = measured || step.kind === "choice" || step.kind === "check";
  return {
    ...rest,
    photos: step.kind === "photo" ? Math.max(1, step.photos) : step.photos,
    ...(measured ? { unit: unit ?? "", low: low ?? null, high: high ?? null, decimals: decimals ?? null } : {}),
    ...(step.kind === "choice" ? { choices: choices ?? [], multiple: multiple ?? false } : {}),
    ...(step.kind === "meter" ? { meter: meter ?? "" } : {}),
    follow_up: limited ? step.follow_up : null,
  };
}

/** A key from the English words, which nobody has to invent. */
function keyOf(title: string, taken: string[]): string {
  const base = title.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[^a-z]+|_+$/g, "").slice(0, 50) || "step";
  let key = base;
  for (let number = 2; taken.includes(key); number += 1) key = `${base}_${number}`;
  return key;
}

export function StepForm(props: { step?: Step; earlier: Step[]; taken: string[]; close: () => void; save: (step: Step) => void }) {
  const text = useText();
  const [step, setStep] = useState<Step>(props.step ?? empty());
  const set = (more: Partial<Step>) => setStep((held) => ({ ...held, ...more }));
  const measured = step.kind === "number" || step.kind === "meter";
  const limited = measured || step.kind === "choice" || step.kind === "check";
  const choices = step.choices ?? [];
  const ready = step.title_en.trim() !== "" && step.title_zh.trim() !== "" && (step.kind !== "choice" || (choices.length > 1 && choices.every((one) => one.en.trim() && one.zh.trim()))) && (!step.follow_up || (step.follow_up.title_en.trim() !== "" && step.follow_up.title_zh.trim() !== ""));
  const number = (field: "low" | "high" | "decimals" | "photos") => (typed: number | string) => set({ [field]: typed === "" ? (field === "photos" ? 0 : null) : Number(typed) });
  const submit = () => props.save(trimmed({ ...step, key: step.key || keyOf(step.title_en, props.taken), choices: choices.map((one, at) => ({ ...one, value: one.value || keyOf(one.en, choices.filter((_, index) => index !== at).map((other) => other.value)) })) }));
  return (
    <Modal opened onClose={props.close} title={text.t(props.step ? "sop.edit_step" : "sop.add_step")} size="lg" closeOnClickOutside={false}>
      <form className="stack" style={{ gap: 14 }} onSubmit={(event) => { event.preventDefault(); if (ready) submit(); }}>
        <div className="form-grid">
          <div className="half"><Select label={text.t("col.kind")} data={KINDS.map((value) => ({ value, label: text.code("sop_kind", value) }))} value={step.kind} onChange={(kind) => kind && set({ kind })} /></div>
          <div className="half" style={{ alignSelf: "end", paddingBottom: 8 }}><Switch label={text.t("sop.required")} checked={step.required} onChange={(event) => set({ required: event.currentTarget.checked })} /></div>
          <div className="half"><TextInput label={text.t("sop.title_en")} withAsterisk value={step.title_en} onChange={(event) => set({ title_en: event.currentTarget.value })} maxLength={300} data-autofocus /></div>
          <div className="half"><TextInput label={text.t("sop.title_zh")} withAsterisk value={step.title_zh} onChange={(event) => set({ title_zh: event.currentTarget.value })} maxLength={300} /></div>
          <div className="half"><Textarea label={text.t("sop.help_en")} value={step.help_en ?? ""} onChange={(event) => set({ help_en: event.currentTarget.value })} autosize maxRows={6} maxLength={4000} /></div>
          <div className="half"><Textarea label={text.t("sop.help_zh")} value={step.help_zh ?? ""} onChange={(event) => set({ help_zh: event.currentTarget.value })} autosize maxRows={6} maxLength={4000} /></div>
          <div className="half"><TextInput label={text.t("sop.section_en")} value={step.section_en ?? ""} onChange={(event) => set({ section_en: event.currentTarget.value })} maxLength={300} /></div>
          <div className="half"><TextInput label={text.t("sop.section_zh")} value={step.section_zh ?? ""} onChange={(event) => set({ section_zh: event.currentTarget.value })} maxLength={300} /></div>
          {measured && <>
            <div className="half"><NumberInput label={text.t("sop.low")} value={step.low ?? ""} onChange={number("low")} /></div>
            <div className="half"><NumberInput label={text.t("sop.high")} value={step.high ?? ""} onChange={number("high")} /></div>
            <div className="half"><TextInput label={text.t("sop.unit")} value={step.unit ?? ""} onChange={(event) => set({ unit: event.currentTarget.value })} maxLength={40} placeholder="mm" /></div>
            <div className="half"><NumberInput label={text.t("sop.decimals")} value={step.decimals ?? ""} onChange={number("decimals")} min={0} max={9} decimalScale={0} /></div>
          </>}
          {step.kind === "meter" && <div><TextInput label={text.t("sop.meter")} description={text.t("sop.meter_hint")} value={step.meter ?? ""} onChange={(event) => set({ meter: event.currentTarget.value })} maxLength={300} /></div>}
          <div className="half"><NumberInput label={text.t("sop.photos_needed")} value={step.photos} onChange={number("photos")} min={step.kind === "photo" ? 1 : 0} max={20} decimalScale={0} /></div>
        </div>
        {step.kind === "choice" && (
          <div className="stack" style={{ gap: 8 }}>
            <div className="label">{text.t("sop.choices")}</div>
            {choices.map((one, at) => {
              const change = (more: Partial<typeof one>) => set({ choices: choices.map((each, index) => (index === at ? { ...each, ...more } : each)) });
              return (
                <div className="row wrap" key={at} style={{ gap: 8 }}>
                  <TextInput className="grow" aria-label={text.t("col.name_en")} placeholder={text.t("col.name_en")} value={one.en} onChange={(event) => change({ en: event.currentTarget.value })} maxLength={300} />
                  <TextInput className="grow" aria-label={text.t("col.name_zh")} placeholder={text.t("col.name_zh")} value={one.zh} onChange={(event) => change({ zh: event.currentTarget.value })} maxLength={300} />
                  <Checkbox label={text.t("sop.bad_choice")} checked={one.out_of_limit} onChange={(event) => change({ out_of_limit: event.currentTarget.checked })} />
                  <ActionIcon variant="subtle" color="red" aria-label={text.t("action.delete")} onClick={() => set({ choices: choices.filter((_, index) => index !== at) })}><Trash2 size={15} /></ActionIcon>
                </div>
              );
            })}
            <div className="row wrap" style={{ gap: 14 }}><Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => set({ choices: [...choices, { value: "", en: "", zh: "", out_of_limit: false }] })}>{text.t("sop.add_choice")}</Button><Checkbox label={text.t("sop.multiple")} checked={step.multiple ?? false} onChange={(event) => set({ multiple: event.currentTarget.checked })} /></div>
          </div>
        )}
        {props.earlier.length > 0 && <Conditions earlier={props.earlier} when={step.when} change={(when) => set({ when })} />}
        {limited && <FollowUp step={step} set={set} />}
        <Button type="submit" disabled={!ready}>{text.t("sop.keep_step")}</Button>
      </form>
    </Modal>
  );
}

function Conditions(props: { earlier: Step[]; when: Condition[]; change: (when: Condition[]) => void }) {
  const text = useText();
  const { earlier, when } = props;
  const put = (at: number, more: Partial<Condition>) => props.change(when.map((one, index) => (index === at ? { ...one, ...more } : one)));
  const fresh = (key: string): Condition => {
    const on = earlier.find((step) => step.key === key)!;
    const op = OPERATORS[on.kind]![0]!;
    return { step: key, op, value: first(on, op) };
  };
  return (
    <div className="stack" style={{ gap: 8 }}>
      <div className="label">{text.t("sop.only_when")}</div>
      {when.map((one, at) => {
        const on = earlier.find((step) => step.key === one.step);
        if (!on) return null;
        return (
          <div className="row wrap" key={at} style={{ gap: 8 }}>
            <Select className="grow" aria-label={text.t("sop.step")} data={earlier.map((step) => ({ value: step.key, label: words(step, "title", text) }))} value={one.step} onChange={(key) => key && put(at, fresh(key))} />
            <Select aria-label={text.t("sop.condition")} data={OPERATORS[on.kind]!.map((value) => ({ value, label: text.code("sop_op", value) }))} value={one.op} onChange={(op) => op && put(at, { op, value: first(on, op) })} style={{ width: 150 }} />
            {on.kind === "check" && one.op === "equals" && <Select aria-label={text.t("sop.value")} data={[{ value: "true", label: text.t("sop.yes") }, { value: "false", label: text.t("sop.no") }]} value={String(one.value)} onChange={(value) => put(at, { value: value === "true" })} style={{ width: 110 }} />}
            {on.kind === "choice" && ["equals", "not_equals"].includes(one.op) && <Select aria-label={text.t("sop.value")} data={(on.choices ?? []).map((each) => ({ value: each.value, label: text.language === "zh" ? each.zh : each.en }))} value={String(one.value)} onChange={(value) => put(at, { value })} style={{ width: 170 }} />}
            {["above", "below"].includes(one.op) && <NumberInput aria-label={text.t("sop.value")} value={typeof one.value === "number" ? one.value : ""} onChange={(value) => put(at, { value: Number(value) })} style={{ width: 110 }} />}
            <ActionIcon variant="subtle" color="red" aria-label={text.t("action.delete")} onClick={() => props.change(when.filter((_, index) => index !== at))}><Trash2 size={15} /></ActionIcon>
          </div>
        );
      })}
      <div><Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} disabled={when.length >= 5} onClick={() => props.change([...when, fresh(earlier[earlier.length - 1]!.key)])}>{text.t("sop.add_condition")}</Button></div>
    </div>
  );
}

function first(on: Step, op: string): unknown {
  if (op === "above" || op === "below") return on.high ?? on.low ?? 0;
  if (on.kind === "check" && op === "equals") return false;
  if (on.kind === "choice" && (op === "equals" || op === "not_equals")) return on.choices?.[0]?.value ?? "";
  return null;
}

function FollowUp(props: { step: Step; set: (more: Partial<Step>) => void }) {
  const text = useText();
  const { step, set } = props;
  const follow = step.follow_up;
  return (
    <div className="stack" style={{ gap: 8 }}>
      <Switch label={text.t("sop.demands")} checked={follow !== null} onChange={(event) => set({ follow_up: event.currentTarget.checked ? { title_en: "", title_zh: "", priority: "normal" } : null })} />
      {follow && (
        <div className="row wrap" style={{ gap: 8 }}>
          <TextInput className="grow" placeholder={text.t("sop.title_en")} aria-label={text.t("sop.title_en")} value={follow.title_en} onChange={(event) => set({ follow_up: { ...follow, title_en: event.currentTarget.value } })} maxLength={200} />
          <TextInput className="grow" placeholder={text.t("sop.title_zh")} aria-label={text.t("sop.title_zh")} value={follow.title_zh} onChange={(event) => set({ follow_up: { ...follow, title_zh: event.currentTarget.value } })} maxLength={200} />
          <Select aria-label={text.t("col.priority")} data={PRIORITIES.map((value) => ({ value, label: text.code("priority", value) }))} value={follow.priority} onChange={(priority) => priority && set({ follow_up: { ...follow, priority } })} style={{ width: 130 }} />
        </div>
      )}
    </div>
  );
}
