/** Mappings: how messages on any topic become readings. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, post } from "./client";
import type { Page } from "./types";

export type Place = { fixed?: string; level?: number; path?: string; lookup?: Record<string, string> };
export type ValueRule = {
  metric: string | Place;
  path?: string;
  unit?: string;
  scale?: number;
  offset?: number;
  lookup?: Record<string, number | boolean | string>;
  as?: "number" | "text" | "boolean";
};
export type Rules = {
  payload?: "json" | "text";
  each?: string;
  asset?: Place;
  time?: { path: string; format: string; zone?: string };
  values: ValueRule[];
  quality?: { path: string; lookup: Record<string, string> };
};

export type Mapping = {
  id: string;
  name: string;
  topic_filter: string;
  username: string;
  enabled: boolean;
  rules: Rules;
  version: number;
  created_at: string;
  last_received_at: string | null;
  received: number;
  stored: number;
  problems: number;
  device_id: string;
};
export type NewMapping = Mapping & { password: string };

export type Tried = {
  device: string | null;
  samples: { asset: string | null; t: string; values: { metric: string; value: number | string | boolean; unit: string | null; quality: string }[] }[];
  more: number;
  problems: { reason: string; detail: string; path: string | null; samples: number }[];
};
export type Heard = { topic: string; payload: string; received_at: string };
export type Trial = { topic: string; payload: string; topic_filter: string; rules: Rules };

export const useMappings = () =>
  useQuery({ queryKey: ["mappings"], queryFn: () => api<Page<Mapping>>("/mappings?limit=200"), refetchInterval: 10_000 });

export const useMapping = (id: string | null) =>
  useQuery({ queryKey: ["mapping", id], queryFn: () => api<Mapping>(`/mappings/${id}`), enabled: id !== null, refetchInterval: 10_000 });

export const useHeard = (id: string | null) =>
  useQuery({
    queryKey: ["mapping", id, "recent"],
    queryFn: () => api<{ items: Heard[] }>(`/mappings/${id}/recent`),
    enabled: id !== null,
    refetchInterval: 5_000,
  });

/** What the rules make of a sample; asked anew whenever either changes. */
export const useTrial = (trial: Trial | null) =>
  useQuery({
    queryKey: ["try", trial],
    queryFn: ({ signal }) => api<Tried>("/mappings/try", { method: "POST", body: trial, signal }),
    enabled: trial !== null,
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 30_000,
  });

export function useSaveMapping() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wanted: { id: string | null; version?: number; body: Record<string, unknown>; key?: string }) =>
      wanted.id === null
        ? post<NewMapping>("/mappings", wanted.body, wanted.key)
        : api<Mapping>(`/mappings/${wanted.id}`, { method: "PATCH", body: wanted.body, version: wanted.version }),
    onSuccess: (saved) => {
      client.setQueryData(["mapping", saved.id], saved);
      void client.invalidateQueries({ queryKey: ["mappings"] });
    },
  });
}

export function useRemoveMapping() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api<void>(`/mappings/${id}`, { method: "DELETE" }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["mappings"] }),
  });
}
