/** The four figures of a model: value, how it is written, and which work orders lie behind it. */
import { HELD, type Counts } from "../../api/performance";
import { duration } from "../../i18n/format";
import type { Text } from "../../i18n/useText";

export type Figure = {
  name: "precision" | "preempted" | "lead" | "false";
  value: (counts: Counts) => number | null;
  drill: string; // what is listed first
  parts: string[]; // what can be listed
};

export const FIGURES: Figure[] = [
  { name: "precision", value: (counts) => counts.precision, drill: "right", parts: ["right", "wrong", "unanswered", "neutral"] },
  { name: "preempted", value: (counts) => counts.share_preempted, drill: "preempted", parts: ["preempted", "late", "missed"] },
  { name: "lead", value: (counts) => counts.median_lead_s, drill: "preempted", parts: ["preempted", "late"] },
  { name: "false", value: (counts) => counts.false_per_asset_month, drill: "wrong", parts: ["wrong", "right", "unanswered"] },
];

export function figureText(figure: Figure, counts: Counts, text: Text): string {
  const value = figure.value(counts);
  if (value === null) return "–";
  if (figure.name === "lead") return duration(value, text.language);
  return figure.name === "false" ? text.number(value, value < 1 ? 2 : 1) : text.percent(value);
}

/** Which lists belong together in the drawer. */
export function partsOf(figure: string): string[] {
  if (figure === "accepted" || figure === "dismissed") return ["accepted", "dismissed"];
  if (HELD.includes(figure)) return HELD;
  if (figure === "orders") return ["orders", "right", "wrong", "unanswered", "neutral"];
  if (["preempted", "late", "missed", "failures"].includes(figure)) return ["preempted", "late", "missed"];
  return ["orders", "right", "wrong", "unanswered", "neutral"];
}
