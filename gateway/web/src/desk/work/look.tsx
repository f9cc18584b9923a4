/** What the parts of a work order's page share: shapes, what may be picked, small words. */
import { Link } from "react-router";

import type { Schema } from "../../api/rows";
import type { WorkOrder } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { orderTitle } from "../../text/sentences";
import { WorkChip } from "../../ui/chips";
import type { Source } from "../../ui/Pick";

export type Named = { id: string; name: string };
export type Related = { id: string; number: string; state: string; title: { code: string; params: Record<string, unknown> }; title_text: string | null };
export type Skill = { skill: string; level: number };
export type PlannedVisit = WorkOrder["visits"][number] & { planned_start: string | null; planned_end: string | null; pinned: boolean; travel_minutes: number | null; cannot_complete_reason: string | null; legal_moves: string[]; version: number };
export type Order = Omit<WorkOrder, "visits"> & {
  version: number;
  visits: PlannedVisit[];
  required_skills: Skill[];
  duration_minutes: number | null;
  window_from: string | null;
  window_until: string | null;
  due_at: string | null;
  team_id: string | null;
  service_type_id: string | null;
  case_id: string | null;
  case?: Schema["CaseOfWork"] | null;
  documented_at: string | null;
  hold_reason: string | null;
  cannot_complete_reason: string | null;
  review_state: string;
  review_reason: string | null;
  reviewed_at: string | null;
  reopened_no: number;
  parent: Related | null;
  parent_relation: string | null;
  merged_into: Related | null;
  parts: Related[];
  merged: Related[];
  blocked_by: (Related & { cleared_at: string | null })[];
  blocks: Related[];
  helpers: Named[];
  steps_missing: number;
  may: string[];
};

export const HOLD_REASONS = ["parts", "customer", "weather", "access", "tools", "safety", "approval", "other"];
export const CANNOT_REASONS = ["parts_missing", "no_access", "customer_absent", "wrong_skill", "unsafe", "wrong_asset", "beyond_repair", "tools_missing", "weather", "other"];
export const PRIORITIES = ["low", "normal", "high", "urgent"];

export const TECHNICIANS: Source = { path: "/technicians", local: true, label: (row) => row.name, value: (row) => row.person_id };
export const OPEN_ORDERS: Source = { path: "/work-orders", asked: { open: true }, local: true, label: (row) => [row.number, row.title_text, row.asset?.name].filter(Boolean).join(" · ") };
export const PROCEDURES: Source = { path: "/procedures", label: (row, language) => `${row.code} · ${(language === "zh" && row.name_zh) || row.name_en}` };
export const TEAMS: Source = { path: "/teams", local: true, label: (row) => row.name };
export const SERVICE_TYPES: Source = { path: "/service-types", local: true, label: (row, language) => (language === "zh" && row.name_zh) || row.name_en };
export const FAILURE_MODES: Source = { path: "/failure-modes", local: true, label: (row, language) => `${row.code} · ${(language === "zh" && row.name_zh) || row.name_en}` };

/** 95 → "1 h 35 min". */
export function duration(minutes: number | null | undefined, text: Text): string {
  if (minutes === null || minutes === undefined) return "–";
  const hours = Math.floor(minutes / 60);
  const left = text.t("work.minutes", { count: Math.round(minutes % 60) });
  return hours ? [text.t("work.hours", { count: hours }), minutes % 60 ? left : ""].filter(Boolean).join(" ") : left;
}

export function RelatedLine(props: { order: Related; right?: React.ReactNode }) {
  const text = useText();
  const { order } = props;
  const seen = order.number !== "—";
  return (
    <div className="row wrap line" style={{ gap: "2px 10px" }}>
      <span className="grow break" style={{ flexBasis: 220 }}>
        {seen ? <Link className="link mono-num" to={`/work-orders/${order.id}`}>{order.number}</Link> : <span className="faint">{text.t("work.unseen")}</span>}{" "}
        {seen && <span>{orderTitle({ ...order, noticed: null, request: null, kind: "general" }, text)}</span>}
      </span>
      {seen && <WorkChip state={order.state} small />}
      {props.right}
    </div>
  );
}
