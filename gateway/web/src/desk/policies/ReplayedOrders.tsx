/** The work orders behind a replay's figures, each with why it counts as true or false. */
import { CheckCircle2, CircleHelp, OctagonX } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";

import type { Replay, ReplayedOrder } from "../../api/policies";
import type { Contribution } from "../../api/types";
import { useText } from "../../i18n/useText";
import { noticed } from "../../text/noticed";
import { reasonText } from "../../text/reasons";
import { Chip, SeverityChip } from "../../ui/chips";

const FIRST = 8;

export function ReplayedOrders(props: { replay: Replay }) {
  const text = useText();
  const { orders, lost } = props.replay;
  return (
    <>
      {orders.length > 0 && <List title={text.t("replay.would_open", { count: props.replay.draft.work_orders })} orders={orders} mark />}
      {lost.length > 0 && <List title={text.t("replay.lost", { count: lost.length })} orders={lost} />}
    </>
  );
}

function List(props: { title: string; orders: ReplayedOrder[]; mark?: boolean }) {
  const text = useText();
  const [all, setAll] = useState(false);
  const { orders } = props;
  return (
    <div>
      <div className="eyebrow" style={{ marginBottom: 4 }}>{props.title}</div>
      {orders.slice(0, all ? undefined : FIRST).map((order, index) => <Row key={index} order={order} mark={props.mark} />)}
      {!all && orders.length > FIRST && <button type="button" className="plainbutton link small" style={{ marginTop: 6 }} onClick={() => setAll(true)}>{text.t("action.show_all", { count: orders.length })}</button>}
    </div>
  );
}

/** The title's parameters are those of the strongest sensor, when a sensor it was. */
function strongest(order: ReplayedOrder): Contribution[] | null {
  return typeof order.title.params.metric === "string" ? [order.title.params as Contribution] : null;
}

function Row(props: { order: ReplayedOrder; mark?: boolean }) {
  const text = useText();
  const { order } = props;
  return (
    <div style={{ padding: "9px 0", borderTop: "1px solid var(--line-soft)" }}>
      <div className="row wrap small" style={{ gap: "2px 10px" }}>
        <Link className="plain break" style={{ fontWeight: 620 }} to={`/assets/${order.asset.id}`}>{order.asset.name}</Link>
        <span className="muted grow">{text.moment(order.opened_at)}</span>
        <VerdictChip verdict={order.verdict} />
      </div>
      <div className="small break">{noticed({ ...order, contributions: strongest(order) }, text)}</div>
      <div className="row wrap tiny muted" style={{ gap: "2px 8px", marginTop: 2 }}>
        <SeverityChip severity={order.severity} small />
        <span>{reasonText(order.why, text, "verdict_why")}</span>
        {order.work_order && <Link className="link" to={`/work-orders/${order.work_order.id}`}>{order.work_order.number}</Link>}
        {props.mark && !order.also && <span>{text.t("replay.only_draft")}</span>}
      </div>
    </div>
  );
}

export function VerdictChip(props: { verdict: string }) {
  const { t } = useText();
  if (props.verdict === "true") return <Chip tone="ok" icon={CheckCircle2} small>{t("verdict.right")}</Chip>;
  if (props.verdict === "false") return <Chip tone="trouble" icon={OctagonX} small>{t("verdict.wrong")}</Chip>;
  return <Chip tone="quiet" icon={CircleHelp} small>{t("verdict.unanswered")}</Chip>;
}
