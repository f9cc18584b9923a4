/** The checklists of an order: steps as they were kept, answered one by one; what is out of limits stands out. */
import { Button, Checkbox, NumberInput, SegmentedControl, Select, Textarea } from "@mantine/core";
import { Camera, CheckCircle2, Circle, ListChecks, Plus, TriangleAlert, X } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { newKey } from "../../api/client";
import { useOne, useSend } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { ActButton, FormButton, REASON } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { AnswerPhotos } from "../fieldwork/Photos";
import { CardBlock } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Empty, Failure, Notice } from "../../ui/states";
import { TONES } from "../../ui/theme";
import { PROCEDURES, type Named, type Order } from "./look";
import { Permits } from "../procedures/PermitCard";
import type { Permit, PermitEntry } from "../procedures/permits";

export type Condition = { step: string; op: string; value?: unknown };
export type Step = { key: string; kind: string; title_en: string; title_zh: string; help_en?: string; help_zh?: string; section_en?: string; section_zh?: string; required: boolean; photos: number; unit?: string; low?: number | null; high?: number | null; decimals?: number | null; choices?: { value: string; en: string; zh: string; out_of_limit: boolean }[]; multiple?: boolean; meter?: string; when: Condition[]; follow_up: { title_en: string; title_zh: string; priority: string } | null };
export type Answer = { id: string; step: string; value: unknown; evidence_ids: string[]; note: string | null; out_of_limit: boolean; answered_at: string; answered_by: Named | null };
export type Run = { id: string; code: string; name_en: string; name_zh: string; description_en: string; description_zh: string; version_number: number; steps: Step[]; answers: Record<string, Answer>; asked: string[]; missing: string[]; out_of_limit: string[]; completed_at: string | null; permits?: Permit[]; permit_entries?: PermitEntry[]; stopped_at?: string | null; stopped_reason?: string | null };

export const words = (of: Record<string, any>, field: string, text: Text): string => (text.language === "zh" && of[`${field}_zh`]) || of[`${field}_en`] || "";

export function limits(step: Step, text: Text): string {
  const { low = null, high = null } = step;
  const unit = step.unit ? ` ${step.unit}` : "";
  if (low !== null && high !== null) return `${text.number(low, 6)} – ${text.number(high, 6)}${unit}`;
  return low !== null ? `≥ ${text.number(low, 6)}${unit}` : high !== null ? `≤ ${text.number(high, 6)}${unit}` : (step.unit ?? "");
}

export function ChecklistTab(props: { order: Order }) {
  const text = useText();
  const { order } = props;
  const runs = useOne<{ items: Run[] }>(`/work-orders/${order.id}/procedures`);
  if (!runs.data) return runs.error ? <Failure error={runs.error} retry={() => void runs.refetch()} /> : <Bones rows={8} />;
  const answerable = order.may.includes("work_order.record") && !["documented", "closed", "cancelled"].includes(order.state);
  const add = answerable ? <FormButton small icon={Plus} label={text.t("sop.attach")} form={{ path: `/work-orders/${order.id}/procedures`, fields: [{ name: "procedure_id", label: "sop.one", kind: "pick", of: PROCEDURES, required: true }], done: "form.saved" }} /> : undefined;
  if (runs.data.items.length === 0) return <Empty icon={ListChecks} sentence={text.t("sop.none_here")} example={text.t("sop.none_example")} action={add} />;
  return (
    <>
      {runs.data.items.map((run) => <RunCard key={run.id} run={run} order={order} answerable={answerable} />)}
      {add && <div className="row">{add}</div>}
    </>
  );
}

function RunCard(props: { run: Run; order: Order; answerable: boolean }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const enter = useSend();
  const { run } = props;
  const shown = run.steps.filter((step) => run.asked.includes(step.key));
  const done = shown.filter((step) => run.answers[step.key]).length;
  let section = "";
  return (
    <CardBlock
      title={<>{words(run, "name", text)} <span className="small muted">{run.code} v{run.version_number}</span></>}
      right={<span className="row wrap" style={{ gap: 8 }}>
        <Chip small tone={run.missing.length === 0 ? "ok" : "quiet"}>{text.t("sop.progress", { done, of: shown.length })}</Chip>
        {run.out_of_limit.length > 0 && <Chip small tone="trouble" icon={TriangleAlert}>{text.t("sop.out_count", { count: run.out_of_limit.length })}</Chip>}
        {props.answerable && props.order.may.includes("work_order.review") && <FormButton small icon={X} label={text.t("sop.remove")} form={{ path: `/procedure-runs/${run.id}/remove`, fields: [REASON], done: "form.saved" }} />}
      </span>}
    >
      {words(run, "description", text) && <p className="small muted break" style={{ marginTop: 0 }}>{words(run, "description", text)}</p>}
      {run.stopped_at && <Notice tone="trouble" icon={TriangleAlert}>{text.t("sop.stopped", { number: run.version_number, reason: run.stopped_reason ?? "" })}{props.answerable && <div style={{ marginTop: 8 }}><ActButton small label={text.t("sop.renew")} path={`/procedure-runs/${run.id}/renew`} done="form.saved" /></div>}</Notice>}
      <Permits permits={run.permits ?? []} entries={run.permit_entries ?? []} me={me.person.id} desk={props.order.may.includes("work_order.review")} can={props.order.may.includes("work_order.record")} begin={props.answerable && !run.stopped_at}
        enter={(permit, action, more) => enter.mutateAsync({ path: `/procedure-runs/${run.id}/permits`, body: { id: newKey(), permit, action, ...more } }).catch((error: Error) => say(problemText(error, text), "bad"))} />
      {shown.map((step) => {
        const head = words(step, "section", text);
        const fresh = head !== "" && head !== section;
        if (head) section = head;
        return <div key={step.key}>{fresh && <div className="label" style={{ paddingTop: 12 }}>{head}</div>}<StepRow step={step} run={run} order={props.order.id} answerable={props.answerable} /></div>;
      })}
    </CardBlock>
  );
}

function StepRow(props: { step: Step; run: Run; order: string; answerable: boolean }) {
  const text = useText();
  const { step, run } = props;
  const answer = run.answers[step.key];
  const [open, setOpen] = useState(false);
  const Icon = !answer ? Circle : answer.out_of_limit ? TriangleAlert : CheckCircle2;
  const tone = TONES[!answer ? "quiet" : answer.out_of_limit ? "trouble" : "ok"];
  return (
    <div className="line">
      <div className="row top" style={{ gap: 10 }}>
        <Icon size={17} style={{ color: tone.ink, flex: "none", marginTop: 2 }} aria-hidden />
        <div className="grow" style={{ minWidth: 0 }}>
          <div className="break">{words(step, "title", text)}{step.required && <span className="muted" title={text.t("sop.required")}> *</span>}</div>
          <div className="tiny muted break">{[limits(step, text), step.photos > 0 ? text.t("sop.photos", { count: step.photos }) : "", words(step, "help", text)].filter(Boolean).join(" · ")}</div>
          {answer && <div className="small break" style={{ fontWeight: 600, color: answer.out_of_limit ? tone.ink : undefined }}>{said(step, answer, text)}</div>}
          {answer && <div className="tiny muted">{[answer.answered_by?.name, text.moment(answer.answered_at), answer.note].filter(Boolean).join(" · ")}</div>}
          {answer && <AnswerPhotos order={props.order} ids={answer.evidence_ids} />}
        </div>
        {props.answerable && !open && <Button size="compact-sm" variant="default" onClick={() => setOpen(true)}>{text.t(answer ? "sop.correct" : "sop.answer")}</Button>}
      </div>
      {open && <AnswerForm step={step} run={run} close={() => setOpen(false)} />}
    </div>
  );
}

function said(step: Step, answer: Answer, text: Text): string {
  const value = answer.value;
  const photos = answer.evidence_ids.length ? text.t("sop.photos", { count: answer.evidence_ids.length }) : "";
  if (typeof value === "boolean") return text.t(value ? "sop.yes" : "sop.no");
  if (typeof value === "number") return [`${text.number(value, 6)}${step.unit ? ` ${step.unit}` : ""}`, photos].filter(Boolean).join(" · ");
  const chosen = Array.isArray(value) ? value : typeof value === "string" && step.choices ? [value] : null;
  if (chosen) return chosen.map((one) => { const found = step.choices?.find((each) => each.value === one); return found ? (text.language === "zh" ? found.zh : found.en) : String(one); }).join(", ");
  return [typeof value === "string" ? value : "", photos].filter(Boolean).join(" · ") || "–";
}

function AnswerForm(props: { step: Step; run: Run; close: () => void }) {
  const text = useText();
  const { step, run } = props;
  const send = useSend();
  const [value, setValue] = useState<unknown>(step.kind === "check" ? true : step.multiple ? [] : null);
  const [note, setNote] = useState("");
  const [key] = useState(newKey);
  const label = words(step, "title", text);
  const options = (step.choices ?? []).map((one) => ({ value: one.value, label: text.language === "zh" ? one.zh : one.en }));
  // Photos and signatures are made where the work is: on the phone. What they prove is kept with the answer.
  const onPhone = step.photos > 0 || step.kind === "signature";
  const kept = run.answers[step.key]?.evidence_ids ?? [];
  const submit = () =>
    send.mutate(
      { path: `/procedure-runs/${run.id}/answers`, body: { id: key, step: step.key, value, evidence_ids: kept, note: note.trim() || undefined } },
      { onSuccess: props.close, onError: (error) => say(problemText(error, text), "bad") },
    );
  return (
    <div className="stack" style={{ gap: 10, padding: "10px 0 4px 27px" }}>
      {step.kind === "check" && <SegmentedControl value={value ? "yes" : "no"} onChange={(word) => setValue(word === "yes")} data={[{ value: "yes", label: text.t("sop.yes") }, { value: "no", label: text.t("sop.no") }]} style={{ alignSelf: "flex-start" }} />}
      {(step.kind === "number" || step.kind === "meter") && <NumberInput aria-label={label} value={(value as number | null) ?? ""} onChange={(typed) => setValue(typed === "" ? null : Number(typed))} suffix={step.unit ? ` ${step.unit}` : undefined} decimalScale={step.decimals ?? undefined} style={{ maxWidth: 240 }} />}
      {step.kind === "choice" && !step.multiple && <Select aria-label={label} data={options} value={value as string | null} onChange={setValue} style={{ maxWidth: 340 }} />}
      {step.kind === "choice" && step.multiple && <Checkbox.Group value={value as string[]} onChange={setValue}><div className="stack" style={{ gap: 6 }}>{options.map((one) => <Checkbox key={one.value} value={one.value} label={one.label} />)}</div></Checkbox.Group>}
      {step.kind === "text" && <Textarea aria-label={label} value={(value as string | null) ?? ""} onChange={(event) => setValue(event.currentTarget.value)} autosize minRows={2} maxLength={4000} />}
      {onPhone && <div className="small muted row"><Camera size={15} aria-hidden />{text.t("sop.on_phone")}</div>}
      {!(onPhone && kept.length === 0) && <Textarea aria-label={text.t("finish.note")} placeholder={text.t("finish.note")} value={note} onChange={(event) => setNote(event.currentTarget.value)} autosize maxLength={1000} />}
      <div className="row" style={{ gap: 8 }}>
        {!(onPhone && kept.length === 0) && <Button size="compact-sm" loading={send.isPending} disabled={value === null && step.kind !== "photo" && step.kind !== "signature"} onClick={submit}>{text.t("action.save")}</Button>}
        <Button size="compact-sm" variant="default" onClick={props.close}>{text.t("action.cancel")}</Button>
      </div>
    </div>
  );
}
