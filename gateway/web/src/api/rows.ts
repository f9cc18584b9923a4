/** Long lists page by page, single things, and the generated types of what the server gives. */
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient, useMutation, type InfiniteData, type UseInfiniteQueryResult } from "@tanstack/react-query";

import { api, query } from "./client";
import type { components } from "./schema";
import type { Me, Page } from "./types";

export type Schema = components["schemas"];
export type Asked = Record<string, string | number | boolean | null | undefined>;
export type Rows<T> = UseInfiniteQueryResult<InfiniteData<Page<T>>, Error>;

const PAGE = 50; // rows asked for at once: two screens
const STALE_MS = 10_000;

/** `family`: by which live changes find it, where it is not just any list. */
export const useRows = <T>(path: string, asked: Asked = {}, enabled = true, family = "rows"): Rows<T> =>
  useInfiniteQuery({
    queryKey: [family, path, asked],
    queryFn: ({ pageParam, signal }) => api<Page<T>>(`${path}${query({ limit: PAGE, ...asked, after: pageParam })}`, { signal }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    staleTime: STALE_MS,
    enabled,
  });

export const rowsOf = <T>(rows: Rows<T>): T[] => rows.data?.pages.flatMap((page) => page.items) ?? [];

/** One page of a list that is short, or of which the beginning is enough. */
export const useList = <T>(path: string, asked: Asked = {}, enabled = true) =>
  useQuery({ queryKey: ["list", path, asked], queryFn: () => api<Page<T>>(`${path}${query({ limit: 200, ...asked })}`), placeholderData: keepPreviousData, staleTime: STALE_MS, enabled });

export const useOne = <T>(path: string, enabled = true, every: number | false = false) =>
  useQuery({ queryKey: ["one", path], queryFn: ({ signal }) => api<T>(path, { signal }), enabled, refetchInterval: every });

export type Sent = { path: string; method?: string; body?: unknown; version?: number; key?: string };

/** Send once; afterwards everything that could show the change is asked again. */
export function useSend<T = unknown>() {
  const client = useQueryClient();
  return useMutation<T, Error, Sent>({
    mutationFn: ({ path, method = "POST", body, version, key }) => api<T>(path, { method, body: method === "DELETE" ? body : (body ?? {}), version, key }),
    onSuccess: () => void client.invalidateQueries({ predicate: (held) => held.queryKey[0] !== "readings" }),
  });
}

/** Whether the person's roles allow an action of the server's table. */
export const may = (me: Me, action: string): boolean => (me.actions ?? []).includes(action);
