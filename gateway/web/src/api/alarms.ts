/** Alarms (episodes in their ISA-18.2 states), what holds them back, and who is told. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api, query } from "./client";
import type { Contribution, Finding, Page, Severity, WorkRef } from "./types";

export type AlarmState =
  | "normal"
  | "unacknowledged"
  | "acknowledged"
  | "returned_unacknowledged"
  | "shelved"
  | "suppressed_by_design"
  | "out_of_service";

export type PersonRef = { id: string; name: string };
export type AssetRef = { id: string; name: string; serial: string };
export type ModelRef = { id: string; code: string; name_en: string; name_zh: string };
export type Hold = { id: string; kind: string; until: string | null; reason: string; by: PersonRef | null };

export type Alarm = {
  id: string;
  asset: AssetRef;
  kind: string;
  key: string;
  severity: Severity;
  signature: string;
  layer: string;
  contributions: Contribution[];
  opened_at: string;
  last_seen_at: string;
  cleared_at: string | null;
  closed_at: string | null;
  state: string;
  count: number;
  peak: number;
  recurrence_no: number;
  outcome: string | null;
  replayed: boolean;
  work_order: WorkRef | null;
  alarm_state: AlarmState;
  acknowledged_at: string | null;
  acknowledged_by: PersonRef | null;
  failure_mode: ModelRef | null;
  readings: number | null;
  hold: Hold | null;
  escalation: { step: number; of: number; round: number; next_at: string | null; state: string } | null;
  legal: string[];
};

export type AlarmDetail = Alarm & {
  evidence: { finding_id: string; detector: string; signature: string; first_at: string; last_at: string; cleared_at: string | null; peak: number; severity: Severity }[];
  affected: { asset: AssetRef; finding_id: string; signature: string; reason: string; since: string }[];
  notifications: { person: PersonRef | null; at: string; state: string; channel: string; step: number; round: number }[];
};

export type AlarmHold = {
  id: string;
  asset: AssetRef;
  key: string | null;
  kind: string;
  since: string;
  until: string | null;
  reason: string;
  by: PersonRef | null;
  ended_at: string | null;
};

export type Told = {
  id: string;
  at: string;
  state: string;
  channel: string;
  person: PersonRef | null;
  text: { code: string; params: Record<string, unknown> };
  episode_id: string | null;
  asset: AssetRef | null;
  acknowledged_at: string | null;
  closed_at: string | null;
};

const EVERY_MS = 15_000;

export const useAlarms = (open: boolean, enabled = true) =>
  useQuery({
    queryKey: ["episodes", "alarms", open],
    queryFn: () => api<Page<Alarm>>(`/episodes${query({ open, limit: 200 })}`),
    placeholderData: keepPreviousData,
    refetchInterval: EVERY_MS,
    enabled,
  });

export const useAlarm = (id: string | null) =>
  useQuery({ queryKey: ["episodes", "alarm", id], queryFn: () => api<AlarmDetail>(`/episodes/${id}`), enabled: id !== null, refetchInterval: EVERY_MS });

/** Findings that a rule held back while their evidence lasts. */
export const useHeldBack = (asset?: string) =>
  useQuery({
    queryKey: ["findings", "held-back", asset ?? ""],
    queryFn: () => api<Page<Finding>>(`/findings${query({ decision: "suppress", open: true, asset_id: asset, limit: 200 })}`),
    refetchInterval: EVERY_MS,
  });

export const useHolds = (asset?: string) =>
  useQuery({
    queryKey: ["alarm-holds", asset ?? ""],
    queryFn: () => api<Page<AlarmHold>>(`/alarm-holds${query({ active: true, asset_id: asset, limit: 100 })}`),
    refetchInterval: 30_000,
  });

/** What was sent to me and not yet acknowledged by anybody. */
export const useTold = () =>
  useQuery({ queryKey: ["notifications"], queryFn: () => api<Page<Told>>(`/notifications${query({ mine: true, limit: 20 })}`), refetchInterval: 30_000, retry: false });
