/** The outbox as the pages see it: what waits, what was refused, and when it is tried again. */
import { useQueryClient } from "@tanstack/react-query";
import { liveQuery } from "dexie";
import { useCallback, useEffect, useSyncExternalStore } from "react";

import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import { say } from "../ui/Providers";
import { askToPersist, wakeLater } from "./install";
import { sendPhotos } from "./photos/sending";
import { keepOperation, sendable, sendWaiting, sentAs, waits, type Made, type Sent } from "./send";
import { store, type Entry, type Photo } from "./store";

export { applied } from "./overlay";

const RETRY_MS = 5_000;
const RETRY_MOST_MS = 60_000; // a server that is away for an hour is not asked every five seconds

type State = { entries: Entry[]; photos: Photo[]; last: Sent };

let state: State = { entries: [], photos: [], last: "done" };
let running: Promise<void> | null = null;
let again = false;
let failed = 0;
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
    liveQuery(async () => ({ entries: await store.outbox.orderBy("seq").toArray(), photos: await store.photos.orderBy("at").toArray() })).subscribe({
      next: (held) => (set(held), resolve()),
      error: () => resolve(), // no storage: operations are then refused aloud, not lost in silence
    });
  });
}

/** Send now; while a sending runs, once more after it. Photos follow by themselves: they must not hold up the rest. */
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
    failed = state.last === "away" ? failed + 1 : 0;
    if (state.last === "away") void wakeLater();
    else if (sentAs() && state.photos.some(unsentPhoto)) void sendPhotos(sentAs()!).catch(() => undefined);
  })();
  return running;
}

export const unsentPhoto = (photo: Photo): boolean => !photo.kept && !photo.problem;

/** Twice as long after every failure in a row. */
const pause = (): number => Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** Math.max(0, failed - 1));

export function useOutbox() {
  const { t } = useText();
  const { entries, photos, last } = useSyncExternalStore(subscribe, () => state);
  const act = useCallback(
    async (me: Me, ...made: Made[]): Promise<boolean> => {
      try {
        await store.transaction("rw", store.outbox, async () => { for (const one of made) await keepOperation(one, me.person); });
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
  return { entries, photos, last, act };
}

/** Tries whenever there may be a network, and says when all has arrived. */
export function useSender(): void {
  const { t } = useText();
  const client = useQueryClient();
  const { entries, photos } = useOutbox();
  const waiting = free(entries).length + photos.filter(unsentPhoto).length;
  useEffect(() => {
    let timer: number | undefined;
    const seen = () => void (document.visibilityState === "visible" && push());
    const now = () => { failed = 0; void push(); };
    const round = () => { timer = window.setTimeout(() => { seen(); round(); }, pause()); };
    void push();
    window.addEventListener("online", now);
    window.addEventListener("focus", now);
    document.addEventListener("visibilitychange", seen);
    if (waiting > 0) round();
    return () => {
      window.removeEventListener("online", now);
      window.removeEventListener("focus", now);
      document.removeEventListener("visibilitychange", seen);
      window.clearTimeout(timer);
    };
  }, [waiting]);
  useEffect(() => {
    let before = state.entries;
    let arrived = state.photos.filter((one) => one.kept).length;
    return subscribe(() => {
      const kept = state.photos.filter((one) => one.kept).length;
      if (kept > arrived) void client.invalidateQueries({ queryKey: ["evidence"] });
      arrived = kept;
      if (state.entries === before) return;
      const gone = before.filter((old) => !state.entries.some((one) => one.seq === old.seq));
      const late = gone.some((one) => Date.now() - new Date(one.at).getTime() > 2 * RETRY_MS);
      const changed = gone.length > 0 || state.entries.some((one) => one.problem && !before.find((old) => old.seq === one.seq)?.problem);
      before = state.entries;
      if (changed) void client.invalidateQueries();
      if (late && !discarding && free(state.entries).length === 0) say(t("field.sent"));
    });
  }, [client, t]);
}

/** What nothing but the network holds back, whoever did it. */
const free = (entries: Entry[]): Entry[] => entries.filter((one) => waits(one) && sendable(entries, one.person.id).includes(one));

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
