/** Why something was noticed: sentences, the stored snapshot, similar past orders; and how long a machine may last. */
import { useMutation, useQuery } from "@tanstack/react-query";

import type { AssetRef } from "./alarms";
import { api, post } from "./client";
import type { Said } from "./models";
import type { Contribution, Page, WorkRef } from "./types";

export type Snapshot = { ref: string; made_at: string; rows: number; bytes: number; digest: string; same_versions: boolean };
export type Explanation = {
  finding_id: string;
  asset: AssetRef;
  lines: Said[];
  contributions: Contribution[];
  since: string;
  regime: { code: string; en: string; zh: string } | null;
  model: { model_id: string; id: string | null; name: string | null; version: number | null; learned: { rows: number | null; since: string | null; until: string | null } | null };
  snapshot: Snapshot | null;
};
export type Reproduced = {
  reproduced: boolean;
  code: string;
  en: string;
  zh: string;
  differences: { field: string; stored: unknown; recomputed: unknown }[];
};
export type SimilarOrder = {
  work_order: WorkRef;
  asset: AssetRef;
  same_asset: boolean;
  opened_at: string;
  closed_at: string | null;
  outcome: string | null;
  repair_code: string | null;
  note: string | null;
  similarity: number;
  shared: string[];
};
export type RemainingLife = {
  state: string;
  reason: Said | null;
  at: string | null;
  life_s: number | null;
  low_s: number | null;
  high_s: number | null;
  coverage: number;
  p_within: { seconds: number; p: number }[];
  model_id: string | null;
};

const STEADY_MS = 300_000; // what was stored with a finding does not change

export const useExplanation = (finding: string | null) =>
  useQuery({ queryKey: ["explanation", finding], queryFn: () => api<Explanation>(`/findings/${finding}/explanation`), enabled: finding !== null, staleTime: STEADY_MS, retry: 1 });

export const useSimilar = (order: string) =>
  useQuery({ queryKey: ["work-order", order, "similar"], queryFn: () => api<Page<SimilarOrder>>(`/work-orders/${order}/similar`), staleTime: STEADY_MS, retry: 1 });

export const useReproduce = () => useMutation({ mutationFn: (finding: string) => post<Reproduced>(`/findings/${finding}/reproduce`) });

export const useRemainingLife = (asset: string) =>
  useQuery({ queryKey: ["asset", asset, "remaining-life"], queryFn: () => api<RemainingLife>(`/assets/${asset}/remaining-life`), refetchInterval: 60_000, retry: false });
