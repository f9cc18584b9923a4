/** Time, travel and expenses of a job with what waits on the phone in them. */
import type { Entry, Somebody } from "../store";

export type Line = { id: string; kind: string; category: string; source: string; person: Somebody | null; day: string; minutes: number | null; kilometres: number | null; amount: number | string | null; currency: string | null; note: string | null; state: string; decision_reason: string | null; evidence_ids: string[]; started_at?: string | null; ended_at?: string | null; visit_id?: string | null; waits?: boolean };

export const CATEGORIES: Record<string, string[]> = {
  labour: ["normal", "overtime", "night", "holiday", "standby"],
  travel: ["drive", "public_transport", "flight", "on_foot", "other"],
  expense: ["toll", "parking", "fuel", "accommodation", "meal", "material", "tool_hire", "other"],
};

const localDay = (at: Date): string => `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;

function from(entry: Entry, me: Somebody, before?: Line): Line {
  const { body } = entry;
  const minutes = typeof body.minutes === "number" ? body.minutes : body.started_at && body.ended_at ? Math.max(1, Math.round((Date.parse(String(body.ended_at)) - Date.parse(String(body.started_at))) / 60_000)) : null;
  const plain = { category: CATEGORIES[String(body.kind ?? before?.kind)]?.[0] ?? "other", kilometres: null, amount: null, currency: null, note: null, decision_reason: null, ...before };
  const given = Object.fromEntries(Object.entries(body).filter(([name, value]) => name !== "line_id" && value !== undefined));
  return { ...plain, person: before?.person ?? me, source: "person", state: "recorded", day: before && !body.started_at ? before.day : localDay(new Date(String(body.started_at ?? entry.at))), ...given, id: String(body.line_id), kind: String(body.kind ?? before?.kind), minutes, evidence_ids: (body.evidence_ids as string[] | undefined) ?? before?.evidence_ids ?? [], waits: entry.sent === null } as Line;
}

export function withMine(lines: Line[], held: Entry[], order: string, me: Somebody): Line[] {
  let shown = lines;
  for (const entry of held) {
    if (entry.order !== order || entry.person.id !== me.id || entry.problem) continue;
    const id = String(entry.body.line_id);
    if (entry.kind === "line.add" && !shown.some((line) => line.id === id)) shown = [...shown, from(entry, me)];
    if (entry.kind === "line.change") shown = shown.map((line) => (line.id === id ? from(entry, me, line) : line));
    if (entry.kind === "line.remove") shown = shown.filter((line) => line.id !== id);
  }
  return shown;
}

/** Minutes, kilometres and money of what counts. */
export function totals(lines: Line[]): { labour: number; travel: number; kilometres: number; money: Record<string, number> } {
  const sum = { labour: 0, travel: 0, kilometres: 0, money: {} as Record<string, number> };
  for (const line of lines) {
    if (line.state === "rejected") continue;
    if (line.kind === "labour") sum.labour += line.minutes ?? 0;
    if (line.kind === "travel") { sum.travel += line.minutes ?? 0; sum.kilometres += Number(line.kilometres ?? 0); }
    if (line.kind === "expense" && line.currency) sum.money[line.currency] = (sum.money[line.currency] ?? 0) + Number(line.amount ?? 0);
  }
  return sum;
}
