/** Which kept answers an operation changes: they are read again when it has arrived. */
import { FREE, MINE, pathOf, type Entry } from "./store";

export const proceduresPath = (order: string): string => `/work-orders/${order}/procedures`;
export const linesPath = (order: string): string => `/work-orders/${order}/lines`;
export const evidencePath = (order: string): string => `/evidence?work_order_id=${order}`;
export const picksPath = (order: string): string => `/work-orders/${order}/outcome-picks`;
export const fixesPath = (order: string): string => `/work-orders/${order}/last-fixes`;
export const helpPath = (order: string): string => `/help-requests?work_order_id=${order}`;
export const threadPath = (one: string): string => `/cases/${one}/messages?limit=200`;
export const previewPath = (order: string, language: string): string => `/work-orders/${order}/report-preview?language=${language}`;
export const signaturePath = (order: string): string => `/work-orders/${order}/signature`;

const LISTS = ["order.accept", "visit.move", "order.finish", "order.document", "order.hold"];

export function concerned(entry: Pick<Entry, "kind" | "order" | "subject">): string[] {
  const { kind, order, subject } = entry;
  if (kind === "message.post") return [threadPath(subject.id)];
  if (kind === "procedure.answer" || kind === "permit.enter") return [proceduresPath(order), pathOf(order)];
  if (kind.startsWith("line.")) return [linesPath(order)];
  if (kind.startsWith("help.")) return [helpPath(order)];
  if (kind === "stock.move") return [`${pathOf(order)}/parts`];
  if (subject.kind === "asset") return [`/assets/${subject.id}`];
  if (kind === "meter.read") return [];
  if (kind.startsWith("evidence.")) return [evidencePath(order)];
  if (kind === "signature.add") return [signaturePath(order), pathOf(order)];
  return [pathOf(order), ...(LISTS.includes(kind) ? [MINE, FREE, linesPath(order)] : [])];
}
