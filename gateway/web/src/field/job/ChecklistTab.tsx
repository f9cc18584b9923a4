/** The checklists of a job: one step after the other, what is out of limits said at once, photos where they are asked for. */
import { Button } from "@mantine/core";
import { Camera, CheckCircle2, ChevronDown, Circle, ListChecks, ShieldAlert, TriangleAlert } from "lucide-react";
import { useState } from "react";

import type { Me } from "../../api/types";
import { permitLacks, Permits } from "../../desk/procedures/PermitCard";
import { lacking, neededBy, replay } from "../../desk/procedures/permits";
import { limits, words, type Answer, type Run, type Step } from "../../desk/work/Checklist";
import { useText, type Text } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { Bones, Empty, Failure, Notice } from "../../ui/states";
import { TONES } from "../../ui/theme";
import { newId } from "../ids";
import type { Job } from "../jobs";
import { useKept } from "../kept";
import { useOutbox } from "../outbox";
import { answered } from "../overlay";
import { Strip, useShots } from "../photos/Photos";
import { proceduresPath } from "../refresh";
import { StepForm } from "./StepForm";

const CLOSED = ["documented", "closed", "cancelled"];

/** Checklists with what waits on the phone in them. */
export function useRuns(order: string, me: Me) {
  const asked = useKept<{ items: Run[] }>(["procedures"], proceduresPath(order), 30_000);
  const { entries } = useOutbox();
  return { asked, runs: (asked.data?.items ?? []).map((run) => answered(run, entries, me.person)) };
}

export function ChecklistTab(props: { order: Job; me: Me }) {
  const text = useText();
  const { asked, runs } = useRuns(props.order.id, props.me);
  if (!asked.data) return asked.error ? <Failure error={asked.error} retry={() => void asked.refetch()} /> : <Bones rows={8} height={30} />;
  if (runs.length === 0) return <Empty icon={ListChecks} sentence={text.t("sop.none_here")} example={text.t("sop.none_example")} />;
  return <>{runs.map((run) => <RunCard key={run.id} run={run} order={props.order} me={props.me} />)}</>;
}

function RunCard(props: { run: Run; order: Job; me: Me }) {
  const text = useText();
  const { run, order } = props;
  const shown = run.steps.filter((step) => run.asked.includes(step.key));
  const done = shown.filter((step) => run.answers[step.key]).length;
  const answerable = !CLOSED.includes(order.state);
  const next = shown.find((step) => !run.answers[step.key])?.key ?? null;
  const { act } = useOutbox();
  const enter = (permit: string, action: string, more = {}) => act(props.me, { order, kind: "permit.enter", body: { run_id: run.id, permit, action, ...more, entry_id: newId() } });
  const [chosen, choose] = useState<string | null | undefined>(undefined);
  const open = answerable ? (chosen === undefined ? next : chosen) : null;
  return (
    <section className="card pad">
      <h2 style={{ marginBottom: 4 }} className="break">{words(run, "name", text)}</h2>
      <div className="row wrap" style={{ gap: 8, marginBottom: 8 }}>
        <Chip tone={run.missing.length === 0 ? "ok" : "quiet"}>{text.t("sop.progress", { done, of: shown.length })}</Chip>
        {run.out_of_limit.length > 0 && <Chip tone="trouble" icon={TriangleAlert}>{text.t("sop.out_count", { count: run.out_of_limit.length })}</Chip>}
        <span className="small muted">{run.code} v{run.version_number}</span>
      </div>
      <div className="progress"><i style={{ width: `${shown.length ? (done / shown.length) * 100 : 0}%` }} /></div>
      {words(run, "description", text) && <p className="small muted break" style={{ margin: "10px 0 0" }}>{words(run, "description", text)}</p>}
      {run.stopped_at && <div style={{ marginTop: 10 }}><Notice tone="trouble" icon={TriangleAlert}>{text.t("sop.stopped", { number: run.version_number, reason: run.stopped_reason ?? "" })}</Notice></div>}
      {(run.permits ?? []).length > 0 && <div style={{ marginTop: 12 }}><Permits large permits={run.permits ?? []} entries={run.permit_entries ?? []} me={props.me.person.id} can begin={answerable && !run.stopped_at} enter={enter} /></div>}
      {shown.map((step, index) => {
        const head = words(step, "section", text);
        const before = index > 0 ? words(shown[index - 1]!, "section", text) : "";
        return (
          <div key={step.key}>
            {head && head !== before && <div className="grouphead" style={{ paddingTop: 14 }}>{head}</div>}
            <StepRow step={step} run={run} order={order} me={props.me} open={open === step.key} number={index + 1}
              toggle={answerable ? () => choose(open === step.key ? null : step.key) : undefined} done={() => choose(undefined)} />
          </div>
        );
      })}
      {answerable && run.missing.length > 0 && <div className="small muted" style={{ marginTop: 12 }}>{text.t("check.missing", { count: run.missing.length })}</div>}
      {run.missing.length === 0 && shown.length > 0 && <div style={{ marginTop: 12 }}><Notice tone="ok" icon={CheckCircle2}>{text.t("check.complete")}</Notice></div>}
    </section>
  );
}

function StepRow(props: { step: Step; run: Run; order: Job; me: Me; open: boolean; number: number; toggle?: () => void; done: () => void }) {
  const text = useText();
  const { step, run, order } = props;
  const answer = run.answers[step.key];
  const waits = answer ? "" : waiting(run, step.key, props.me.person.id, text);
  const shots = useShots(order.id, { run: run.id, step: step.key });
  const tone = TONES[!answer ? "quiet" : answer.out_of_limit ? "trouble" : "ok"];
  const Icon = !answer ? Circle : answer.out_of_limit ? TriangleAlert : CheckCircle2;
  const asks = [limits(step, text), step.photos > 0 ? text.t("sop.photos", { count: step.photos }) : "", step.required ? "" : text.t("check.optional")].filter(Boolean).join(" · ");
  return (
    <div className="step" data-step={step.key}>
      <button type="button" className="plainbutton steprow" onClick={props.toggle} disabled={!props.toggle} aria-expanded={props.toggle ? props.open : undefined}>
        <Icon size={24} style={{ color: tone.ink, flex: "none" }} aria-label={text.t(!answer ? "check.open" : answer.out_of_limit ? "check.out" : "check.done")} />
        <span className="grow">
          <span className="break" style={{ fontWeight: 580, fontSize: 16, display: "block", lineHeight: 1.35 }}>{props.number}. {words(step, "title", text)}</span>
          {asks && <span className="small muted break" style={{ display: "block" }}>{asks}</span>}
          {answer && <span className="break" style={{ display: "block", fontWeight: 640, color: answer.out_of_limit ? tone.ink : undefined }}>{said(step, answer, text)}</span>}
          {answer?.out_of_limit && <span className="small break" style={{ display: "block", color: tone.ink }}>{text.t("check.out_said", { limits: limits(step, text) || "–" })}</span>}
          {answer?.note && <span className="small muted break" style={{ display: "block" }}>“{answer.note}”</span>}
        </span>
        {!answer && step.photos > 0 && <Camera size={18} className="muted" aria-hidden />}
        {props.toggle && <ChevronDown size={20} className="muted" style={{ flex: "none", transform: props.open ? "rotate(180deg)" : undefined }} aria-hidden />}
      </button>
      {props.open && waits ? <div style={{ padding: "0 0 12px 34px" }}><Notice tone="watch" icon={ShieldAlert}>{waits}</Notice></div> : props.open ? <StepForm key={answer?.id ?? "new"} step={step} run={run} order={order} me={props.me} done={props.done} shots={shots} /> : shots.length > 0 && <div style={{ paddingLeft: 34 }}><Strip shots={shots} /></div>}
    </div>
  );
}

/** Why a step cannot begin yet; nothing when it can. */
function waiting(run: Run, step: string, me: string, text: Text): string {
  for (const permit of neededBy(run.permits ?? [], step)) {
    const missing = lacking(permit, replay(permit, run.permit_entries ?? []), Date.now(), me);
    if (missing.length > 0) return permitLacks(permit, missing, text);
  }
  return "";
}

export function said(step: Step, answer: Pick<Answer, "value" | "evidence_ids">, text: Text): string {
  const { value } = answer;
  const photos = answer.evidence_ids.length ? text.t("sop.photos", { count: answer.evidence_ids.length }) : "";
  const name = (one: unknown) => { const found = step.choices?.find((each) => each.value === one); return found ? (text.language === "zh" ? found.zh : found.en) : String(one); };
  if (typeof value === "boolean") return [text.t(value ? "sop.yes" : "sop.no"), photos].filter(Boolean).join(" · ");
  if (typeof value === "number") return [`${text.number(value, 6)}${step.unit ? ` ${step.unit}` : ""}`, photos].filter(Boolean).join(" · ");
  if (Array.isArray(value)) return [value.map(name).join(text.language === "zh" ? "、" : ", "), photos].filter(Boolean).join(" · ");
  if (typeof value === "string" && value) return [step.choices ? name(value) : value, photos].filter(Boolean).join(" · ");
  return photos || text.t("check.done");
}

/** What keeps the report from being complete, in words: the steps, and the photos they ask for. */
export function Missing(props: { runs: Run[]; go?: () => void }) {
  const text = useText();
  const left = props.runs.flatMap((run) => run.missing.map((key) => run.steps.find((step) => step.key === key)!).filter(Boolean));
  if (left.length === 0) return null;
  const photos = left.reduce((sum, step) => sum + (step.kind === "photo" ? Math.max(1, step.photos) : step.photos), 0);
  return (
    <Notice tone="watch" icon={photos > 0 ? Camera : ListChecks}>
      <div style={{ fontWeight: 620 }}>{text.t(photos > 0 ? "check.photos_block" : "check.steps_block", { count: photos || left.length })}</div>
      <ul style={{ margin: "4px 0 0", paddingLeft: 18 }}>
        {left.slice(0, 6).map((step) => <li key={step.key} className="break">{words(step, "title", text)}{step.photos > 0 && ` (${text.t("sop.photos", { count: step.photos })})`}</li>)}
      </ul>
      {left.length > 6 && <div className="small">{text.t("check.more", { count: left.length - 6 })}</div>}
      {props.go && <Button mt={10} size="md" variant="white" onClick={props.go}>{text.t("check.to_list")}</Button>}
    </Notice>
  );
}
