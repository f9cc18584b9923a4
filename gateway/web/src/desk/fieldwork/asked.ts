/** What the pages about the field ask for, and what the menu counts of it. */
import { useQuery } from "@tanstack/react-query";

import { api, query } from "../../api/client";
import { may, useList, type Schema } from "../../api/rows";
import type { Me, Page } from "../../api/types";

export type Photo = Schema["gateway__api__evidence__EvidenceItem"];
export type Call = Schema["HelpItem"];
export type Sent = Schema["OperationItem"];
export type PartLine = { part_id?: string | null; part_number?: string | null; text?: string | null; quantity?: number | null; part?: { id: string; number: string; name_en: string; name_zh: string; unit: string } | null };

const EVERY_MS = 60_000;
const MOST = 100; // counted no further

export const isAlive = (call: Call): boolean => call.state === "open" || call.state === "taken";

/** Calls that nobody has taken, and what phones sent in vain that nobody has looked at. */
export function useFieldTally(me: Me): number {
  const count = (path: string, asked: Record<string, unknown>, action: string) => ({
    queryKey: ["list", path, "tally"],
    queryFn: async () => (await api<Page<unknown>>(`${path}${query({ ...asked, limit: MOST })}`)).items.length,
    refetchInterval: EVERY_MS,
    enabled: may(me, action),
  });
  const calls = useQuery(count("/help-requests", { state: "open" }, "help.read"));
  const sent = useQuery(count("/sync/operations", { unseen: true }, "sync.write"));
  return (calls.data ?? 0) + (sent.data ?? 0);
}

export const useCalls = (order: string, enabled = true) => useList<Call>("/help-requests", { work_order_id: order }, enabled);
export const usePhotos = (order: string, enabled = true) => useList<Photo>("/evidence", { work_order_id: order }, enabled);
