/** Places and labels taken down without a network: kept on the phone, sent in their order, refusals kept to be read. */
import Dexie, { liveQuery, type EntityTable } from "dexie";
import { useEffect, useState } from "react";

import { api, ApiError, newKey, Unreachable } from "../api/client";

const RETRY_MS = 15_000;
const AGAIN = [401, 408, 425, 429]; // says nothing about what was done

/** `what`: the place or the label; `said`: how a person knows it. With a code the server refused it. */
export type Waiting = { id: string; person: string; asset: string; what: "place" | "label"; said: string; at: number; path: string; method: string; body: Record<string, unknown>; code: string | null };

// A store of its own: it does not change with what is kept of jobs.
class OnSiteStore extends Dexie {
  waiting!: EntityTable<Waiting, "id">;

  constructor() {
    super("forewarn-onsite");
    this.version(1).stores({ waiting: "id, at" });
  }
}

const store = new OnSiteStore();

/** Send it, or keep it where there is no network; returns the answer, or null when it is kept. A refusal is thrown. */
export async function sendOrKeep<T>(wanted: Omit<Waiting, "id" | "at" | "code">): Promise<T | null> {
  const id = newKey();
  try {
    return await api<T>(wanted.path, { method: wanted.method, body: wanted.body, key: wanted.method === "POST" ? id : undefined });
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    await store.transaction("rw", store.waiting, async () => {
      // Of a machine's places only the newest is wanted.
      if (wanted.what === "place") await store.waiting.filter((one) => one.what === "place" && one.asset === wanted.asset && one.person === wanted.person).delete();
      await store.waiting.put({ ...wanted, id, at: Date.now(), code: null });
    });
    return null;
  }
}

let sending = false;

async function sendWaiting(person: string): Promise<void> {
  if (sending) return;
  sending = true;
  try {
    for (const one of await store.waiting.orderBy("at").toArray()) {
      if (one.person !== person || one.code !== null) continue;
      try {
        // The same key at every attempt: a lost answer does nothing twice.
        await api(one.path, { method: one.method, body: one.body, key: one.method === "POST" ? one.id : undefined });
        await store.waiting.delete(one.id);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status >= 500 || AGAIN.includes(error.status) || !error.code) return;
        await store.waiting.update(one.id, { code: error.code });
      }
    }
  } finally {
    sending = false;
  }
}

/** Tries whenever there may be a network. */
export function useOnSiteSender(person: string | undefined): void {
  useEffect(() => {
    if (!person) return;
    const now = () => void sendWaiting(person).catch(() => undefined);
    now();
    const timer = window.setInterval(now, RETRY_MS);
    window.addEventListener("online", now);
    return () => { window.clearInterval(timer); window.removeEventListener("online", now); };
  }, [person]);
}

export function useWaiting(person: string, asset?: string): Waiting[] {
  const [rows, setRows] = useState<Waiting[]>([]);
  useEffect(() => {
    const followed = liveQuery(() => store.waiting.orderBy("at").toArray()).subscribe({ next: setRows, error: () => undefined });
    return () => followed.unsubscribe();
  }, []);
  return rows.filter((one) => one.person === person && (!asset || one.asset === asset));
}

export const forget = (id: string): Promise<void> => store.waiting.delete(id);
