/** Send what was done, oldest first, each exactly once; the page and the service worker both use this. */
import { api, ApiError, post } from "../api/client";
import type { Me, WorkOrder } from "../api/types";
import { newId } from "./ids";
import { registerPhotos } from "./photos/sending";
import { concerned } from "./refresh";
import { fact, pathOf, store, type Entry, type Problem, type Somebody, type Subject } from "./store";

const LOCK = "forewarn.outbox"; // one sender at a time, over all tabs and the service worker
const BATCH_MOST = 50; // operations; the server takes 200
const BATCH_BYTES = 1_200_000; // a drawn signature is large; the server takes 2 MiB
const LATER = [401, 408, 425, 429]; // says nothing about the operation itself
/** What moves a job on: one that failed holds those that follow on the same job. The rest commutes. */
const STATE_KINDS = ["order.accept", "visit.move", "order.finish", "order.document", "order.hold"];

export type Sent = "done" | "away" | "signed_out";
type Refusal = { status: number; detail?: string; title?: string; code?: string; params?: Record<string, unknown> };
type Result = { id: string; state: "applied" | "refused" | "conflict" | "held" | "later"; repeated?: boolean; problem: Refusal | null; current?: Record<string, unknown> | null; answer?: Record<string, unknown> | null };

export type Made = { order: { id: string; number: string; asset: { name: string } }; kind: string; body?: Record<string, unknown>; subject?: Subject; needs?: string[]; key?: string; said?: string; until?: number };

export async function keepOperation(made: Made, person: Somebody): Promise<void> {
  const { order, kind } = made;
  const subject = made.subject ?? { kind: "work_order" as const, id: order.id };
  const facts = { order: order.id, number: order.number, asset: order.asset.name, kind, subject, body: made.body ?? {}, needs: made.needs ?? [], said: made.said, until: made.until ?? null };
  await store.outbox.add({ key: made.key ?? newId(), ...facts, at: new Date().toISOString(), person: { id: person.id, name: person.name }, problem: null, sent: null });
}

let sender: string | null = null;

/** Who was signed in at the last sending: nobody else's photos go under their name. */
export const sentAs = (): string | null => sender;

export async function sendWaiting(): Promise<Sent> {
  if ((await store.outbox.count()) + (await store.photos.filter((one) => !one.kept && !one.problem).count()) === 0) return "done";
  // Plain HTTP has no locks; there the operations' ids alone keep two tabs from doing something twice.
  return navigator.locks ? navigator.locks.request(LOCK, sendAll) : sendAll();
}

async function sendAll(): Promise<Sent> {
  const person = await signedIn();
  if (person === "away" || person === "signed_out") return person;
  for (;;) {
    const photos = await registerPhotos(person);
    if (photos !== "done") return photos;
    await settled();
    const batch = batchOf(await ready(sendable(await store.outbox.orderBy("seq").toArray(), person)));
    if (batch.length === 0) return "done";
    const step = await sendBatch(batch);
    if (step !== "done") return step;
  }
}

export const waits = (entry: Entry): boolean => entry.sent === null && !entry.problem;
export const isState = (entry: Pick<Entry, "kind">): boolean => STATE_KINDS.includes(entry.kind);
/** Arrived or left: has no sense without the step that it belongs to. */
const isPresence = (entry: Pick<Entry, "kind">): boolean => ["visit.check_in", "visit.check_out"].includes(entry.kind);

/** Held back: it follows on something about the same job that the server refused. */
export function isHeld(entry: Entry, entries: Entry[]): boolean {
  return waits(entry) && (isState(entry) || isPresence(entry)) && entries.some((one) => one.problem && isState(one) && one.order === entry.order && one.seq < entry.seq);
}

/** What may go now: this person's, and nothing that follows a refused step on the same job. */
export function sendable(entries: Entry[], person: string): Entry[] {
  return entries.filter((one) => one.person.id === person && waits(one) && !isHeld(one, entries));
}

/** What names a photo that the server does not know waits for it, as a place that is looked for; what moves the same job on waits behind. */
async function ready(entries: Entry[]): Promise<Entry[]> {
  const unknown = new Set(await store.photos.filter((one) => !one.registered).primaryKeys());
  const behind = new Set<string>();
  return entries.filter((one) => {
    const may = !one.needs.some((id) => unknown.has(id)) && !((one.until ?? 0) > Date.now()) && !(isState(one) && behind.has(one.order));
    if (!may) behind.add(one.order);
    return may;
  });
}

function batchOf(entries: Entry[]): Entry[] {
  let bytes = 0;
  const batch = entries.slice(0, BATCH_MOST);
  const end = batch.findIndex((one) => (bytes += JSON.stringify(one.body).length) > BATCH_BYTES);
  return end < 0 ? batch : batch.slice(0, Math.max(1, end));
}

async function signedIn(): Promise<string | "away" | "signed_out"> {
  sender = null;
  try {
    sender = (await api<Me>("/me")).person?.id ?? null;
    return sender ?? "signed_out";
  } catch (error) {
    return error instanceof ApiError && error.status === 401 ? "signed_out" : "away";
  }
}

/** This installation's name, the same for ever. */
async function device(): Promise<string> {
  const known = await fact<string>("device");
  if (known) return known;
  const made = newId();
  await store.facts.put({ name: "device", value: made });
  return made;
}

async function sendBatch(batch: Entry[]): Promise<Sent> {
  const operations = batch.map((one) => ({ id: one.key, kind: one.kind, subject: one.subject, payload: one.body, made_at: one.at, after: isPresence(one) ? batch.findLast((other) => isState(other) && other.order === one.order && other.seq < one.seq)?.key : undefined }));
  let results: Result[];
  try {
    const answer = await post<{ results?: Result[] }>("/sync", { device: await device(), sent_at: new Date().toISOString(), operations });
    if (!Array.isArray(answer?.results)) return "away"; // a hotspot's sign-in page answers everything
    results = answer.results;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return "signed_out";
    if (!(error instanceof ApiError) || !isRefusal(error)) return "away";
    // The whole was refused: one alone says which one it was.
    if (batch.length > 1) return sendBatch(batch.slice(0, 1));
    return refuse(batch[0]!, { status: error.status, code: error.code, detail: error.message, params: error.params }, null);
  }
  let moved = false;
  for (const entry of batch) {
    const result = results.find((one) => one.id === entry.key);
    if (!result || result.state === "later" || result.state === "held") continue;
    moved = true;
    if (result.state === "applied") await store.outbox.update(entry.seq, { sent: Date.now() });
    else await refuse(entry, { status: result.problem?.status ?? 409, code: result.problem?.code ?? result.state, detail: result.problem?.detail ?? result.problem?.title ?? "", params: result.problem?.params ?? {}, conflict: result.state === "conflict" }, result.current ?? null);
  }
  await settled();
  return moved ? "done" : "away"; // nothing was decided: a moment later, not at once
}

/** A refusal has a code of ours; what a proxy or a hotspot says on the way is no answer. */
export function isRefusal(error: ApiError): boolean {
  return error.status >= 400 && error.status < 500 && !LATER.includes(error.status) && error.code !== "" && error.code !== "in_progress";
}

async function refuse(entry: Entry, why: Pick<Problem, "status" | "code" | "detail" | "params" | "conflict">, current: Record<string, unknown> | null): Promise<Sent> {
  const order = await api<WorkOrder>(pathOf(entry.order)).catch(() => null);
  const stood = order && { state: order.state, assignee: order.assignee, outcome: order.outcome };
  await store.transaction("rw", store.outbox, store.kept, async () => {
    await store.outbox.update(entry.seq, { problem: { ...why, at: new Date().toISOString(), current, order: stood } });
    if (order) await store.kept.put({ path: pathOf(order.id), data: order, at: Date.now() });
  });
  return "done";
}

/** Read again what has been changed, then forget what changed it: nothing flickers back in between. */
async function settled(): Promise<void> {
  const done = await store.outbox.filter((one) => one.sent !== null).toArray();
  if (done.length === 0) return;
  const paths = [...new Set(done.flatMap(concerned))];
  const fresh = await Promise.all(paths.map(async (path) => ({ path, data: await api<unknown>(path).catch((error) => (error instanceof ApiError && error.status < 500 && error.status !== 401 ? null : Promise.reject(error))), at: Date.now() })))
    .catch(() => null);
  if (!fresh) return; // no network for that: they wait, marked as sent
  await store.transaction("rw", store.outbox, store.kept, async () => {
    await store.kept.bulkPut(fresh.filter((row) => row.data !== null));
    await store.outbox.bulkDelete(done.map((one) => one.seq));
  });
}

/** Try again what was refused, as new operations: the server has decided about the old ones. */
export async function tryAgain(entries: Entry[]): Promise<void> {
  await store.transaction("rw", store.outbox, async () => {
    for (const one of entries) if (one.problem) await store.outbox.update(one.seq, { problem: null, key: newId() });
  });
}

/** Drop operations; what was written about a finished job goes back into its form. */
export async function discard(entries: Entry[]): Promise<void> {
  await store.transaction("rw", store.outbox, store.drafts, async () => {
    for (const { kind, body, person, order } of entries) {
      if (kind !== "order.finish") continue;
      const word = (name: string) => (typeof body[name] === "string" ? (body[name] as string) : null);
      await store.drafts.put({ id: `${person.id}/${order}`, outcome: word("outcome"), note: word("note") ?? "", repair_code: word("repair_code"), failure_mode: word("failure_mode"), cause: word("cause"), at: Date.now() });
    }
    await store.outbox.bulkDelete(entries.map((entry) => entry.seq));
  });
}
