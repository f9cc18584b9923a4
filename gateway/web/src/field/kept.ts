/** The last answer to a question, kept on the phone: shown at once, also without a network. */
import { useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { liveQuery } from "dexie";
import { useEffect } from "react";

import { api } from "../api/client";
import type { Me } from "../api/types";
import { forgetKept, store, type Kept } from "./store";

const ME = "/me";

const held = new Map<string, Kept>();
const listeners = new Set<(changed: Kept[]) => void>();

/** Read all that is kept, and follow it: another tab and the service worker write there too. */
export function followKept(): Promise<void> {
  return new Promise((resolve) => {
    liveQuery(() => store.kept.toArray()).subscribe({
      next: (rows) => (take(rows), resolve()),
      error: () => resolve(), // no storage: nothing is kept, everything else works
    });
  });
}

function take(rows: Kept[]): void {
  const changed = rows.filter((row) => row.at > (held.get(row.path)?.at ?? 0));
  held.clear();
  for (const row of rows) held.set(row.path, row);
  for (const listener of listeners) listener(changed);
}

async function keep<T>(path: string, data: T, at: number): Promise<T> {
  if (path === ME) await changeHands(data as Me);
  const row = { path, data, at }; // as old as the question: what changed since is not in it
  held.set(path, row);
  await store.kept.put(row).catch(() => undefined); // a full store: shown all the same
  return data;
}

/** Another person signed in on this phone: nothing of the one before is shown to them. */
export async function changeHands(me: Me): Promise<void> {
  const before = held.get(ME)?.data as Me | undefined;
  if (before && before.person?.id !== me.person?.id) {
    held.clear();
    await forgetKept();
  }
}

export async function forgetAll(): Promise<void> {
  held.clear();
  await forgetKept().catch(() => undefined);
}

export const keptAt = (path: string): number => held.get(path)?.at ?? 0;

/** Ask and keep, without showing: what a job needs is there before the network goes. */
export async function fetchAhead<T>(path: string): Promise<T> {
  const at = Date.now();
  return keep(path, await api<T>(path), at);
}

export function useKept<T>(name: string[], path: string, everyMs = 15_000, enabled = true): UseQueryResult<T> {
  const client = useQueryClient();
  const key = [...name, path];
  useEffect(() => {
    const listener = (changed: Kept[]) => {
      const row = changed.find((one) => one.path === path);
      const shown = client.getQueryState(key)?.dataUpdatedAt ?? 0;
      if (row && row.at > shown) client.setQueryData(key, row.data, { updatedAt: row.at });
    };
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, [client, path]); // the key follows from the path
  const row = held.get(path);
  return useQuery({
    queryKey: key,
    queryFn: () => fetchAhead<T>(path),
    initialData: row?.data as never,
    initialDataUpdatedAt: row?.at,
    refetchInterval: everyMs,
    networkMode: "always",
    enabled,
  });
}
