/** What the pages of planning share: weeks, hours, colours of load. */
import type { Schema } from "../../api/rows";
import type { Text } from "../../i18n/useText";

export type Year = Schema["YearAhead"];
export type Row = Schema["YearRow"];
export type Cell = Schema["YearCell"];
export type Work = Schema["YearWork"];
export type Tried = Schema["TriedOut"];
export type Draft = Schema["DraftItem"];
export type DraftDetail = Schema["DraftDetail"];
/** Where a piece was seen, and where it shall go. */
export type Move = { work: { id: string; asset: string; plan: string; at: string }; to: string };

const DAY_MS = 86_400_000;

export const weeksBetween = (from: string, to: string): number => Math.round((Date.parse(to) - Date.parse(from)) / (7 * DAY_MS));
export const shifted = (at: string, days: number): string => { const when = new Date(at); when.setDate(when.getDate() + days); return when.toISOString(); };
export const mondayOf = (iso: string): string => { const when = new Date(`${iso.slice(0, 10)}T12:00:00Z`); when.setUTCDate(when.getUTCDate() - ((when.getUTCDay() + 6) % 7)); return when.toISOString().slice(0, 10); };

export const hoursOf = (minutes: number, text: Text): string => text.t("planning.hours", { value: text.number(minutes / 60, minutes < 600 ? 1 : 0) });

/** Load against capacity; without capacity against the busiest week of the row. */
export function heat(cell: Cell, busiest: number): { background: string; color: string } {
  if (cell.minutes === 0 && cell.jobs === 0) return { background: "transparent", color: "var(--muted)" };
  const known = cell.capacity !== null && cell.capacity !== undefined;
  const share = known ? (cell.capacity! > 0 ? cell.minutes / cell.capacity! : 9) : busiest > 0 ? cell.minutes / busiest : 0;
  if (known && share > 1) return { background: "#c0392b", color: "#fff" };
  if (known && share > 0.85) return { background: "#f0b429", color: "#3d2b00" };
  return { background: `rgba(29, 116, 112, ${0.14 + 0.5 * Math.min(1, share)})`, color: "var(--ink)" };
}

export function cellWords(cell: Cell, text: Text): string {
  const parts = [text.t("planning.week_of", { day: text.day(`${cell.week}T12:00:00`) }), text.t("planning.jobs", { count: cell.jobs }), hoursOf(cell.minutes, text)];
  if (cell.capacity !== null && cell.capacity !== undefined) parts.push(text.t("planning.of_capacity", { hours: hoursOf(cell.capacity, text) }));
  if (cell.predicted > 0) parts.push(text.t("planning.predicted", { count: cell.predicted }));
  if (cell.unknown > 0) parts.push(text.t("planning.unknown", { count: cell.unknown }));
  return parts.join(" · ");
}
