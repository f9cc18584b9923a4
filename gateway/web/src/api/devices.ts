/** Devices beyond the list: why they are present or not, their clock and ledger, who they are, many at once. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, ApiError, post } from "./client";

export type Reason = { code: string; params: Record<string, unknown> };
export type Interval = { seconds: number; origin: string };
export type Clock = {
  offset_ms: number | null;
  measured_at: string | null;
  last_event_at: string | null;
  corrected: number;
  flagged: number;
};
export type Ledger = {
  expected: number;
  stored: number;
  late: number;
  dropped: number;
  quarantined: number;
  missing: number;
  conflicting: number;
  repeated?: number;
  corrected?: number;
  balanced: boolean;
  since?: string | null;
  gaps?: TimeGap[];
};
/** A stretch without readings of a device that numbers nothing, and how many would have come. */
export type TimeGap = { channel: string; begin: string; end: string; n: number };
export type Channel = {
  channel: string;
  asset: { id: string; name: string } | null;
  presence: string;
  presence_since: string | null;
  presence_reason: Reason | null;
  last_seen_at: string | null;
  expected_interval: Interval | null;
  frozen?: string[];
};

export type Certificate = {
  serial_number: string;
  fingerprint: string;
  not_before: string;
  not_after: string;
  issued_at: string;
  confirmed_at: string | null;
  retires_at: string | null;
};
export type Twin = { since: string; last_at: string; addresses: string[] };
export type Identity = {
  mode: "certificate" | "password" | null;
  serial_number?: string | null;
  fingerprint?: string | null;
  not_before?: string | null;
  not_after?: string | null;
  renew_at?: string | null;
  previous?: Certificate | null;
  next?: Certificate | null;
  revoked_at?: string | null;
  clone_suspected?: Twin | null;
};

export type BulkRow = { row: number; serial: string; claim_code: string | null; claim_expires_at: string | null };
export type BulkError = { row: number; column: string; code: string; params: Record<string, string> };
export type Bulk = { created: BulkRow[]; unchanged: { row: number; serial: string }[]; errors: BulkError[]; dry_run: boolean };

/** Null where this server keeps no identities. */
export const useIdentity = (device: string) =>
  useQuery({
    queryKey: ["device", device, "identity"],
    queryFn: () => api<Identity>(`/devices/${device}/identity`).catch(nothingThere),
    refetchInterval: 10_000,
  });

function nothingThere(error: unknown): null {
  if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return null;
  throw error;
}

export type IdentityAct = "rotate" | "revoke" | "reinstate";

export function useIdentityAct(device: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wanted: { act: IdentityAct; reason?: string }) =>
      post(`/devices/${device}/${wanted.act}`, wanted.reason === undefined ? {} : { reason: wanted.reason }),
    onSuccess: () => void client.invalidateQueries(),
  });
}

export const bulkPath = (dry: boolean): string => `/devices/bulk${dry ? "?dry_run=1" : ""}`;

export function useBulk() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wanted: { csv: string; dry: boolean; key?: string }) =>
      api<Bulk>(bulkPath(wanted.dry), { method: "POST", text: wanted.csv, type: "text/csv", key: wanted.key }),
    onSuccess: (_, wanted) => (wanted.dry ? undefined : void client.invalidateQueries({ queryKey: ["devices"] })),
  });
}

export type Held = { releasable: boolean; suggested_offset_ms: number | null };

export const useHeldFacts = (quarantine: string | null) =>
  useQuery({ queryKey: ["held", quarantine], queryFn: () => api<Held>(`/quarantine/${quarantine}/release`), enabled: quarantine !== null, retry: false });
