/** One work order: what was noticed and why, drawn on the chart; what is to be done; who does it. */
import { Button, Group, Menu, Modal, Select, Skeleton, Textarea } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { ChevronDown, Lightbulb, ShieldCheck } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useParams } from "react-router";

import { useAct, useAsset, useMe, useTechnicians, useWorkOrder } from "../api/hooks";
import type { WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { noticed } from "../text/noticed";
import { orderTitle } from "../text/sentences";
import { isOpen, Marks, OriginChip, PriorityChip, SeverityChip, WorkChip } from "../ui/chips";
import { EvidenceChart, EvidenceTable } from "../ui/Evidence";
import { Lines } from "../ui/Explained";
import { FinishForm, repairOf } from "../ui/FinishForm";
import { CardBlock, Facts, PageHead, Since, useTitle } from "../ui/parts";
import { say } from "../ui/Providers";
import { errorText, Loaded } from "../ui/states";
import { Timeline } from "../ui/Timeline";
import { TONES } from "../ui/theme";
import { SimilarCard } from "./explain/SimilarCard";
import { OrderParts } from "./stock/OrderParts";
import { OrderCoverage } from "./warranty/WarrantyTab";
import { SnapshotFoot } from "./explain/SnapshotFoot";

export function WorkOrderPage() {
  const { id = "" } = useParams();
  const order = useWorkOrder(id);
  useTitle(order.data?.number);
  return <Loaded of={order} skeleton={<Waiting />}>{(data) => <Order order={data} key={data.id} />}</Loaded>;
}

function Waiting() {
  return (
    <div className="stack" style={{ gap: 16 }} aria-busy>
      <Skeleton height={34} width="50%" /><Skeleton height={18} width="70%" />
      <div className="two"><div><Skeleton height={260} radius="md" /><Skeleton height={340} radius="md" /></div><div><Skeleton height={280} radius="md" /></div></div>
    </div>
  );
}

function Order(props: { order: WorkOrder }) {
  const { order } = props;
  const text = useText();
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
      <div className="two">
        <div>
          {order.noticed && <NoticedCard order={order} />}
          {order.request && <CardBlock title={text.t("order.request", { number: order.request.number })}><div className="break">“{order.request.text}”</div></CardBlock>}
          <OrderParts order={order.id} />
          <OrderCoverage order={order.id} opened={order.opened_at} />
          <CardBlock title={text.t("order.history")} last>
            {order.events?.length ? <Timeline items={order.events} hideOrder /> : <div className="small muted">{text.t("timeline.empty")}</div>}
          </CardBlock>
        </div>
        <div>
          <CardBlock title={text.t("order.facts")}><OrderFacts order={order} /></CardBlock>
          {order.noticed && order.noticed.checks.length > 0 && <Checks order={order} />}
          {order.noticed && <Similar order={order} />}
          <CardBlock title={text.t("order.visits")}><Visits order={order} /></CardBlock>
        </div>
      </div>
    </>
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

function Visits(props: { order: WorkOrder }) {
  const text = useText();
  if (props.order.visits.length === 0) return <div className="small muted">{text.t("order.no_visits")}</div>;
  return (
    <div className="stack" style={{ gap: 12 }}>
      {props.order.visits.map((visit) => (
        <div key={visit.id}>
          <div className="row" style={{ justifyContent: "space-between" }}><span style={{ fontWeight: 560 }}>{visit.technician?.name ?? "–"}</span><span className="small">{text.code("visit", visit.state)}</span></div>
          <div className="tiny muted">{text.moment(visit.finished_at ?? visit.started_at ?? visit.scheduled_at)}</div>
        </div>
      ))}
    </div>
  );
}

function OrderFacts(props: { order: WorkOrder }) {
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

const DESK = ["administrator", "planner", "dispatcher"];

function Assign(props: { order: WorkOrder }) {
  const text = useText();
  const me = useMe();
  const { order } = props;
  const may = me.data?.roles.some((role) => DESK.includes(role)) && isOpen(order);
  const technicians = useTechnicians(may);
  const assign = useAct();
  if (!may) return <>{order.assignee?.name ?? text.t("orders.nobody")}</>;
  const listed = (technicians.data?.items ?? []).map((one) => ({ value: one.person_id, label: text.t("order.technician_load", { name: one.name, count: one.open_work_orders }) }));
  if (order.assignee && !listed.some((one) => one.value === order.assignee!.id)) listed.unshift({ value: order.assignee.id, label: order.assignee.name });
  return (
    <Select
      size="sm"
      aria-label={text.t("order.assign")}
      placeholder={text.t("order.assign")}
      value={order.assignee?.id ?? null}
      data={listed}
      disabled={assign.isPending}
      onChange={(person) =>
        person &&
        assign.mutate(
          { path: `/work-orders/${order.id}/assign`, body: { person_id: person } },
          { onSuccess: () => say(text.t("order.assigned")), onError: (error) => say(errorText(error, text), "bad") },
        )
      }
    />
  );
}

// The way work usually goes on is the filled button; a way out needs a reason.
const FORWARD = ["completed", "closed", "in_progress", "scheduled"];
const NEEDS_REASON = ["cancelled", "cannot_complete", "on_hold"];

function Moves(props: { order: WorkOrder }) {
  const text = useText();
  const { order } = props;
  const [reasonFor, setReasonFor] = useState<string | null>(null);
  const [finishing, finish] = useDisclosure(false);
  const [reason, setReason] = useState("");
  const asset = useAsset(order.asset.id);
  const act = useAct();
  const move = (to: string, more: Record<string, unknown> = {}) =>
    act.mutate(
      { path: `/work-orders/${order.id}/transitions`, body: { to, ...more } },
      {
        onSuccess: () => {
          setReasonFor(null);
          finish.close();
          say(text.t("order.moved", { state: text.code("state", to) }));
        },
        onError: (error) => say(errorText(error, text), "bad"),
      },
    );
  const press = (to: string) => (to === "completed" ? finish.open() : NEEDS_REASON.includes(to) ? setReasonFor(to) : move(to));
  const unassigned = !order.assignee && isOpen(order);
  // Nobody starts what nobody has: first comes a name, then the work.
  const first = unassigned ? undefined : FORWARD.find((to) => order.legal_moves.includes(to));
  const others = order.legal_moves.filter((to) => to !== first);
  const codes = asset.data?.repair_codes ?? [];
  return (
    <>
      {unassigned && <div style={{ width: 210 }}><Assign order={order} /></div>}
      {first && <Button loading={act.isPending} onClick={() => press(first)} leftSection={first === "closed" ? <ShieldCheck size={16} /> : undefined}>{text.code("move", first)}</Button>}
      {others.length > 0 && (
        <Menu position="bottom-end" width={230}>
          <Menu.Target><Button variant="default" rightSection={<ChevronDown size={15} />}>{text.t("order.more")}</Button></Menu.Target>
          <Menu.Dropdown>{others.map((to) => <Menu.Item key={to} color={to === "cancelled" ? "red" : undefined} onClick={() => press(to)}>{text.code("move", to)}</Menu.Item>)}</Menu.Dropdown>
        </Menu>
      )}
      <Modal opened={reasonFor !== null} onClose={() => setReasonFor(null)} title={text.code("move", reasonFor)}>
        <Textarea label={text.t("order.reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} autosize minRows={2} maxLength={1000} data-autofocus />
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={() => setReasonFor(null)}>{text.t("action.back")}</Button>
          <Button disabled={!reason.trim()} loading={act.isPending} onClick={() => reasonFor && move(reasonFor, { reason: reason.trim() })}>{text.code("move", reasonFor)}</Button>
        </Group>
      </Modal>
      <Modal opened={finishing} onClose={finish.close} title={text.code("move", "completed")} size="md">
        <FinishForm origin={order.origin} repairCodes={codes} busy={act.isPending} submit={(found) => move("completed", { ...found })} />
      </Modal>
    </>
  );
}
