/** What the phone keeps: actions not yet sent, answers to read without a network, half-written forms. */
import Dexie, { type EntityTable } from "dexie";

import type { WorkOrder } from "../api/types";

export type Action = "accept" | "start" | "finish";
export type Somebody = { id: string; name: string };

/** Why the server refused an action, and how the work order stood then. */
export type Problem = {
  status: number;
  code: string;
  detail: string;
  at: string;
  order: Pick<WorkOrder, "state" | "assignee" | "outcome"> | null;
};

export type Entry = {
  seq: number; // the order in which it was done
  key: string; // the same at every attempt, so the server does it once
  order: string;
  number: string;
  asset: string;
  action: Action;
  body: Record<string, unknown>;
  at: string;
  person: Somebody;
  problem: Problem | null;
};

export type Kept = { path: string; data: unknown; at: number };
/** A movement of parts that waits for the network; with a code the server could not book it and the desk decides. */
export type Late = { id: string; person: string; said: string; at: number; body: Record<string, unknown>; code: string | null };
export type Draft = { id: string; outcome: string | null; note: string; repair_code: string | null; at: number };

const KEPT_MOST = 400; // answers; some thirty jobs with all that belongs to them
const KEPT_MS = 30 * 86_400_000;

class FieldStore extends Dexie {
  outbox!: EntityTable<Entry, "seq">;
  kept!: EntityTable<Kept, "path">;
  charts!: EntityTable<Kept, "path">;
  drafts!: EntityTable<Draft, "id">;
  late!: EntityTable<Late, "id">;

  constructor() {
    super("forewarn-field");
    this.version(1).stores({ outbox: "++seq", kept: "path, at", charts: "path, at", drafts: "id, at" });
    this.version(2).stores({ late: "id, at" });
  }
}

export const store = new FieldStore();

export const MINE = "/work-orders?assignee=me&limit=100";
export const FREE = "/work-orders?open=true&assignee=nobody&limit=100";
export const pathOf = (order: string): string => `/work-orders/${order}`;

/** Put the order as the server now has it into every kept answer that shows it. */
export async function keepOrder(order: WorkOrder, mine: string): Promise<void> {
  const at = Date.now();
  await store.kept.put({ path: pathOf(order.id), data: order, at });
  for (const path of [MINE, FREE]) {
    const list = await store.kept.get(path);
    if (!list) continue;
    const page = list.data as { items: WorkOrder[]; next: string | null };
    const others = page.items.filter((one) => one.id !== order.id);
    const belongs = path === MINE ? order.assignee?.id === mine : order.assignee === null;
    await store.kept.put({ path, data: { ...page, items: belongs ? [order, ...others] : others }, at });
  }
}

/** Forget what was loaded; what was done and not yet sent stays until its person signs in here again. */
export async function forgetKept(): Promise<void> {
  await Promise.all([store.kept.clear(), store.charts.clear()]);
}

/** Bounded: the oldest answers go first. */
export async function tidy(): Promise<void> {
  const old = Date.now() - KEPT_MS;
  await store.drafts.where("at").below(old).delete();
  for (const table of [store.kept, store.charts]) {
    await table.where("at").below(old).delete();
    const over = (await table.count()) - KEPT_MOST;
    if (over > 0) await table.orderBy("at").limit(over).delete();
  }
}
