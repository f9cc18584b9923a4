/** How good the models are, by month and down to each work order; suppressors; budgets and caps. */
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import type { AssetRef, ModelRef, PersonRef } from "./alarms";
import { api, query } from "./client";
import type { Contribution, Page, WorkRef } from "./types";

export type Counts = {
  orders: number;
  answered: number;
  right: number;
  wrong: number;
  unanswered: number;
  neutral: number;
  precision: number | null;
  failures: number;
  preempted: number;
  late: number;
  missed: number;
  share_preempted: number | null;
  median_lead_s: number | null;
  p10_lead_s: number | null;
  asset_months: number;
  false_per_asset_month: number | null;
  accepted: number;
  dismissed: number;
  suppressed: number;
  audited: number;
  audited_right: number;
};
export type Month = Counts & { month: string };
export type ModelRow = { model: string; detector: string | null; asset_model: ModelRef | null; model_ids: string[]; figures: Counts; months: Month[] };
export type Performance = { from: string; until: string; horizon_s: number; min_lead_s: number; overall: ModelRow; items: ModelRow[] };

export type JudgedOrder = {
  work_order: WorkRef & { origin?: string };
  asset: AssetRef;
  opened_at: string;
  failed_at: string | null;
  lead_s: number | null;
  outcome: string | null;
  repair_code: string | null;
  verdict: string;
  failure: string | null;
  detector: string | null;
  caught_by: { id: string; number: string } | null;
};
export type Verdict = {
  predicted_job_id: string;
  finding_id: string | null;
  asset: AssetRef;
  verdict: string;
  reason: string | null;
  at: string;
  by: PersonRef | null;
  work_order: WorkRef | null;
};

export type Asked = { months: number; model: string; replayed: boolean };

export const usePerformance = (asked: Asked) =>
  useQuery({
    queryKey: ["model-performance", asked],
    queryFn: () => api<Performance>(`/model-performance${query({ months: asked.months, asset_model_id: asked.model, replayed: asked.replayed })}`),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });

export type Drilled = { model: string; months: number; month: string | null; figure: string; replayed: boolean };

export const useJudgedOrders = (asked: Drilled | null) =>
  useInfiniteQuery({
    queryKey: ["model-performance", "orders", asked],
    queryFn: ({ pageParam }) => api<Page<JudgedOrder>>(`/model-performance/work-orders${query({ ...asked, limit: 50, after: pageParam })}`),
    initialPageParam: "",
    getNextPageParam: (page) => page.next ?? undefined,
    enabled: asked !== null,
  });

export type HeldRow = {
  finding_id: string;
  asset: AssetRef;
  signature: string;
  detector: string;
  reason: string;
  result: string;
  ratio: number | null;
  suppressor_id: string | null;
  at: string;
  work_order: WorkRef | null;
  outcome: string | null;
};
export const HELD = ["suppressed", "audited", "broke_through"];

export const useHeldRows = (asked: Drilled) =>
  useQuery({
    queryKey: ["model-performance", "held-back", asked],
    queryFn: () =>
      api<Page<HeldRow>>(`/model-performance/held-back${query({ model: asked.model, month: asked.month, result: asked.figure, replayed: asked.replayed, limit: 100 })}`),
  });

const VERDICTS: Record<string, string> = { accepted: "accept", dismissed: "dismiss" };

export const useVerdicts = (asked: Drilled | null) =>
  useQuery({
    queryKey: ["model-performance", "verdicts", asked],
    queryFn: () => api<Page<Verdict>>(`/model-performance/verdicts${query({ model: asked?.model, month: asked?.month, verdict: VERDICTS[asked?.figure ?? ""] })}`),
    enabled: asked !== null && asked.figure in VERDICTS,
  });

export type Suppressor = {
  id: string;
  asset: AssetRef;
  origin: string;
  work_order: WorkRef | null;
  kind: string;
  detector: string;
  regime: string;
  contributions: Contribution[];
  severity: string;
  peak_ratio: number | null;
  breaks_at: number | null;
  created_at: string;
  expires_at: string;
  ended_at: string | null;
  ended_reason: string | null;
  ended_by: PersonRef | null;
  suppressed: number;
  audited: number;
  last_matched_at: string | null;
  active: boolean;
};
export type Match = { finding_id: string; first_at: string; last_at: string; cleared_at: string | null; ratio: number | null; at: string; result: string; work_order: WorkRef | null; outcome: string | null };

export const useSuppressors = (active: boolean) =>
  useQuery({
    queryKey: ["suppressors", active],
    queryFn: () => api<Page<Suppressor>>(`/suppressors${query({ active: active || undefined, limit: 200 })}`),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });

export const useMatches = (id: string) =>
  useQuery({ queryKey: ["suppressors", id, "matches"], queryFn: () => api<Page<Match>>(`/suppressors/${id}/matches?limit=50`) });

export type FeedbackSettings = {
  suppress_days: number;
  dismiss_days: number;
  audit_share: number;
  budget_per_month: number;
  daily_cap: number;
  failure_cost: number;
  visit_cost: number;
  currency: string;
  costs: { asset_model_id?: string | null; asset_id?: string | null; failure_cost: number; visit_cost?: number | null }[];
  inherited: boolean;
  version: number;
};
export const useFeedbackSettings = () => useQuery({ queryKey: ["feedback-settings"], queryFn: () => api<FeedbackSettings>("/feedback-settings") });

/** Save them, based on the version that is shown: who was slower is told so. */
export function useSaveFeedbackSettings() {
  const client = useQueryClient();
  return useMutation<FeedbackSettings, Error, FeedbackSettings>({
    mutationFn: ({ inherited: _, version, ...body }) => api("/feedback-settings", { method: "PUT", body, version }),
    onSuccess: () => void client.invalidateQueries({ predicate: (held) => held.queryKey[0] !== "readings" }),
  });
}

export type AlarmBudget = {
  level_factor: number;
  budget_per_month: number;
  orders: number;
  wrong: number;
  right: number;
  asset_months: number;
  own_rate: number | null;
  expected_rate: number | null;
  reason: { code: string; params: Record<string, unknown> };
};
export const useAlarmBudget = (asset: string) =>
  useQuery({ queryKey: ["asset", asset, "alarm-budget"], queryFn: () => api<AlarmBudget>(`/assets/${asset}/alarm-budget`), retry: false, staleTime: 60_000 });
