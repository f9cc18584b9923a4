/** The sentences of an explanation, and what was found when something alike was noticed before. */
import { Link } from "react-router";

import type { Line, PastOrder, RepairCode } from "../api/types";
import { useText } from "../i18n/useText";
import { Chip } from "./chips";
import { repairOf } from "./FinishForm";
import type { Tone } from "./theme";

const SAID_ALREADY = ["explain.since"]; // stands beside it, in the reader's own time zone

/** With `beside` a table of the sensors stands beside it: their sentences would say the same again. */
export function Lines(props: { lines: Line[]; beside?: boolean }) {
  const { language } = useText();
  const lines = props.lines.filter((line) => !SAID_ALREADY.includes(line.code) && !(props.beside && typeof line.params.metric === "string"));
  if (lines.length === 0) return null;
  return <ul className="lines">{lines.map((line, index) => <li key={index} className="break">{language === "zh" ? line.zh : line.en}</li>)}</ul>;
}

const TONE: Record<string, Tone> = { confirmed: "ok", wrong_mode: "ok", prevented: "ok", sensor_fault: "watch", no_fault_found: "trouble" };

export function PastOrders(props: { orders: PastOrder[]; codes: RepairCode[]; base?: string }) {
  const text = useText();
  return (
    <div className="stack" style={{ gap: 0 }}>
      {props.orders.map((order, index) => (
        <div key={order.work_order_id} style={{ padding: "10px 0", borderTop: index ? "1px solid var(--line-soft)" : undefined }}>
          <div className="row wrap" style={{ gap: "2px 8px" }}>
            <Link className="link mono-num" to={`${props.base ?? "/work-orders"}/${order.work_order_id}`}>{order.number}</Link>
            {order.outcome && <Chip tone={TONE[order.outcome] ?? "quiet"} small>{text.code("outcome", order.outcome)}</Chip>}
            <span className="grow" />
            <span className="tiny muted">{text.t("similar.alike", { share: text.percent(order.similarity) })}</span>
          </div>
          <div className="small break">{order.same_asset ? text.t("similar.same") : order.asset_name} <span className="muted">· {text.day(order.opened_at)}</span></div>
          {order.repair_code && <div className="small">{repairOf(order.repair_code, props.codes, text.language)}</div>}
          {order.note && <div className="small muted break">“{order.note}”</div>}
        </div>
      ))}
    </div>
  );
}
