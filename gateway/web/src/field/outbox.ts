/** What the technician did while the network was slow or away: kept on the phone, sent in order, applied at once. */
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useSyncExternalStore } from "react";

import { ApiError, newKey, post } from "../api/client";
import type { WorkOrder } from "../api/types";

export type Action = "accept" | "start" | "finish";
export type Entry = { key: string; order: string; action: Action; body: Record<string, unknown>; at: string; problem?: string };

const STORED = "forewarn.outbox";
const RETRY_MS = 5_000;

let entries: Entry[] = load();
let sending = false;
const listeners = new Set<() => void>();

function load(): Entry[] {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "[]") as Entry[];
  } catch {
    return [];
  }
}

function save(next: Entry[]): void {
  entries = next;
  try {
    localStorage.setItem(STORED, JSON.stringify(next));
  } catch {
    // a full store: the entries live on in memory until they are sent
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Send what waits, oldest first. A refusal stays with its reason until the person has seen it. */
async function flush(done: () => void): Promise<void> {
  if (sending) return;
  sending = true;
  try {
    for (let next = entries.find((one) => !one.problem); next; next = entries.find((one) => !one.problem)) {
      const current = next;
      try {
        // The same key again is answered from the first time, so a lost answer repeats nothing.
        await post(`/work-orders/${current.order}/${current.action}`, current.body, current.key);
        save(entries.filter((one) => one.key !== current.key));
        done();
      } catch (error) {
        const refused = error instanceof ApiError && error.status >= 400 && error.status < 500 && ![401, 408, 429].includes(error.status) && error.code !== "in_progress";
        if (!refused) return; // no network or no server: later
        save(entries.map((one) => (one.key === current.key ? { ...one, problem: error.code || error.message } : one)));
        done();
      }
    }
  } finally {
    sending = false;
  }
}

export function useOutbox() {
  const client = useQueryClient();
  const held = useSyncExternalStore(subscribe, () => entries);
  const push = useCallback(() => void flush(() => void client.invalidateQueries()), [client]);
  const act = useCallback(
    (order: string, action: Action, body: Record<string, unknown> = {}) => {
      save([...entries, { key: newKey(), order, action, body, at: new Date().toISOString() }]);
      push();
    },
    [push],
  );
  const forget = useCallback((key: string) => save(entries.filter((one) => one.key !== key)), []);
  return { entries: held, act, forget, push };
}

/** Tries again whenever there may be a network. */
export function useSender(): void {
  const { entries: held, push } = useOutbox();
  const waiting = held.some((one) => !one.problem);
  useEffect(() => {
    push();
    window.addEventListener("online", push);
    const timer = waiting ? window.setInterval(push, RETRY_MS) : undefined;
    return () => {
      window.removeEventListener("online", push);
      window.clearInterval(timer);
    };
  }, [push, waiting]);
}

/** The order as it will be once the waiting actions have arrived. */
export function applied(order: WorkOrder, held: Entry[], me: { id: string; name: string }): WorkOrder {
  let shown = order;
  for (const entry of held) {
    if (entry.order !== order.id || entry.problem) continue;
    if (entry.action === "accept") shown = { ...shown, state: "scheduled", assignee: me };
    if (entry.action === "start") shown = { ...shown, state: "in_progress", assignee: me };
    if (entry.action === "finish")
      shown = { ...shown, state: "completed", outcome: String(entry.body.outcome ?? ""), outcome_note: String(entry.body.note ?? "") };
  }
  return shown;
}
