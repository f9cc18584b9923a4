/** Trained models: their cards, shadow scoring against the champion, roll back; and what training said. */
import { useQuery } from "@tanstack/react-query";

import type { AssetRef, ModelRef } from "./alarms";
import { api, query } from "./client";
import type { Line, Page } from "./types";

/** Texts that the server renders in both languages. */
export type Said = Line;
export type Figures = Record<string, unknown>;

/** An asset model that may have gone since. */
export type TrainedFor = Omit<ModelRef, "id"> & { id: string | null };

export type StoredModel = {
  id: string;
  name: string;
  kind: string;
  version: number;
  state: string;
  state_since: string;
  state_reason: Said;
  asset_models: TrainedFor[];
  failure_kind: string | null;
  digest: string;
  size_bytes: number;
  content: string;
  parent_id: string | null;
  created_at: string;
  figures: Figures;
  pinned: boolean;
};

export type ModelDetail = StoredModel & {
  card: Record<string, unknown>;
  used_by: { findings: number; work_orders: number };
  history: { at: string; state: string; reason: Said; by: string | null }[];
  can: { rollback: boolean; promote: boolean; forget: boolean };
};

export type Verified = { id: string; ok: boolean; digest: string; found_digest: string | null; problem: Said | null };

export type ShadowFigures = { recall: number | null; caught: number; incidents: number; false: number; false_per_asset_month: number | null };
export type Shadow = {
  challenger: StoredModel;
  champion: StoredModel | null;
  since: string | null;
  until: string;
  asset_months: number;
  enough: boolean;
  figures: { challenger: ShadowFigures; champion: ShadowFigures | null };
  budget_per_month: number;
  verdict: Said;
  orders: { asset: AssetRef; opened_at: string; cleared_at: string | null; by: string; judged: string }[];
};

export type TrainingRun = {
  id: string;
  started_at: string;
  finished_at: string | null;
  asset_models: ModelRef[];
  incidents: number;
  assets: number;
  outcomes: (Said & { what: string; model_id: string | null })[];
};

export const useModels = (state: string) =>
  useQuery({ queryKey: ["models", state], queryFn: () => api<Page<StoredModel>>(`/models${query({ state: state === "all" ? "" : state, limit: 200 })}`), refetchInterval: 60_000 });

export const useModel = (id: string) => useQuery({ queryKey: ["model", id], queryFn: () => api<ModelDetail>(`/models/${id}`), refetchInterval: 60_000 });

export const useShadow = (id: string, enabled: boolean) =>
  useQuery({ queryKey: ["model", id, "shadow"], queryFn: () => api<Shadow>(`/models/${id}/shadow`), enabled, retry: false });

export const useTrainingRuns = () =>
  useQuery({ queryKey: ["training-runs"], queryFn: () => api<Page<TrainingRun>>("/training-runs?limit=50"), refetchInterval: 20_000 });
