/** The last answer to a question, kept on the phone: shown at once, also without a network. */
import { useQuery, type UseQueryResult } from "@tanstack/react-query";

import { api } from "../api/client";

const PREFIX = "forewarn.kept.";

function read<T>(path: string): { data: T; at: number } | undefined {
  try {
    const text = localStorage.getItem(PREFIX + path);
    return text ? (JSON.parse(text) as { data: T; at: number }) : undefined;
  } catch {
    return undefined;
  }
}

function keep<T>(path: string, data: T): T {
  try {
    localStorage.setItem(PREFIX + path, JSON.stringify({ data, at: Date.now() }));
  } catch {
    for (const name of Object.keys(localStorage)) if (name.startsWith(PREFIX)) localStorage.removeItem(name);
  }
  return data;
}

export function forgetKept(): void {
  for (const name of Object.keys(localStorage)) if (name.startsWith(PREFIX)) localStorage.removeItem(name);
}

export function useKept<T>(name: string[], path: string, everyMs = 15_000): UseQueryResult<T> {
  const held = read<T>(path);
  return useQuery({
    queryKey: [...name, path],
    queryFn: async () => keep(path, await api<T>(path)),
    initialData: held?.data as never,
    initialDataUpdatedAt: held?.at,
    refetchInterval: everyMs,
    networkMode: "always",
  });
}
