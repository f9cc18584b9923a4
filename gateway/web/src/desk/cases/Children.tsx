/** What a case led to: work orders, shipments, analyses, sessions; each with what can be done about it. */
import { ClipboardPlus, FlaskConical, MonitorPlay, PackagePlus, Split } from "lucide-react";
import { Link, useNavigate } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { Ago, CardBlock } from "../../ui/parts";
import { Empty } from "../../ui/states";
import type { Tone } from "../../ui/theme";
import { ASSETS, PRIORITIES, words, type CaseDetail, type Child } from "./common";

const TONE: Record<string, Tone> = { open: "learning", done: "ok", cancelled: "quiet" };
const SHIPMENT: Field[] = [
  { name: "title", label: "cases.title", required: true, most: 120 },
  { name: "part", label: "shipment.part", most: 200, half: true },
  { name: "quantity", label: "col.quantity", kind: "number", min: 0, half: true },
  { name: "carrier", label: "transfers.carrier", most: 100, half: true },
  { name: "tracking_number", label: "transfers.tracking", most: 100, half: true },
  { name: "expected_on", label: "purchase.expected", kind: "date", half: true },
  { name: "address", label: "shipment.address", kind: "area", most: 500 },
];
const ANALYSIS: Field[] = [
  { name: "title", label: "cases.title", required: true, most: 120 },
  { name: "question", label: "analysis.question", kind: "area", most: 500 },
  { name: "sample", label: "analysis.sample", most: 200, half: true },
  { name: "laboratory", label: "analysis.laboratory", most: 200, half: true },
];
const asChild = (kind: string) => ({ title, ...details }: Record<string, unknown>) => ({ kind, title, details: Object.fromEntries(Object.entries(details).filter(([, value]) => value !== "" && value !== null && value !== undefined)) });

export function Children(props: { one: CaseDetail; staff: boolean; me: Me }) {
  const { one } = props;
  const text = useText();
  return (
    <CardBlock title={text.t("cases.children")} right={props.staff && !["closed", "rejected", "merged", "waiting_approval"].includes(one.state) ? <Add one={one} me={props.me} /> : undefined}>
      {one.children.length === 0 ? <Empty bare icon={Split} sentence={text.t("cases.no_children")} /> : one.children.map((child) => <Row key={child.id} one={one} child={child} staff={props.staff} />)}
    </CardBlock>
  );
}

function Row(props: { one: CaseDetail; child: Child; staff: boolean }) {
  const { one, child } = props;
  const text = useText();
  const path = `/cases/${one.id}/children/${child.id}`;
  const own = child.subject_id === null && props.staff && one.state !== "merged";
  const details = Object.entries(child.details).filter(([name, value]) => value && name !== "part_id").map(([name, value]) => `${text.code("detail", name)}: ${String(value)}`);
  return (
    <div className="row wrap top" style={{ gap: "4px 12px", padding: "10px 0", borderTop: "1px solid var(--line-soft)" }}>
      <div className="grow" style={{ flexBasis: 240, minWidth: 0 }}>
        <div className="row wrap" style={{ gap: "2px 8px" }}>
          <span className="small muted">{text.code("child", child.kind)}</span>
          {child.kind === "work_order" && child.subject_id ? <Link className="link mono-num" to={`/work-orders/${child.subject_id}`}>{child.number}</Link> : <span className="mono-num">{child.number}</span>}
          <Chip tone={TONE[child.state] ?? "quiet"} small>{text.code("child_state", child.state)}</Chip>
          {child.outcome && <span className="small">{text.has(`outcome.${child.outcome}`) ? text.code("outcome", child.outcome) : text.code("remote_outcome", child.outcome)}</span>}
        </div>
        <div className="break">{child.title}</div>
        {details.length > 0 && <div className="small muted break">{details.join(" · ")}</div>}
        {child.note && <div className="small break">{child.note}</div>}
        <div className="tiny muted"><Ago at={child.closed_at ?? child.opened_at} /></div>
      </div>
      {own && child.state === "open" && <FormButton small label={text.t("cases.end_child")} form={{ path: `${path}/end`, fields: [{ name: "outcome", label: "cases.outcome", most: 100 }, { name: "note", label: "cases.note", kind: "area", most: 2000 }] }} />}
      {own && child.state !== "open" && <ActButton small label={text.t("cases.reopen")} path={`${path}/reopen`} />}
    </div>
  );
}

function Add(props: { one: CaseDetail; me: Me }) {
  const { one, me } = props;
  const text = useText();
  const navigate = useNavigate();
  const path = `/cases/${one.id}`;
  return (
    <div className="row wrap" style={{ gap: 6 }}>
      {may(me, "remote_session.run") && !one.remote_session_id && (one.asset
        ? <ActButton small icon={MonitorPlay} label={text.t("remote.start")} path="/remote-sessions" body={{ case_id: one.id }} />
        : <FormButton small icon={MonitorPlay} label={text.t("remote.start")} form={{ path: "/remote-sessions", fields: [{ name: "asset_id", label: "col.asset", kind: "pick", of: ASSETS, required: true }], body: (values) => ({ case_id: one.id, asset_id: (values.asset_id as { id: string } | null)?.id }) }} />)}
      {may(me, "work_order.open") && <FormButton small icon={ClipboardPlus} label={text.t("cases.add_order")} form={{ path: `${path}/work-orders`, initial: { title: one.title, priority: one.priority }, fields: [{ name: "title", label: "cases.title", required: true, most: 120 }, { name: "priority", label: "orders.priority", kind: "select", options: words("priority", PRIORITIES, text), required: true }], after: (made: { id: string }) => void navigate(`/work-orders/${made.id}`) }} />}
      <FormButton small icon={PackagePlus} label={text.t("cases.add_shipment")} form={{ path: `${path}/children`, size: "lg", initial: { quantity: 1 }, fields: SHIPMENT, body: asChild("shipment") }} />
      <FormButton small icon={FlaskConical} label={text.t("cases.add_analysis")} form={{ path: `${path}/children`, size: "lg", fields: ANALYSIS, body: asChild("quality_analysis") }} />
    </div>
  );
}
