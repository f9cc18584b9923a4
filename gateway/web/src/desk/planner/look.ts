/** What the pages of predicted jobs share: types, money, spans of days. */
import type { Schema } from "../../api/rows";
import type { PredictedJob } from "../../api/types";
import type { Text } from "../../i18n/useText";

export type Job = PredictedJob & Pick<Schema["PlannerJobItem"], "key" | "life" | "waiting" | "decision">;
export type Waiting = Schema["WaitingItem"];
export type Decision = Schema["DeskDecisionItem"];

export function money(value: number | null | undefined, currency: string | null | undefined, text: Text): string {
  if (value === null || value === undefined) return "–";
  const small = Math.abs(value) < 100 && value % 1 !== 0;
  return `${text.number(value, small ? 2 : 0)} ${currency ?? ""}`.trim();
}

/** What waiting costs more, in words: dearer, cheaper, or why nobody can say. */
export function extraWords(one: Waiting, text: Text): string {
  if (one.extra === null || one.extra === undefined) return text.t(`planner.no_estimate.${one.reason ?? "no_costs"}`, one.params as Record<string, unknown>);
  return text.t(one.extra >= 0 ? "planner.waiting_costs" : "planner.waiting_saves", { amount: money(Math.abs(one.extra), one.currency, text), days: text.number(one.days, one.days < 10 ? 1 : 0) });
}

export const lifeDays = (days: number | null | undefined, text: Text): string => (days === null || days === undefined ? "–" : text.t("planner.days", { value: text.number(days, days < 10 ? 1 : 0) }));

/** The start of the local day so many days ahead, as a date field shows it. */
export function dayAhead(days: number): string {
  const at = new Date(Date.now() + days * 86_400_000);
  return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
}
