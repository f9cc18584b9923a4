/** The outbox as the pages see it: what waits, what was refused, and when it is tried again. */
import { useQueryClient } from "@tanstack/react-query";
import { liveQuery } from "dexie";
import { useCallback, useEffect, useSyncExternalStore } from "react";

import type { Me, WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { say } from "../ui/Providers";
import { askToPersist, wakeLater } from "./install";
import { keepAction, sendable, sendWaiting, type Sent } from "./send";
import { store, type Action, type Entry } from "./store";

const RETRY_MS = 5_000;

type State = { entries: Entry[]; last: Sent };

let state: State = { entries: [], last: "done" };
let running: Promise<void> | null = null;
let again = false;
const listeners = new Set<() => void>();

function set(next: Partial<State>): void {
  state = { ...state, ...next };
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Follow the stored outbox, whoever changes it: this tab, another one, the service worker. Resolves once it is read. */
export function followOutbox(): Promise<void> {
  return new Promise((resolve) => {
    liveQuery(() => store.outbox.orderBy("seq").toArray()).subscribe({
      next: (entries) => (set({ entries }), resolve()),
      error: () => resolve(), // no storage: actions are then refused aloud, not lost in silence
    });
  });
}

/** Send now; while a sending runs, once more after it. */
export function push(): Promise<void> {
  again = true;
  running ??= (async () => {
    try {
      while (again) {
        again = false;
        set({ last: await sendWaiting() });
      }
    } catch {
      set({ last: "away" });
    } finally {
      running = null;
    }
    if (state.last === "away") void wakeLater();
  })();
  return running;
}

export function useOutbox() {
  const { t } = useText();
  const { entries, last } = useSyncExternalStore(subscribe, () => state);
  const act = useCallback(
    async (order: WorkOrder, action: Action, me: Me, body: Record<string, unknown> = {}): Promise<boolean> => {
      try {
        await keepAction(order, action, body, me.person);
      } catch {
        say(t("field.not_kept"), "bad");
        return false;
      }
      void askToPersist();
      void wakeLater(); // the page may be closed before the answer is there
      void push();
      return true;
    },
    [t],
  );
  return { entries, last, act };
}

/** Tries whenever there may be a network, and says when all has arrived. */
export function useSender(): void {
  const { t } = useText();
  const client = useQueryClient();
  const { entries } = useOutbox();
  const waiting = free(entries).length;
  useEffect(() => {
    const seen = () => void (document.visibilityState === "visible" && push());
    const now = () => void push();
    now();
    window.addEventListener("online", now);
    window.addEventListener("focus", now);
    document.addEventListener("visibilitychange", seen);
    const timer = waiting > 0 ? window.setInterval(seen, RETRY_MS) : undefined;
    return () => {
      window.removeEventListener("online", now);
      window.removeEventListener("focus", now);
      document.removeEventListener("visibilitychange", seen);
      window.clearInterval(timer);
    };
  }, [waiting]);
  useEffect(() => {
    let before = state.entries;
    return subscribe(() => {
      const gone = before.filter((old) => !state.entries.some((one) => one.key === old.key));
      const late = gone.some((one) => Date.now() - new Date(one.at).getTime() > 2 * RETRY_MS);
      const changed = gone.length > 0 || state.entries.some((one) => one.problem && !before.find((old) => old.key === one.key)?.problem);
      before = state.entries;
      if (changed) void client.invalidateQueries();
      if (late && !discarding && free(state.entries).length === 0) say(t("field.sent"));
    });
  }, [client, t]);
}

/** What nothing but the network holds back, whoever did it. */
const free = (entries: Entry[]): Entry[] => entries.filter((one) => sendable(entries, one.person.id).includes(one));

let discarding = false;

/** What a person throws away has not been 'sent'. */
export async function quietly(work: () => Promise<void>): Promise<void> {
  discarding = true;
  try {
    await work();
    await new Promise((resolve) => window.setTimeout(resolve, 300)); // until the change has come round
  } finally {
    discarding = false;
  }
}

/** The order as it will be once the waiting actions have arrived. */
export function applied(order: WorkOrder, held: Entry[], me: { id: string; name: string }): WorkOrder {
  const own = held.filter((entry) => entry.order === order.id && entry.person.id === me.id);
  if (own.some((entry) => entry.problem)) return order; // refused: it is as the server says
  let shown = order;
  for (const entry of own) {
    if (entry.action === "accept") shown = { ...shown, state: "scheduled", assignee: me };
    if (entry.action === "start") shown = { ...shown, state: "in_progress", assignee: me };
    if (entry.action === "finish")
      shown = {
        ...shown,
        state: "completed",
        outcome: String(entry.body.outcome ?? ""),
        outcome_note: String(entry.body.note ?? ""),
        repair_code: (entry.body.repair_code as string | null) ?? null,
      };
  }
  return shown;
}
