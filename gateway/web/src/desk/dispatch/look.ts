/** What the pages of dispatch share: the board's rows, how visits look, and the days that are shown. */
import { useQuery, keepPreviousData } from "@tanstack/react-query";

import { api, query } from "../../api/client";
import type { Schema } from "../../api/rows";
import type { Text } from "../../i18n/useText";

export type Board = Schema["Board"];
export type Bar = Schema["VisitBar"];
export type Bench = Schema["Bench"];
export type Waiting = Schema["Unassigned"];
export type Moved = Schema["MoveResult"];
export type Plan = Schema["PlanItem"];
export type PlanDetail = Schema["PlanDetail"];

/** A day or a week that begins at the reader's midnight. */
export type Days = { first: Date; count: number };

export const midnight = (at: Date): Date => new Date(at.getFullYear(), at.getMonth(), at.getDate());
export const plus = (at: Date, days: number): Date => new Date(at.getFullYear(), at.getMonth(), at.getDate() + days);
export const asked = (days: Days, team: string | null = null) => ({ from: days.first.toISOString(), until: plus(days.first, days.count).toISOString(), team_id: team ?? undefined });

export const useBoard = (days: Days, team: string | null) =>
  useQuery({ queryKey: ["dispatch", "board", asked(days, team)], queryFn: ({ signal }) => api<Board>(`/dispatch/board${query(asked(days, team))}`, { signal }), placeholderData: keepPreviousData, refetchInterval: 60_000 });

export const useBench = (days: Days, team: string | null) =>
  useQuery({ queryKey: ["dispatch", "bench", asked(days, team)], queryFn: ({ signal }) => api<Bench>(`/dispatch/unassigned${query(asked(days, team))}`, { signal }), placeholderData: keepPreviousData, refetchInterval: 60_000 });

/** Colours of a visit: by priority while it waits, by state once somebody set out. */
export function colours(bar: Bar): { fill: string; ink: string } {
  if (["completed", "partially_completed"].includes(bar.state)) return { fill: "#e4e9ec", ink: "#4a5a63" };
  if (bar.state === "cannot_complete") return { fill: "#f6dedc", ink: "#8c1d18" };
  if (bar.state !== "scheduled") return { fill: "#1d7470", ink: "#ffffff" };
  if (bar.priority === "urgent") return { fill: "#b3261e", ink: "#ffffff" };
  if (bar.priority === "high") return { fill: "#f3d9a8", ink: "#5f3b00" };
  return { fill: "#cfe3ee", ink: "#123d52" };
}

type Titled = { title: { code: string; params: Record<string, unknown> }; title_text?: string | null };

/** What an order is about; its machine stands beside it, and is not said twice. */
export function nameOf(order: Titled, text: Text): string {
  if (order.title_text) return order.title_text;
  const { code, params } = order.title;
  const seen = `noticed.${code.replace(/^noticed_/, "")}`;
  const metric = params[text.language === "zh" ? "label_zh" : "label_en"];
  if (code.startsWith("noticed_") && metric && text.has(seen)) return text.t(seen, { ...params, metric });
  const follow = params[text.language === "zh" ? "title_zh" : "title_en"];
  return code === "follow_up" && follow ? String(follow) : text.code("title", code, params);
}

export const sign = (cost: number, text: Text): string => `${cost > 0 ? "+" : cost < 0 ? "−" : "±"}${text.number(Math.abs(cost), 0)}`;
