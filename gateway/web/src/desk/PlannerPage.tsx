/** Jobs that the models foresee: why, how sure, since when; accept or dismiss. */
import { Button, Group, Modal, SegmentedControl, Textarea } from "@mantine/core";
import { Check, Radar, X } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext, useSearchParams } from "react-router";

import { useAct, usePredictedJobs } from "../api/hooks";
import { may } from "../api/rows";
import type { Me, PredictedJob, WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { noticed } from "../text/noticed";
import { reasonText } from "../text/reasons";
import { Chip, Marks, SeverityChip } from "../ui/chips";
import { EvidenceChart, EvidenceTable } from "../ui/Evidence";
import { PageHead, Since, useTitle } from "../ui/parts";
import { say } from "../ui/Providers";
import { Bones, Empty, errorText, Loaded } from "../ui/states";

const STATES = ["watching", "opened", "done", "dismissed"] as const;

export function PlannerPage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const state = params.get("state") ?? "watching";
  const jobs = usePredictedJobs(state);
  useTitle(text.t("nav.planner"));
  return (
    <>
      <PageHead title={text.t("planner.title")} sub={text.t("planner.sub")} />
      <div className="scroll" style={{ marginBottom: 14 }}>
        <SegmentedControl value={state} onChange={(value) => setParams({ state: value }, { replace: true })} data={STATES.map((name) => ({ value: name, label: text.code("job", name) }))} />
      </div>
      <Loaded of={jobs} skeleton={<Bones rows={8} height={24} />}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon={Radar} sentence={text.code("planner.empty", state)} action={<Button component={Link} to="/" variant="default">{text.t("planner.to_overview")}</Button>} example={text.t("planner.example")} />
          ) : (
            <div className="stack" style={{ gap: 12 }}>{page.items.map((job) => <Job key={job.id} job={job} />)}</div>
          )
        }
      </Loaded>
    </>
  );
}

function Job(props: { job: PredictedJob }) {
  const { job } = props;
  const text = useText();
  const [open, setOpen] = useState(false);
  const finding = job.finding;
  return (
    <article className="card">
      <div className="row wrap top" style={{ padding: "16px 20px", gap: 16 }}>
        <div className="grow" style={{ flexBasis: 280 }}>
          <div className="row wrap" style={{ gap: 6, marginBottom: 6 }}>
            <SeverityChip severity={job.severity} small />
            {job.state !== "watching" && <Chip tone="quiet" small>{text.code("job", job.state)}</Chip>}
            <Marks demo={job.demo} replayed={job.replayed} />
            <span className="small muted"><Since at={job.first_at} /></span>
          </div>
          <Link to={`/assets/${job.asset.id}`} className="plain break" style={{ fontSize: 16, fontWeight: 650 }}>{job.asset.name}</Link>
          <div style={{ marginTop: 3 }}>{finding ? noticed(finding, text) : text.t("noticed.something")}</div>
          <div className="small muted" style={{ marginTop: 4 }}>{job.dismiss_reason ? text.t("planner.dismissed_because", { reason: job.dismiss_reason }) : reasonText(job.reason, text)}</div>
        </div>
        <div style={{ minWidth: 130 }}>
          <div className="eyebrow">{text.t("planner.confidence")}</div>
          <div style={{ fontSize: 20, fontWeight: 660 }} className="num">{text.percent(job.confidence)}</div>
          {finding && (
            <button type="button" className="plainbutton small link" aria-expanded={open} onClick={() => setOpen(!open)}>
              {open ? text.t("planner.hide_why") : text.t("planner.show_why")}
            </button>
          )}
        </div>
        <Choices job={job} />
      </div>
      {open && finding && <div style={{ borderTop: "1px solid var(--line-soft)" }}><EvidenceTable contributions={finding.contributions} /><div style={{ padding: "8px 20px 18px" }}><EvidenceChart asset={job.asset.id} contributions={finding.contributions} since={finding.first_at} until={finding.cleared_at} now={job.replayed ? finding.last_at : null} height={220} /></div></div>}
    </article>
  );
}

function Choices(props: { job: PredictedJob }) {
  const { job } = props;
  const text = useText();
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const decides = may(useOutletContext<Me>(), "predicted_job.decide");
  const act = useAct<{ work_order?: Pick<WorkOrder, "number"> | null }>();
  const fail = (error: Error) => say(errorText(error, text), "bad");
  if (job.work_order) return <Button component={Link} to={`/work-orders/${job.work_order.id}`} variant="default">{job.work_order.number}</Button>;
  if (job.state !== "watching" || !decides) return null;
  const accept = () => act.mutate({ path: `/predicted-jobs/${job.id}/accept` }, { onSuccess: () => say(text.t("planner.accepted")), onError: fail });
  const dismiss = () =>
    act.mutate(
      { path: `/predicted-jobs/${job.id}/dismiss`, body: { reason: reason.trim() } },
      { onSuccess: () => { setAsking(false); say(text.t("planner.dismissed")); }, onError: fail },
    );
  return (
    <div className="row wrap">
      <Button leftSection={<Check size={16} />} loading={act.isPending && !asking} onClick={accept}>{text.t("planner.accept")}</Button>
      <Button variant="default" leftSection={<X size={16} />} onClick={() => setAsking(true)}>{text.t("planner.dismiss")}</Button>
      <Modal opened={asking} onClose={() => setAsking(false)} title={text.t("planner.dismiss_title")}>
        <p className="small muted" style={{ marginTop: 0 }}>{text.t("planner.dismiss_hint")}</p>
        <Textarea label={text.t("order.reason")} placeholder={text.t("planner.dismiss_example")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} autosize minRows={2} maxLength={1000} data-autofocus />
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={() => setAsking(false)}>{text.t("action.back")}</Button>
          <Button disabled={!reason.trim()} loading={act.isPending} onClick={dismiss}>{text.t("planner.dismiss")}</Button>
        </Group>
      </Modal>
    </div>
  );
}
