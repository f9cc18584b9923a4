/** What decides whether a finding becomes work: policies, their replay on history, windows, on-call lists. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import type { AssetRef, ModelRef, PersonRef } from "./alarms";
import { api, post, query } from "./client";
import type { Language, Page, Severity } from "./types";

export type Value = number | boolean | string[] | null;
export const KINDS = ["machine", "sensor", "connection"] as const;
export type Kind = (typeof KINDS)[number];
export type Settings = { [field: string]: Value | Partial<Record<Kind, Record<string, Value>>> | undefined };
export type Field = { name: string; kind: string; low: number | null; high: number | null; nullable: boolean; default: unknown };
export type LastReplay = { at: string; from: string; to: string; work_orders: number; true: number; false: number; unknown: number };

export type Policy = {
  id: string;
  name: string;
  asset_model: ModelRef | null;
  settings: Record<string, unknown>;
  enabled: boolean;
  version: number;
  updated_at: string | null;
  last_replay: LastReplay | null;
};
export type Policies = { items: Policy[]; defaults: Record<string, Record<string, unknown>>; fields: Field[] };

export type Outcome = {
  work_orders: number;
  true: number;
  false: number;
  unknown: number;
  held_back: Record<string, number>;
  watched: number;
  false_per_asset_month: number | null;
};
export type ReplayedOrder = {
  asset: AssetRef;
  kind: string;
  key: string;
  opened_at: string;
  title: { code: string; params: Record<string, unknown> };
  signature: string;
  severity: Severity;
  verdict: "true" | "false" | "unknown";
  why: { code: string; params: Record<string, unknown> };
  work_order: { id: string; number: string; outcome: string | null } | null;
  also: boolean; // whether the other policies would have opened it too
};
export type Replay = {
  from: string;
  to: string;
  assets: number;
  asset_months: number;
  findings: number;
  draft: Outcome;
  in_force: Outcome;
  orders: ReplayedOrder[];
  lost: ReplayedOrder[];
};

export type Draft = { name: string; asset_model_id: string | null; settings: Settings };

export const usePolicies = () => useQuery({ queryKey: ["policies"], queryFn: () => api<Policies>("/policies") });

export const useReplay = () =>
  useMutation({
    mutationFn: (asked: { draft: Draft; policy: string | null; from: string; to: string }) =>
      post<Replay>("/policies/replay", { ...asked.draft, policy_id: asked.policy, from: asked.from, to: asked.to }),
  });

export function useSavePolicy() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wanted: { draft: Draft; policy: Policy | null }) =>
      wanted.policy
        ? api<Policy>(`/policies/${wanted.policy.id}`, { method: "PUT", body: { ...wanted.draft, enabled: wanted.policy.enabled }, version: wanted.policy.version })
        : post<Policy>("/policies", { ...wanted.draft, enabled: false }),
    onSuccess: (made) => {
      // The page of the new policy opens at once and finds it here.
      client.setQueryData<Policies>(["policies"], (held) => held && { ...held, items: [made, ...held.items.filter((one) => one.id !== made.id)] });
      void client.invalidateQueries({ queryKey: ["policies"] });
    },
  });
}

export type Hours = Record<string, [string, string][]>;
export type Window = {
  id: string;
  name: string;
  scope: { kind: string; id: string | null; name: string | null };
  starts_at: string;
  ends_at: string | null;
  hours: Record<string, string[][]> | null;
  time_zone: string | null;
  active: boolean;
  next_start_at: string | null;
  next_end_at: string | null;
  note: string | null;
};

export const useWindows = (asset?: string) =>
  useQuery({
    queryKey: ["maintenance-windows", asset ?? ""],
    queryFn: () => api<Page<Window>>(`/maintenance-windows${query({ asset_id: asset, active: asset ? true : undefined, limit: 200 })}`),
    refetchInterval: 60_000,
  });

export type OnCallList = {
  id: string;
  name: string;
  site_id: string | null;
  asset_model_id: string | null;
  min_severity: Severity;
  working_hours: Record<string, string[][]>;
  time_zone: string;
  always: boolean;
  holds_now: boolean;
  steps: { person: PersonRef | null; wait_s: number }[];
  enabled: boolean;
};

export const useOnCall = () => useQuery({ queryKey: ["on-call"], queryFn: () => api<Page<OnCallList>>("/on-call-lists?limit=100") });

/** Of the catalogue: an asset model or a site. */
export type Named = { id: string; name: string; name_zh?: string | null };
export const named = (one: Named, language: Language): string => (language === "zh" && one.name_zh) || one.name;
export const useSites = () => useQuery({ queryKey: ["sites"], queryFn: () => api<Page<Named>>("/sites?limit=200"), staleTime: 60_000 });
export const useAssetModels = () => useQuery({ queryKey: ["asset-models"], queryFn: () => api<Page<Named>>("/asset-models?limit=200"), staleTime: 60_000 });
