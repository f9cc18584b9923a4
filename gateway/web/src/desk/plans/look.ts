/** What several pages of plans share: their types, their colours, and where choices come from. */
import type { Schema } from "../../api/rows";
import type { Text } from "../../i18n/useText";
import type { Source } from "../../ui/Pick";
import type { Tone } from "../../ui/theme";

export type Plan = Schema["MaintenancePlanItem"];
export type Machine = Schema["MaintenancePlanMachine"];
export type Occurrence = Schema["OccurrenceItem"];
export type Round = Schema["InspectionRoundItem"];
export type Trigger = { kind: string; [name: string]: unknown };

export const PLAN_LOOK: Record<string, Tone> = { draft: "learning", active: "ok", paused: "watch", ended: "quiet" };
export const WORK_LOOK: Record<string, Tone> = { planned: "learning", released: "watch", done: "ok", skipped: "quiet", missed: "trouble", cancelled: "quiet", left_out: "quiet" };
export const ROUNDS: Source = { path: "/inspection-rounds", local: true, label: (row, language) => `${row.code} · ${said(row.name, language)}` };
export const CALENDARS: Source = { path: "/calendars", local: true, label: (row) => row.name };
export const SKILLS: Source = { path: "/skills", local: true, value: (row) => row.code };

/** A name in both languages, in the reader's where there is one. */
export function said(name: unknown, language: string): string {
  const both = (name ?? {}) as Record<string, string>;
  return (language === "zh" ? both.zh || both.en : both.en || both.zh) || "";
}

/** A local day (2026-03-01) as the reader writes it: no zone moves it. */
export const dayText = (day: string | null | undefined, text: Text): string => (day ? text.day(`${day}T12:00:00`) : "–");

/** The day of a moment where the reader is. */
export const isoDay = (at: Date): string => `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
