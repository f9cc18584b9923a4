/** Events of the log as sentences that a person would say. */
import type { TimelineItem, WorkOrder } from "../api/types";
import type { Text } from "../i18n/useText";
import { noticed } from "./noticed";

const FAMILY: Record<string, Record<string, string>> = {
  // field of the payload -> family of words, by the first part of the event's kind
  work_order: { to: "state", from: "state", state: "state", outcome: "outcome", origin: "origin", priority: "priority" },
  "work_order.priority_raised": { to: "priority", from: "priority" },
  "work_order.line_recorded": { kind: "line_kind" },
  "work_order.line_changed": { kind: "line_kind" },
  "work_order.line_removed": { kind: "line_kind" },
  "work_order.line_decided": { kind: "line_kind", state: "line_state" },
  visit: { to: "visit", from: "visit", state: "visit", outcome: "outcome" },
  asset: { to: "operation", from: "operation", operation: "operation" },
  "asset.lifecycle_changed": { to: "lifecycle", from: "lifecycle" },
  "asset.decommissioned": { to: "lifecycle" },
  warranty: { verdict: "verdict", component: "component" },
  meter: { name: "meter" },
  contract: { key: "entitlement_kind" },
  part: { unit: "part_unit" },
  device: { to: "presence", from: "presence", presence: "presence" },
  episode: { outcome: "outcome", severity: "severity", kind: "kind" },
  label: { outcome: "outcome" },
  sla: { clock: "sla_clock" },
  command: { name: "command" },
};

// What happened may name these or not; nothing stands in their place then.
const OFTEN_EMPTY = ["site", "place", "item_number", "part_number", "lot"];

export function sentence(item: TimelineItem, text: Text): string {
  const key = variant(item, text);
  if (!text.has(key)) return text.code("event", item.kind);
  return text.t(key, params(item, text));
}

function variant(item: TimelineItem, text: Text): string {
  const base = `event.${item.kind}`;
  const to = item.payload.to ?? item.payload.state ?? item.payload.presence;
  if (item.kind === "work_order.opened" && item.payload.origin === "finding") return `${base}.by_model`;
  if (item.kind === "work_order.opened" && item.payload.origin === "request") return `${base}.by_request`;
  if (typeof to === "string" && text.has(`${base}.${to}`)) return `${base}.${to}`;
  return base;
}

function params(item: TimelineItem, text: Text): Record<string, unknown> {
  const families = FAMILY[item.kind] ?? FAMILY[item.kind.split(".")[0] ?? ""] ?? {};
  const said: Record<string, unknown> = { ...item.payload };
  for (const [field, family] of Object.entries(families))
    if (typeof said[field] === "string") said[field] = text.code(family, said[field] as string);
  for (const field of ["until", "expires_at"]) if (typeof said[field] === "string") said[field] = text.moment(said[field] as string);
  for (const field of ["fields", "components"]) if (Array.isArray(said[field])) said[field] = (said[field] as unknown[]).join(", ");
  said.part_name = (text.language === "zh" && said.name_zh) || said.name_en || "";
  said.permit_name = (text.language === "zh" && said.permit_zh) || said.permit_en || "";
  said.asked = (text.language === "zh" && said.title_zh) || said.title_en || "";
  if (item.payload.reason_code && !said.reason) said.reason = text.code("work_reason", String(item.payload.reason_code));
  for (const field of OFTEN_EMPTY) if (said[field] === null || said[field] === undefined) said[field] = "";
  const why = item.payload.reason;
  if (typeof why === "string" && text.has(`why.${why}`)) said.reason = text.t(`why.${why}`);
  said.who = item.actor?.name || (item.actor?.kind ? text.code("actor", item.actor.kind) : text.t("actor.system"));
  said.number = item.work_order?.number ?? said.number ?? "";
  for (const field of ["technician", "assignee", "person", "serial", "device", "name", "metric", "reason", "outcome", "to", "until"])
    said[field] ??= "–";
  if (typeof item.payload.signature === "string")
    said.noticed = noticed({ signature: item.payload.signature, kind: item.payload.kind as string | undefined, layer: item.payload.layer as string | undefined }, text);
  else said.noticed = text.t("noticed.something");
  return said;
}

/** The work order's title: what a person typed, else what was noticed, else the stored code. */
export function orderTitle(order: Pick<WorkOrder, "title" | "title_text" | "noticed" | "kind" | "request">, text: Text): string {
  if (order.title_text) return order.title_text;
  if (order.noticed) return noticed({ ...order.noticed, kind: order.kind }, text);
  if (order.request) return order.request.text;
  const follow = order.title?.code === "follow_up" ? order.title.params[text.language === "zh" ? "title_zh" : "title_en"] : null;
  if (typeof follow === "string" && follow) return follow;
  const planned = order.title?.code === "plan" ? order.title.params[text.language === "zh" ? "name_zh" : "name_en"] : null;
  if (typeof planned === "string" && planned) return planned;
  if (order.title) return text.code("title", order.title.code, order.title.params);
  return text.t("title.untitled");
}
