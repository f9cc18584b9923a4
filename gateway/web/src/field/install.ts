/** The service worker's place in the pages: registered, asked for updates, woken when there is a network again. */
import { useSyncExternalStore } from "react";

const SCRIPT = "/m/sw.js";
const SCOPE = "/m";
const TAG = "forewarn-outbox";
const LOOK_EVERY_MS = 30 * 60_000;

type Registration = ServiceWorkerRegistration & { sync?: { register: (tag: string) => Promise<void> } };
type State = { offline: boolean; persisted: boolean; waiting: ServiceWorker | null; stale: boolean };

let state: State = { offline: false, persisted: false, waiting: null, stale: false };
let registration: Registration | null = null;
let updating = false;
const listeners = new Set<() => void>();

function set(next: Partial<State>): void {
  state = { ...state, ...next };
  for (const listener of listeners) listener();
}

/** Whether /m opens without a network, whether the browser promised to keep its data, whether a new version waits. */
export function useInstalled(): State {
  return useSyncExternalStore(
    (listener) => (listeners.add(listener), () => void listeners.delete(listener)),
    () => state,
  );
}

export async function install(): Promise<void> {
  void navigator.storage?.persisted?.().then((persisted) => set({ persisted }));
  const container = navigator.serviceWorker; // not there on plain HTTP
  if (!container || !import.meta.env.PROD) return;
  const had = container.controller !== null;
  container.addEventListener("controllerchange", () => {
    if (updating) location.reload();
    else if (had) set({ stale: true, waiting: null }); // another tab updated; what is typed here is not thrown away
  });
  try {
    registration = await container.register(SCRIPT, { scope: SCOPE, updateViaCache: "none" });
  } catch {
    return; // no network, or a browser that forbids it: the page works as before
  }
  const found: Registration = registration;
  void container.ready.then(() => set({ offline: true }));
  const look = () => {
    set({ waiting: found.active ? found.waiting : null });
    if (state.waiting && fresh()) updateNow();
  };
  found.addEventListener("updatefound", () => found.installing?.addEventListener("statechange", look));
  look();
  const update = () => void found.update().catch(() => undefined);
  window.setInterval(update, LOOK_EVERY_MS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && update());
}

const FRESH_MS = 20_000;
const TAKEN = "forewarn.updated"; // when this tab last took a version by itself: never in a circle
let touched = false;
for (const kind of ["pointerdown", "keydown"]) window.addEventListener(kind, () => { touched = true; }, { once: true, capture: true });

/** The page was just opened and nothing was done in it: a version that waits is taken at once, without being asked. */
function fresh(): boolean {
  if (touched || performance.now() > FRESH_MS || document.visibilityState !== "visible") return false;
  try {
    if (Date.now() - Number(sessionStorage.getItem(TAKEN) ?? 0) < 60_000) return false;
    sessionStorage.setItem(TAKEN, String(Date.now()));
    return true;
  } catch {
    return false; // no storage: the button is there
  }
}

export function updateNow(): void {
  updating = true;
  if (state.waiting) state.waiting.postMessage("activate");
  else location.reload();
}

/** Browsers may clear the storage of seldom visited sites; an outbox must not go that way. */
export async function askToPersist(): Promise<void> {
  if (state.persisted || !navigator.storage?.persist) return;
  set({ persisted: await navigator.storage.persist().catch(() => false) });
}

/** Let the browser send when there is a network, also after the page was closed, where it can. */
export async function wakeLater(): Promise<void> {
  await registration?.sync?.register(TAG).catch(() => undefined);
}
