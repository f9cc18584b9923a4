/** What the service worker does with a push: shows it, and opens the work that it is about when it is touched. */
type Shown = { id?: string; title?: string; body?: string; path?: string; tag?: string };
type Push = Event & { data: { json: () => unknown } | null; waitUntil: (work: Promise<unknown>) => void };
type Click = Event & { notification: Notification; waitUntil: (work: Promise<unknown>) => void };
type Page = { url: string; focus: () => Promise<unknown>; navigate?: (url: string) => Promise<unknown> };
type Worker = {
  location: Location;
  registration?: { showNotification: (title: string, options: NotificationOptions) => Promise<void> };
  clients: { matchAll?: (asked: { type: string; includeUncontrolled: boolean }) => Promise<readonly Page[]>; openWindow?: (url: string) => Promise<unknown> };
};

const HOME = "/m";

/** The technician's own page of what a message is about; the path comes from our server, and stays on it. */
export function fieldPath(path: unknown): string {
  const order = typeof path === "string" ? /^\/work-orders\/([0-9a-f-]{36})$/.exec(path) : null;
  return order ? `${HOME}/work/${order[1]}` : HOME;
}

function read(event: Push): Shown {
  try {
    const said = event.data?.json();
    return said && typeof said === "object" ? (said as Shown) : {};
  } catch {
    return {}; // shown all the same: a browser takes the permission away from who shows nothing
  }
}

async function show(worker: Worker, said: Shown): Promise<void> {
  await worker.registration?.showNotification(said.title || "Forewarn", {
    body: said.body ?? "",
    tag: said.tag, // newer news of the same order takes the place of older
    data: { path: fieldPath(said.path), id: said.id },
  });
}

async function open(worker: Worker, path: string): Promise<void> {
  const pages = (await worker.clients.matchAll?.({ type: "window", includeUncontrolled: true })) ?? [];
  const page = pages.find((one) => new URL(one.url).pathname.startsWith(HOME));
  if (!page) return void (await worker.clients.openWindow?.(path));
  await page.focus().catch(() => undefined);
  await page.navigate?.(path).catch(() => worker.clients.openWindow?.(path));
}

export function followPushes(scope: { addEventListener: (kind: string, listener: (event: never) => void) => void }): void {
  const worker = scope as unknown as Worker;
  scope.addEventListener("push", (event: Push) => event.waitUntil(show(worker, read(event))));
  scope.addEventListener("notificationclick", (event: Click) => {
    event.notification.close();
    const data = event.notification.data as { path?: string } | null;
    event.waitUntil(open(worker, data?.path ?? HOME));
  });
}
