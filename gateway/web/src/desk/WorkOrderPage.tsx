/** One work order: what was noticed and why, drawn on the chart; what is to be done; who does it; what it took. */
import { Skeleton } from "@mantine/core";
import { Lightbulb, OctagonAlert, PauseCircle, Undo2 } from "lucide-react";
import { lazy, Suspense, useState, type ComponentType, type ReactNode } from "react";
import { Link, useOutletContext, useParams } from "react-router";

import { useAsset, useWorkOrder } from "../api/hooks";
import { may } from "../api/rows";
import type { Me, WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { noticed } from "../text/noticed";
import { orderTitle } from "../text/sentences";
import { isOpen, Marks, OriginChip, PriorityChip, SeverityChip, WorkChip } from "../ui/chips";
import { EvidenceChart, EvidenceTable } from "../ui/Evidence";
import { Lines } from "../ui/Explained";
import { repairOf } from "../ui/FinishForm";
import { FromCustomer, hasSent } from "../ui/FromCustomer";
import { CardBlock, Facts, PageHead, Since, useTitle } from "../ui/parts";
import { Bones, Loaded, Notice } from "../ui/states";
import { Tabs, type Tab } from "../ui/Tabs";
import { Timeline } from "../ui/Timeline";
import { TONES } from "../ui/theme";
import { SimilarCard } from "./explain/SimilarCard";
import { isAlive, useCalls } from "./fieldwork/asked";
import { CallNotice } from "./fieldwork/Calls";
import { LastFixesCard } from "./fieldwork/LastFixes";
import { OrderCoverage } from "./warranty/WarrantyTab";
import { SnapshotFoot } from "./explain/SnapshotFoot";
import type { Order as Full } from "./work/look";
import { Assign, Moves } from "./work/Moves";
import { PlanCard } from "./work/Planning";
import { ReportsCard } from "./reports/ReportsCard";
import { SlaPanel } from "./sla/SlaPanel";

const LinesTab = lazy(() => import("./work/LinesTab").then((made) => ({ default: made.LinesTab })));
const ChecklistTab = lazy(() => import("./work/Checklist").then((made) => ({ default: made.ChecklistTab })));
const FieldTab = lazy(() => import("./fieldwork/FieldTab").then((made) => ({ default: made.FieldTab })));
const PeopleTab = lazy(() => import("./work/Planning").then((made) => ({ default: made.PeopleTab })));
const BlocksTab = lazy(() => import("./work/Planning").then((made) => ({ default: made.BlocksTab })));

const NormTab = lazy(() => import("./procedures/OrderNorm").then((made) => ({ default: made.NormTab })));

const TABS: Record<string, ComponentType<{ order: Full }>> = { field: FieldTab, checklist: ChecklistTab, lines: LinesTab, norm: NormTab, people: PeopleTab, blocks: BlocksTab, history: HistoryTab };

export function WorkOrderPage() {
  const { id = "" } = useParams();
  const order = useWorkOrder(id);
  useTitle(order.data?.number);
  return <Loaded of={order} skeleton={<Waiting />}>{(data) => <Order order={data as Full} key={data.id} />}</Loaded>;
}

function Waiting() {
  return (
    <div className="stack" style={{ gap: 16 }} aria-busy>
      <Skeleton height={34} width="50%" /><Skeleton height={18} width="70%" />
      <div className="two"><div><Skeleton height={260} radius="md" /><Skeleton height={340} radius="md" /></div><div><Skeleton height={280} radius="md" /></div></div>
    </div>
  );
}

function Order(props: { order: Full }) {
  const { order } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const { tab = "" } = useParams();
  const Shown = TABS[tab];
  const base = `/work-orders/${order.id}`;
  const inside = may(me, "work_order.inside");
  const calls = (useCalls(order.id, inside && may(me, "help.read")).data?.items ?? []).filter(isAlive).length;
  const tabs: Tab[] = [
    { to: base, label: text.t("work.tab.overview") },
    ...(inside ? [{ to: `${base}/field`, label: text.t("work.tab.field"), tally: calls }, { to: `${base}/checklist`, label: text.t("work.tab.checklist"), tally: order.steps_missing }, { to: `${base}/lines`, label: text.t("work.tab.lines") }, { to: `${base}/norm`, label: text.t("work.tab.norm") }, { to: `${base}/people`, label: text.t("work.tab.people"), tally: order.visits.length }] : []),
    { to: `${base}/blocks`, label: text.t("work.tab.blocks"), tally: order.blocked_by.filter((one) => !one.cleared_at).length },
    { to: `${base}/history`, label: text.t("work.tab.history") },
  ];
  return (
    <>
      <PageHead
        back={{ to: "/work-orders", label: text.t("nav.work_orders") }}
        title={orderTitle(order, text)}
        over={<><Link className="link" to={`/assets/${order.asset.id}`}>{order.asset.name}</Link>{order.asset.site_name && <span className="muted"> · {order.asset.site_name}</span>}</>}
        sub={
          <span className="row wrap" style={{ gap: "6px 10px", marginTop: 4 }}>
            <span className="mono-num" style={{ fontWeight: 640, color: "var(--ink)" }}>{order.number}</span>
            <WorkChip state={order.state} small /><PriorityChip priority={order.priority} small /><OriginChip origin={order.origin} small />
            <Marks demo={order.demo} replayed={order.replayed} />
          </span>
        }
        right={<Moves order={order} />}
      />
      <Tabs tabs={tabs} label={order.number} />
      {calls > 0 && tab !== "field" && <CallNotice order={order.id} />}
      <Standing order={order} />
      {Shown ? <Suspense fallback={<Bones rows={8} />}><div className="stack" style={{ gap: 16 }}><Shown order={order} /></div></Suspense> : <Overview order={order} />}
    </>
  );
}

/** What keeps the order where it is, said before everything else. */
function Standing(props: { order: Full }) {
  const text = useText();
  const { order } = props;
  const waits = order.blocked_by.filter((one) => !one.cleared_at);
  return (
    <>
      {order.merged_into && <Notice tone="quiet">{text.t("work.merged_note")} <Link className="link" to={`/work-orders/${order.merged_into.id}`}>{order.merged_into.number}</Link></Notice>}
      {order.hold_reason && <Notice tone="watch" icon={PauseCircle}>{text.t("work.held_note", { reason: text.code("work_reason", order.hold_reason) })}</Notice>}
      {order.state === "cannot_complete" && order.cannot_complete_reason && <Notice tone="trouble" icon={OctagonAlert}>{text.t("work.cannot_note", { reason: text.code("work_reason", order.cannot_complete_reason) })}</Notice>}
      {order.review_state === "sent_back" && isOpen(order) && <Notice tone="watch" icon={Undo2}>{text.t("work.sent_back_note", { reason: order.review_reason ?? "–" })}</Notice>}
      {waits.length > 0 && isOpen(order) && <Notice tone="watch" icon={PauseCircle}>{text.t("work.blocked_note", { numbers: waits.map((one) => one.number).join(", ") })}</Notice>}
    </>
  );
}

function HistoryTab(props: { order: Full }) {
  const text = useText();
  return (
    <CardBlock title={text.t("order.history")}>
      {props.order.events?.length ? <Timeline items={props.order.events} hideOrder /> : <div className="small muted">{text.t("timeline.empty")}</div>}
    </CardBlock>
  );
}

const LATEST = 6; // entries of the history that the first page shows

function Overview(props: { order: Full }) {
  const { order } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const inside = may(me, "work_order.inside");
  return (
    <div className="two">
      <div>
        {order.noticed && <NoticedCard order={order} />}
        {order.request && <CardBlock title={text.t("order.request", { number: order.request.number })}><div className="break">“{order.request.text}”</div></CardBlock>}
        {hasSent(order.case) && <CardBlock title={text.t("order.from_customer")} right={may(me, "case.read") && <Link className="link small" to={`/cases/${order.case.id}`}>{order.case.number}</Link>}><FromCustomer one={order.case} /></CardBlock>}
        <OrderCoverage order={order.id} opened={order.opened_at} />
        <CardBlock title={text.t("order.history")} right={(order.events?.length ?? 0) > LATEST && <Link className="link small" to={`/work-orders/${order.id}/history`}>{text.t("work.all_history")}</Link>} last>
          {order.events?.length ? <Timeline items={order.events.slice(0, LATEST)} hideOrder /> : <div className="small muted">{text.t("timeline.empty")}</div>}
        </CardBlock>
      </div>
      <div>
        <CardBlock title={text.t("order.facts")}><OrderFacts order={order} /></CardBlock>
        {order.noticed && order.noticed.checks.length > 0 && <Checks order={order} />}
        {order.noticed && <Similar order={order} />}
        {inside && <LastFixesCard order={order.id} />}
        <ReportsCard orderId={order.id} done={order.work_done_at !== null} />
        <SlaPanel kind="work_order" id={order.id} />
        <PlanCard order={order} />
      </div>
    </div>
  );
}

function NoticedCard(props: { order: WorkOrder }) {
  const { order } = props;
  const text = useText();
  const [metric, setMetric] = useState<string | null>(null);
  const asset = useAsset(order.asset.id);
  const found = order.noticed!;
  const chosen = metric ?? found.contributions[0]?.metric ?? null;
  return (
    <>
      <CardBlock title={text.t("order.noticed")} right={<SeverityChip severity={found.severity} small />} flush>
        <div className="inset" style={{ paddingBottom: 6 }}>
          {order.title_text && <div style={{ fontSize: 16, fontWeight: 620, lineHeight: 1.4 }}>{noticed({ ...found, kind: order.kind }, text)}</div>}
          <div className="small muted">{text.t("order.since", { at: text.moment(found.since ?? order.since) })}{isOpen(order) && <> · <Since at={found.since ?? order.since} /></>}</div>
          {found.recurrence_of && <div className="small" style={{ marginTop: 4 }}>{text.t("order.again", { number: found.recurrence_of })}</div>}
          {found.explanation && <Lines lines={found.explanation.lines} beside={found.contributions.length > 0} />}
          {(found.evidence_count ?? 0) > 1 && <div className="small muted" style={{ marginTop: 4 }}>{text.t("order.evidence", { count: found.evidence_count })}</div>}
        </div>
        {found.contributions.length > 0 && <EvidenceTable contributions={found.contributions} chosen={chosen} choose={setMetric} />}
        {found.finding_id && <div className="inset" style={{ padding: "12px 20px 16px", borderTop: "1px solid var(--line-soft)" }}><SnapshotFoot finding={found.finding_id} /></div>}
      </CardBlock>
      {chosen && (
        <CardBlock title={text.t("order.explained")}>
          <EvidenceChart
            asset={order.asset.id}
            contributions={found.contributions}
            metric={chosen}
            onMetric={setMetric}
            since={found.since ?? order.since}
            until={order.work_done_at ?? order.closed_at}
            now={order.replayed ? (asset.data?.last_reading_at ?? null) : null}
            markers={[{ at: order.opened_at, tone: order.origin === "finding" ? "model" : "quiet", label: order.number }]}
          />
        </CardBlock>
      )}
    </>
  );
}

function Similar(props: { order: WorkOrder }) {
  const asset = useAsset(props.order.asset.id);
  return <SimilarCard order={props.order} codes={asset.data?.repair_codes ?? []} />;
}

function Checks(props: { order: WorkOrder }) {
  const text = useText();
  return (
    <CardBlock title={<span className="row" style={{ gap: 7 }}><Lightbulb size={16} style={{ color: TONES.watch.ink }} aria-hidden />{text.t("order.checks")}</span>}>
      <ol style={{ margin: 0, paddingLeft: 20, fontSize: 14, lineHeight: 1.5 }}>
        {props.order.noticed!.checks.map((check) => <li key={check.en} style={{ paddingBottom: 6 }}>{text.language === "zh" ? check.zh : check.en}</li>)}
      </ol>
    </CardBlock>
  );
}

function OrderFacts(props: { order: Full }) {
  const text = useText();
  const asset = useAsset(props.order.asset.id);
  const { order } = props;
  const rows: [ReactNode, ReactNode][] = [
    [text.t("order.machine"), <Link className="link break" to={`/assets/${order.asset.id}`}>{order.asset.name}</Link>],
    [text.t("asset.serial"), <span className="mono">{order.asset.serial}</span>],
    [text.t("asset.site"), order.asset.site_name ?? "–"],
    [text.t("orders.assignee"), order.assignee ? <Assign order={order} /> : <span className="faint">{text.t("orders.nobody")}</span>],
    [text.t("orders.opened"), text.moment(order.opened_at)],
  ];
  if (order.work_done_at) rows.push([text.t("work.done_at"), text.moment(order.work_done_at)]);
  if (order.documented_at) rows.push([text.t("work.documented_at"), text.moment(order.documented_at)]);
  if (order.reopened_no > 0) rows.push([text.t("work.reopened_count"), String(order.reopened_no)]);
  if (order.closed_at) rows.push([text.t("order.closed"), text.moment(order.closed_at)]);
  if (order.outcome) rows.push([text.t("order.outcome"), text.code("outcome", order.outcome)]);
  if (order.repair_code) rows.push([text.t("finish.repair"), repairOf(order.repair_code, asset.data?.repair_codes ?? [], text.language)]);
  if (order.outcome_note) rows.push([text.t("finish.note"), order.outcome_note]);
  const found = order.noticed;
  if (found) {
    if (found.confidence !== null) rows.push([text.t("order.confidence"), text.percent(found.confidence)]);
    if (found.regime) rows.push([text.t("order.regime"), text.code("mode", found.regime)]);
    const modes = (found.failure_modes ?? []).map((mode) => (text.language === "zh" ? mode.name_zh : mode.name_en)).filter(Boolean);
    if (modes.length > 0) rows.push([text.t("order.failure_modes"), modes.join(", ")]);
    if (found.model_id) rows.push([text.t("order.model"), <span className="mono tiny">{found.model_id}</span>]);
  }
  return <Facts rows={rows} />;
}

