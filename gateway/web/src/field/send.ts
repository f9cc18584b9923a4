/** Send what was done, oldest first, each exactly once; the page and the service worker both use this. */
import { api, ApiError, newKey, post } from "../api/client";
import type { Me, WorkOrder } from "../api/types";
import { keepOrder, pathOf, store, type Action, type Entry, type Problem, type Somebody } from "./store";

const LOCK = "forewarn.outbox"; // one sender at a time, over all tabs and the service worker
const OPEN = ["unscheduled", "scheduled", "in_progress", "on_hold", "cannot_complete"];
const LATER = [401, 408, 425, 429]; // says nothing about the action itself

export type Sent = "done" | "away" | "signed_out";
type Step = "sent" | "refused" | Exclude<Sent, "done">;

export async function keepAction(
  order: Pick<WorkOrder, "id" | "number" | "asset">,
  action: Action,
  body: Record<string, unknown>,
  person: Somebody,
): Promise<void> {
  const entry = { key: newKey(), order: order.id, number: order.number, asset: order.asset.name, action, body };
  const made = { ...entry, at: new Date().toISOString(), person: { id: person.id, name: person.name }, problem: null };
  await store.outbox.add(made);
}

export async function sendWaiting(): Promise<Sent> {
  if ((await store.outbox.count()) === 0) return "done";
  // Plain HTTP has no locks; there the idempotency keys alone keep two tabs from doing something twice.
  return navigator.locks ? navigator.locks.request(LOCK, sendAll) : sendAll();
}

async function sendAll(): Promise<Sent> {
  if ((await store.outbox.count()) === 0) return "done";
  const person = await signedIn();
  if (person === "away" || person === "signed_out") return person;
  for (;;) {
    const next = sendable(await store.outbox.orderBy("seq").toArray(), person)[0];
    if (!next) return "done";
    const step = await sendOne(next);
    if (step === "away" || step === "signed_out") return step;
  }
}

/** What may go now: this person's, and nothing that follows a refused action on the same work order. */
export function sendable(entries: Entry[], person: string): Entry[] {
  const stuck = new Set(entries.filter((one) => one.problem).map((one) => one.order));
  return entries.filter((one) => one.person.id === person && !stuck.has(one.order));
}

async function signedIn(): Promise<string | "away" | "signed_out"> {
  try {
    return (await api<Me>("/me")).person?.id ?? "signed_out";
  } catch (error) {
    return error instanceof ApiError && error.status === 401 ? "signed_out" : "away";
  }
}

async function sendOne(entry: Entry): Promise<Step> {
  try {
    // The same key again is answered from the first time, so a lost answer repeats nothing.
    const order = await post<WorkOrder>(`${pathOf(entry.order)}/${entry.action}`, entry.body, entry.key);
    if (order?.id !== entry.order) return "away"; // a hotspot's sign-in page answers everything
    if (!noteArrived(entry, order)) return await refuse(entry, { status: 200, code: "finished_already", detail: "" }, order);
    return await settle(entry, order);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return "signed_out";
    if (!(error instanceof ApiError) || !isRefusal(error)) return "away";
    return await judge(entry, error);
  }
}

/** A refusal has a code of ours; what a proxy or a hotspot says on the way is no answer. */
function isRefusal(error: ApiError): boolean {
  return error.status >= 400 && error.status < 500 && !LATER.includes(error.status) && error.code !== "" && error.code !== "in_progress";
}

async function judge(entry: Entry, error: ApiError): Promise<Step> {
  let order: WorkOrder | null = null;
  try {
    order = await api<WorkOrder>(pathOf(entry.order));
  } catch (cause) {
    if (!(cause instanceof ApiError) || !isRefusal(cause)) return cause instanceof ApiError && cause.status === 401 ? "signed_out" : "away";
  }
  if (order && isDone(entry, order)) return settle(entry, order);
  return refuse(entry, { status: error.status, code: error.code, detail: error.message }, order);
}

/** Whether the order already is as the action wanted it: its answer was lost, and the key has been forgotten since. */
function isDone(entry: Entry, order: WorkOrder): boolean {
  if (order.assignee?.id !== entry.person.id) return false;
  const open = OPEN.includes(order.state);
  if (entry.action === "accept") return open;
  if (entry.action === "start") return order.state === "in_progress";
  return !open && order.outcome === entry.body.outcome && noteArrived(entry, order);
}

/** The server takes a second 'finish' with the same outcome for a repeat; another note must not vanish in that. */
function noteArrived(entry: Entry, order: WorkOrder): boolean {
  return entry.action !== "finish" || String(entry.body.note ?? "").trim() === (order.outcome_note ?? "").trim();
}

async function settle(entry: Entry, order: WorkOrder): Promise<Step> {
  await store.transaction("rw", store.outbox, store.kept, async () => {
    await store.outbox.delete(entry.seq);
    await keepOrder(order, entry.person.id);
  });
  return "sent";
}

async function refuse(entry: Entry, why: Pick<Problem, "status" | "code" | "detail">, order: WorkOrder | null): Promise<Step> {
  const stood = order && { state: order.state, assignee: order.assignee, outcome: order.outcome };
  await store.transaction("rw", store.outbox, store.kept, async () => {
    await store.outbox.update(entry.seq, { problem: { ...why, at: new Date().toISOString(), order: stood } });
    if (order) await keepOrder(order, entry.person.id);
  });
  return "refused";
}

/** Try a refused order's actions again, with the keys they had: what was refused was not done. */
export async function tryAgain(order: string): Promise<void> {
  await store.outbox.filter((one) => one.order === order).modify({ problem: null });
}

/** Drop an order's actions; what was written about it goes back into its form. */
export async function discard(order: string): Promise<void> {
  await store.transaction("rw", store.outbox, store.drafts, async () => {
    const entries = await store.outbox.filter((one) => one.order === order).toArray();
    for (const { action, body, person } of entries) {
      if (action !== "finish") continue;
      const written = { outcome: String(body.outcome), note: String(body.note ?? ""), repair_code: (body.repair_code as string | null) ?? null };
      await store.drafts.put({ id: `${person.id}/${order}`, ...written, at: Date.now() });
    }
    await store.outbox.bulkDelete(entries.map((entry) => entry.seq));
  });
}
