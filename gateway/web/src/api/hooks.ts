/** Every question the pages ask, by name. */
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient, type UseMutationResult } from "@tanstack/react-query";

import { api, post, query } from "./client";
import type {
  AssetDetail,
  CustomerRequest,
  Device,
  DeviceDetail,
  Episode,
  Expected,
  Finding,
  FirstReading,
  Me,
  Overview,
  Page,
  Person,
  PredictedJob,
  QuarantineRow,
  Readings,
  Technician,
  TimelineItem,
  WorkOrder,
} from "./types";

export const useMe = () => useQuery({ queryKey: ["me"], queryFn: () => api<Me>("/me"), retry: false, staleTime: 60_000 });

export const useOverview = () =>
  useQuery({ queryKey: ["overview"], queryFn: () => api<Overview>("/overview"), refetchInterval: 10_000 });

export const useAsset = (id: string) =>
  useQuery({ queryKey: ["asset", id], queryFn: () => api<AssetDetail>(`/assets/${id}`), refetchInterval: 5_000 });

export const useTimeline = (id: string, limit = 30) =>
  useQuery({
    queryKey: ["timeline", id, limit],
    queryFn: () => api<Page<TimelineItem>>(`/assets/${id}/timeline${query({ limit })}`),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });

export type Span = { from?: string; to?: string; seconds?: number; end?: string | null };

/** A span with `seconds` moves along and ends now, or at `end`: a replayed machine lives in its own time. */
function bounds(span: Span): { from: string; to: string } {
  if (span.from && span.to) return { from: span.from, to: span.to };
  const to = span.end ? new Date(span.end).getTime() + 1000 : Date.now();
  return { from: new Date(to - (span.seconds ?? 3600) * 1000).toISOString(), to: new Date(to).toISOString() };
}

function spanEvery(span: Span): number | false {
  if (!span.seconds || span.end) return false;
  return span.seconds <= 3600 ? 3_000 : span.seconds <= 86_400 ? 20_000 : 60_000;
}

export function useReadings(asset: string, metric: string | null, span: Span, points = 400) {
  return useQuery({
    queryKey: ["readings", asset, metric, span, points],
    queryFn: () => api<Readings>(`/assets/${asset}/readings${query({ metric, ...bounds(span), points })}`),
    enabled: metric !== null,
    placeholderData: keepPreviousData,
    refetchInterval: spanEvery(span),
  });
}

export function useExpected(asset: string, metric: string | null, span: Span, points = 400) {
  return useQuery({
    queryKey: ["expected", asset, metric, span, points],
    queryFn: () => api<Expected>(`/assets/${asset}/expected${query({ metric, ...bounds(span), points })}`),
    enabled: metric !== null,
    placeholderData: keepPreviousData,
    refetchInterval: spanEvery(span),
    retry: false, // the overlay is a help, its absence no error
  });
}

export const useFindings = (asset: string) =>
  useQuery({
    queryKey: ["findings", asset],
    queryFn: () => api<Page<Finding>>(`/findings${query({ asset_id: asset, limit: 50 })}`),
    refetchInterval: 20_000,
  });

export const useEpisodes = (asset: string) =>
  useQuery({
    queryKey: ["episodes", asset],
    queryFn: () => api<Page<Episode>>(`/episodes${query({ asset_id: asset, limit: 100 })}`),
    refetchInterval: 20_000,
  });

export type WorkFilter = {
  sla?: string;
  open?: boolean;
  assignee?: string;
  origin?: string;
  number?: string;
  q?: string;
  asset_id?: string;
  state?: string;
  limit?: number; review?: string; sort?: string };

export const useWorkOrders = (filter: WorkFilter, enabled = true) =>
  useQuery({
    queryKey: ["work-orders", filter],
    queryFn: () => api<Page<WorkOrder>>(`/work-orders${query({ limit: 200, ...filter })}`),
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
    enabled,
  });

export const useWorkOrder = (id: string) =>
  useQuery({ queryKey: ["work-order", id], queryFn: () => api<WorkOrder>(`/work-orders/${id}`), refetchInterval: 15_000 });

export const usePredictedJobs = (state: string) =>
  useQuery({
    queryKey: ["predicted-jobs", state],
    queryFn: () => api<Page<PredictedJob>>(`/predicted-jobs${query({ state, limit: 100 })}`),
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  });

export const useRequests = (q?: string) =>
  useQuery({
    queryKey: q ? ["requests", q] : ["requests"],
    queryFn: () => api<Page<CustomerRequest>>(`/requests${query({ limit: 100, q })}`),
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  });

/** Page by page; a long list that somebody has opened further is not asked for again every few seconds. */
export const useDevices = () =>
  useInfiniteQuery({
    queryKey: ["devices"],
    queryFn: ({ pageParam }) => api<Page<Device>>(`/devices${query({ limit: 200, after: pageParam })}`),
    initialPageParam: "",
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: (held) => ((held.state.data?.pages.length ?? 0) > 2 ? 60_000 : 10_000),
  });

export const useDevice = (id: string) =>
  useQuery({ queryKey: ["device", id], queryFn: () => api<DeviceDetail>(`/devices/${id}`), refetchInterval: 10_000 });

export const useQuarantine = () =>
  useQuery({ queryKey: ["quarantine"], queryFn: () => api<Page<QuarantineRow>>(`/quarantine${query({ limit: 50 })}`) });

export const useFirstReading = (device: string | null) =>
  useQuery({
    queryKey: ["first-reading", device],
    queryFn: () => api<FirstReading>(`/devices/${device}/first-reading`),
    enabled: device !== null,
    refetchInterval: (state) => (state.state.data?.arrived ? false : 2_000),
  });

export const usePeople = () =>
  useQuery({ queryKey: ["people"], queryFn: () => api<Page<Person>>(`/people${query({ limit: 200 })}`) });

export const useTechnicians = (enabled = true) =>
  useQuery({ queryKey: ["technicians"], queryFn: () => api<Page<Technician>>("/technicians"), enabled });

/** POST to a path; afterwards everything that could show the change is asked again. */
export function useAct<T = unknown>(): UseMutationResult<T, Error, { path: string; body?: unknown; method?: string }> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ path, body, method }) =>
      method && method !== "POST" ? api<T>(path, { method, body }) : post<T>(path, body ?? {}),
    onSuccess: () => void client.invalidateQueries({ predicate: (held) => held.queryKey[0] !== "readings" }),
  });
}
