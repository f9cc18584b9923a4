/** Planned work in a list, with what a planner decides about it: now, elsewhere, or not at all. */
import { CalendarClock, CalendarX2, Send } from "lucide-react";
import { Link, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton, REASON } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { localMoment } from "../../ui/Form";
import type { Column } from "../../ui/Rows";
import { dayText, said, WORK_LOOK, type Occurrence } from "./look";

export function Decisions(props: { row: Occurrence }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const { row } = props;
  const path = `/occurrences/${row.id}`;
  if (row.work_order_id) return <Link className="link small" to={`/work-orders/${row.work_order_id}`}>{text.t("plan.to_order")}</Link>;
  if (!may(me, "occurrence.decide") || !["planned", "left_out"].includes(row.state)) return null;
  const title = `${said(row.plan_name, text.language)} · ${row.asset_name}`;
  const at = row.put_at ?? row.due_at;
  return (
    <span className="row wrap" style={{ gap: 6 }}>
      {row.state === "planned" && <FormButton small icon={Send} label={text.t("plan.release")} form={{ title, note: text.t("plan.release_hint"), path: `${path}/release`, fields: [REASON], done: "plan.released_now" }} />}
      <FormButton small icon={CalendarClock} label={text.t("plan.move")} form={{ title, note: text.t("plan.move_hint"), path: `${path}/move`, initial: { to: localMoment(at ?? Date.now()) }, fields: [{ name: "to", label: "plan.move_to", kind: "moment", required: true }, REASON], done: "form.saved" }} />
      <FormButton small danger icon={CalendarX2} label={text.t("plan.skip")} form={{ title, note: text.t("plan.skip_hint"), path: `${path}/skip`, fields: [REASON], danger: true, done: "form.saved" }} />
    </span>
  );
}

export function occurrenceColumns(text: ReturnType<typeof useText>, without: "plan" | "asset" | "none" = "none"): Column<Occurrence>[] {
  const plan: Column<Occurrence> = { label: "nav.plans", cell: (row) => <Link className="plain break" to={`/plans/${row.plan_id}`}>{said(row.plan_name, text.language) || row.plan_code}</Link> };
  const asset: Column<Occurrence> = { label: "col.asset", cell: (row) => <Link className="plain break" to={`/assets/${row.asset_id}`}>{row.asset_name}</Link> };
  return [
    { label: "plan.due", cell: (row) => <span className="num">{row.due_on ? dayText(row.due_on, text) : row.target !== null ? text.t("plan.at_value", { value: text.number(row.target) }) : "–"}{row.put_at && <span className="tiny muted"> {text.t("plan.put")}</span>}</span> },
    ...(without === "plan" ? [] : [plan]),
    ...(without === "asset" ? [] : [asset]),
    { label: "plan.packages", phone: "named", cell: (row) => <span className="small">{row.packages.join(" + ")}{row.covered.length > 0 && <span className="muted"> ({text.t("plan.covers", { packages: row.covered.join(", ") })})</span>}</span> },
    { label: "plan.within", phone: "hide", cell: (row) => <span className="small muted num">{row.low_at && row.high_at ? text.t("plan.between", { low: text.day(row.low_at), high: text.day(row.high_at) }) : row.earliest_at && row.latest_at ? `${text.day(row.earliest_at)} – ${text.day(row.latest_at)}` : "–"}</span> },
    { label: "col.state", phone: "side", cell: (row) => <Chip small tone={WORK_LOOK[row.state] ?? "quiet"} title={row.reason ?? undefined}>{text.code("plan.work_state", row.state)}</Chip> },
    { label: "plan.decide", cell: (row) => <Decisions row={row} /> },
  ];
}
