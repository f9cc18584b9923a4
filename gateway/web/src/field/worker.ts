/** The service worker of /m: keeps the page itself for opening without a network, and sends what waits in the background. */
import { sendPhotos } from "./photos/sending";
import { sendWaiting, sentAs } from "./send";
import { followPushes } from "./workerPush";

type Waiting = Event & { waitUntil: (work: Promise<unknown>) => void };
type Asked = Waiting & { request: Request; respondWith: (answer: Promise<Response>) => void };
type Scope = {
  location: Location;
  addEventListener: (kind: string, listener: (event: never) => void) => void;
  skipWaiting: () => Promise<void>;
  clients: { claim: () => Promise<void> };
};

declare const __SHELL__: { version: string; page: string; files: string[] }; // filled in by the build

const PREFIX = "forewarn-field-";
const CACHE = PREFIX + __SHELL__.version;
const scope = self as unknown as Scope;

async function precache(): Promise<void> {
  const cache = await caches.open(CACHE);
  // 'reload' passes the browser's own cache by: what is kept here must be this version's.
  await cache.addAll([__SHELL__.page, ...__SHELL__.files].map((path) => new Request(path, { cache: "reload" })));
}

async function dropOlder(): Promise<void> {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  await scope.clients.claim();
}

async function kept(path: string | Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(path, { ignoreVary: true })) ?? fetch(path);
}

async function send(): Promise<void> {
  const sent = await sendWaiting();
  const photos = sent === "done" && sentAs() ? await sendPhotos(sentAs()!) : "done";
  if (sent === "away" || photos === "away") throw new Error("no network yet"); // the browser wakes us again
}

scope.addEventListener("install", (event: Waiting) => event.waitUntil(precache()));
scope.addEventListener("activate", (event: Waiting) => event.waitUntil(dropOlder()));
scope.addEventListener("message", (event: MessageEvent) => event.data === "activate" && void scope.skipWaiting());
scope.addEventListener("sync", (event: Waiting) => event.waitUntil(send()));
followPushes(scope);
scope.addEventListener("fetch", (event: Asked) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== scope.location.origin) return;
  // The scope /m also covers pages of the desk whose addresses begin with an m.
  const ours = url.pathname === "/m" || url.pathname.startsWith("/m/");
  if (event.request.mode === "navigate" && ours) event.respondWith(kept(__SHELL__.page));
  else if (__SHELL__.files.includes(url.pathname)) event.respondWith(kept(url.pathname));
});
