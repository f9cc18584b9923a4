/** Jobs that the models foresee: why, how sure, what waiting costs; open, merge with a plan, put off or dismiss them. */
import { Button, Checkbox, SegmentedControl } from "@mantine/core";
import { CalendarClock, Check, Radar, X } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext, useSearchParams } from "react-router";

import { newKey } from "../../api/client";
import { may, rowsOf, useRows, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { noticed } from "../../text/noticed";
import { reasonText } from "../../text/reasons";
import { ActButton, FormButton, REASON } from "../../ui/Act";
import { Chip, Marks, SeverityChip } from "../../ui/chips";
import { EvidenceChart, EvidenceTable } from "../../ui/Evidence";
import { PageHead, Since, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { More } from "../../ui/Rows";
import { Bones, Empty, errorText, Failure } from "../../ui/states";
import { dayAhead, extraWords, lifeDays, type Job } from "./look";
import { MergeButton } from "./MergeDialog";
import { PlannerTabs } from "./PlannerTabs";
import { WaitingCard } from "./WaitingCard";

const STATES = ["watching", "deferred", "merged", "opened", "done", "dismissed"] as const;
const UNTIL = { name: "until", label: "planner.until", kind: "date" as const, required: true };
const WHY = { ...REASON, required: false };

export const endOfDay = (day: unknown): string => new Date(`${String(day)}T08:00:00`).toISOString();

export function PlannerPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [params, setParams] = useSearchParams();
  const state = params.get("state") ?? "watching";
  const jobs = useRows<Job>("/planner/jobs", { state, asset_id: params.get("asset_id") });
  const [chosen, setChosen] = useState<string[]>([]);
  useTitle(text.t("nav.planner"));
  const rows = rowsOf(jobs);
  const many = state === "watching" || state === "deferred" || state === "merged";
  const picks = chosen.filter((id) => rows.some((row) => row.id === id));
  const decides = may(me, "predicted_job.decide");
  return (
    <>
      <PageHead title={text.t("planner.title")} sub={text.t("planner.sub")} />
      <PlannerTabs />
      <div className="scroll" style={{ marginBottom: 14 }}>
        <SegmentedControl value={state} onChange={(value) => { setChosen([]); setParams({ state: value }, { replace: true }); }} data={STATES.map((name) => ({ value: name, label: text.code("job", name) }))} />
      </div>
      {many && decides && rows.length > 1 && <Bulk rows={rows} picks={picks} choose={setChosen} />}
      {!jobs.data ? (
        jobs.isPending ? <Bones rows={8} height={24} /> : <Failure error={jobs.error} retry={() => void jobs.refetch()} />
      ) : rows.length === 0 ? (
        <Empty icon={Radar} sentence={text.code("planner.empty", state)} action={<Button component={Link} to="/" variant="default">{text.t("planner.to_overview")}</Button>} example={text.t("planner.example")} />
      ) : (
        <div className="stack" style={{ gap: 12 }}>
          {rows.map((job) => <Card key={job.id} job={job} picked={picks.includes(job.id)} pick={many && decides && rows.length > 1 ? () => setChosen(picks.includes(job.id) ? picks.filter((id) => id !== job.id) : [...picks, job.id]) : undefined} />)}
          <More of={jobs} />
        </div>
      )}
    </>
  );
}

function Bulk(props: { rows: Job[]; picks: string[]; choose: (ids: string[]) => void }) {
  const text = useText();
  const { picks, rows } = props;
  const send = useSend<Schema["BulkAnswer"]>();
  const tell = (answer: Schema["BulkAnswer"]) => {
    const failed = answer.items.filter((one) => !one.ok);
    say(text.t("planner.bulk_done", { done: answer.done, count: answer.items.length }) + (failed.length > 0 ? ` ${text.code("error", failed[0]!.code ?? "conflict", { legal: "–" })}` : ""), failed.length > 0 ? "bad" : undefined);
    props.choose([]);
  };
  const accept = () => send.mutate({ path: "/planner/bulk", body: { action: "accept", ids: picks }, key: newKey() }, { onSuccess: tell, onError: (error) => say(errorText(error, text), "bad") });
  return (
    <div className="card row wrap" style={{ padding: "10px 16px", marginBottom: 12, gap: 12 }}>
      <Checkbox label={picks.length > 0 ? text.t("planner.chosen", { count: picks.length }) : text.t("planner.choose_all")} checked={picks.length === rows.length} indeterminate={picks.length > 0 && picks.length < rows.length} onChange={() => props.choose(picks.length > 0 ? [] : rows.map((row) => row.id))} />
      <div className="grow" />
      {picks.length > 0 && <>
        <Button size="compact-sm" leftSection={<Check size={14} />} loading={send.isPending} onClick={accept}>{text.t("planner.accept")}</Button>
        <FormButton small icon={CalendarClock} label={text.t("planner.defer")} form={{ path: "/planner/bulk", initial: { until: dayAhead(14) }, fields: [UNTIL, WHY], body: (values) => ({ action: "defer", ids: picks, until: endOfDay(values.until), reason: values.reason || null }), after: tell, note: text.t("planner.defer_hint") }} />
        <FormButton small danger icon={X} label={text.t("planner.dismiss")} form={{ path: "/planner/bulk", fields: [REASON], body: (values) => ({ action: "dismiss", ids: picks, reason: values.reason }), after: tell, note: text.t("planner.dismiss_hint"), danger: true }} />
      </>}
    </div>
  );
}

function Card(props: { job: Job; picked: boolean; pick?: () => void }) {
  const { job } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const [open, setOpen] = useState(false);
  const { finding, decision, life } = job;
  const waits = decision && !decision.returned_at && !decision.undone_at && (decision.kind === "defer" || decision.kind === "merge");
  const back = decision && decision.returned_at && job.state === "watching" && !["decided", "joined", "ended"].includes(decision.returned_why ?? "");
  return (
    <article className="card">
      <div className="row wrap top" style={{ padding: "16px 20px", gap: 16 }}>
        {props.pick && <Checkbox mt={3} aria-label={job.asset.name} checked={props.picked} onChange={props.pick} />}
        <div className="grow" style={{ flexBasis: 280 }}>
          <div className="row wrap" style={{ gap: 6, marginBottom: 6 }}>
            <SeverityChip severity={job.severity} small />
            {waits ? <Chip tone="learning" small icon={CalendarClock}>{text.code("job", decision.kind === "defer" ? "deferred" : "merged")}</Chip> : job.state !== "watching" && <Chip tone="quiet" small>{text.code("job", job.state)}</Chip>}
            {back && <Chip tone="watch" small>{text.t(`planner.back.${decision.returned_why}`)}</Chip>}
            <Marks demo={job.demo} replayed={job.replayed} />
            <span className="small muted"><Since at={job.first_at} /></span>
          </div>
          <Link to={`/assets/${job.asset.id}`} className="plain break" style={{ fontSize: 16, fontWeight: 650 }}>{job.asset.name}</Link>
          <div style={{ marginTop: 3 }}>{finding ? noticed(finding, text) : text.t("noticed.something")}</div>
          <div className="small muted" style={{ marginTop: 4 }}>
            {waits && decision.kind === "defer" && text.t("planner.deferred_until", { day: text.day(decision.until) })}
            {waits && decision.kind === "merge" && text.t("planner.merged_with", { day: decision.due_on ? text.day(`${decision.due_on as string}T12:00:00`) : "–" })}
            {!waits && (job.dismiss_reason ? text.t("planner.dismissed_because", { reason: job.dismiss_reason }) : reasonText(job.reason, text))}
            {waits && decision.reason && ` “${decision.reason}”`}
          </div>
          <div className="small" style={{ marginTop: 6 }}>{extraWords(job.waiting, text)}</div>
        </div>
        <div style={{ minWidth: 130 }}>
          <div className="eyebrow">{text.t("planner.confidence")}</div>
          <div style={{ fontSize: 20, fontWeight: 660 }} className="num">{text.percent(job.confidence)}</div>
          {job.waiting.p != null && <div className="small">{text.t("planner.risk", { share: text.percent(job.waiting.p), days: text.number(job.waiting.days, 0) })}</div>}
          {life?.life_days != null && <div className="small">{text.t("planner.life")}: <span className="num">{lifeDays(life.life_days, text)}</span>{life.low_days != null && <span className="muted num"> ({text.number(life.low_days, 0)}–{life.high_days != null ? text.number(life.high_days, 0) : "∞"})</span>}</div>}
          <button type="button" className="plainbutton small link" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? text.t("planner.hide_why") : text.t("planner.show_why")}</button>
        </div>
        <div className="row wrap" style={{ gap: 6, maxWidth: 330 }}>
          {job.work_order && <Button component={Link} to={`/work-orders/${job.work_order.id}`} variant="default">{job.work_order.number}</Button>}
          {job.state === "watching" && may(me, "predicted_job.decide") && <Choices job={job} />}
          {decision?.can_undo && <ActButton small label={text.t("planner.undo")} path={`/planner/decisions/${decision.id}/undo`} done="planner.undone" />}
        </div>
      </div>
      {open && <WaitingCard job={job.id} />}
      {open && finding && <div style={{ borderTop: "1px solid var(--line-soft)" }}><EvidenceTable contributions={finding.contributions} /><div style={{ padding: "8px 20px 18px" }}><EvidenceChart asset={job.asset.id} contributions={finding.contributions} since={finding.first_at} until={finding.cleared_at} now={job.replayed ? finding.last_at : null} height={220} /></div></div>}
    </article>
  );
}

function Choices(props: { job: Job }) {
  const { job } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const path = `/predicted-jobs/${job.id}`;
  const title = job.asset.name;
  return (
    <>
      <ActButton primary icon={Check} label={text.t("planner.accept")} path={`${path}/accept`} done="planner.accepted" />
      {may(me, "maintenance_plan.read") && <MergeButton job={job} />}
      <FormButton icon={CalendarClock} label={text.t("planner.defer")} form={{ title: `${text.t("planner.defer")} · ${title}`, path: `${path}/defer`, initial: { until: dayAhead(14) }, fields: [UNTIL, WHY], body: (values) => ({ until: endOfDay(values.until), reason: values.reason || null }), note: text.t("planner.defer_hint"), done: "planner.deferred" }} />
      <FormButton danger icon={X} label={text.t("planner.dismiss")} form={{ title: text.t("planner.dismiss_title"), path: `${path}/dismiss`, fields: [{ ...REASON, example: "planner.dismiss_example" }], note: text.t("planner.dismiss_hint"), done: "planner.dismissed", danger: true }} />
    </>
  );
}
