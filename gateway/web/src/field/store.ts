/** What the phone keeps: operations and photos not yet sent, answers to read without a network, half-written forms. */
import Dexie, { type EntityTable, type Transaction } from "dexie";

import type { WorkOrder } from "../api/types";
import { newId } from "./ids";

export type Somebody = { id: string; name: string };
export type Place = { latitude_deg: number; longitude_deg: number; accuracy_m?: number; at?: string };

/** Why the server refused an operation; `current` is how the thing stands there. */
export type Problem = {
  status: number;
  code: string;
  detail: string;
  params: Record<string, unknown>;
  at: string;
  current?: Record<string, unknown> | null;
  conflict?: boolean; // kept by the server for somebody to decide
  order: Pick<WorkOrder, "state" | "assignee" | "outcome"> | null;
};

export type Subject = { kind: "work_order" | "visit" | "case" | "asset" | "meter" | "evidence"; id: string };

/** One operation of POST /sync. */
export type Entry = {
  seq: number; // the order in which it was done
  key: string; // the operation's id, the same at every attempt, so the server does it once
  order: string;
  number: string;
  asset: string;
  kind: string;
  subject: Subject;
  body: Record<string, unknown>; // the payload
  needs: string[]; // evidence that the server must know of before
  until?: number | null; // not before: something about it is still being found out
  said?: string; // how a person knows it, where the payload holds ids alone
  at: string;
  person: Somebody;
  problem: Problem | null;
  sent: number | null; // since when the server has it; it stays until what it changed has been read again
};

/** A photo (or a drawn signature) until the server has all of it; afterwards its small picture alone. */
export type Photo = {
  id: string;
  order: string;
  number: string;
  asset: string;
  person: Somebody;
  run: string | null;
  step: string | null;
  caption: string;
  public: boolean; // the customer sees it, in the report too
  captured_at: string;
  place: Place | null;
  look: boolean; // its place is still being looked for
  content: Blob | null; // null once the server has it
  small: Blob;
  type: string;
  size: number;
  sha256: string;
  registered: boolean;
  offset: number; // bytes that the server has
  kept: boolean;
  at: number;
  problem: { code: string; detail: string } | null;
};

export type Kept = { path: string; data: unknown; at: number };
export type Draft = { id: string; outcome: string | null; note: string; repair_code: string | null; failure_mode?: string | null; cause?: string | null; at: number };
/** A single thing to remember: this installation's name, a running clock. */
export type Fact = { name: string; value: unknown };

export const PAPERS = "forewarn-papers"; // the cache of documents' files

const KEPT_MOST = 600; // answers; some thirty jobs with all that belongs to them
const KEPT_MS = 30 * 86_400_000;
const PICTURES_MOST = 200; // small pictures of photos that have arrived

class FieldStore extends Dexie {
  outbox!: EntityTable<Entry, "seq">;
  kept!: EntityTable<Kept, "path">;
  charts!: EntityTable<Kept, "path">;
  drafts!: EntityTable<Draft, "id">;
  photos!: EntityTable<Photo, "id">;
  facts!: EntityTable<Fact, "name">;

  constructor() {
    super("forewarn-field");
    this.version(1).stores({ outbox: "++seq", kept: "path, at", charts: "path, at", drafts: "id, at" });
    this.version(2).stores({ late: "id, at" });
    this.version(3).stores({ photos: "id, order, at", facts: "name", late: null }).upgrade(asOperations);
  }
}

const OLDER: Record<string, [string, Record<string, unknown>]> = { accept: ["order.accept", {}], start: ["visit.move", { to: "in_progress" }], finish: ["order.finish", {}] };

/** What an older version of these pages left unsent goes on as operations. */
async function asOperations(change: Transaction): Promise<void> {
  await change.table("outbox").toCollection().modify((entry: Record<string, any>) => {
    const [kind, payload] = OLDER[entry.action] ?? ["order.accept", {}];
    Object.assign(entry, { key: newId(Date.parse(entry.at)), kind, subject: { kind: "work_order", id: entry.order }, body: { ...payload, ...entry.body }, needs: [], sent: null, problem: null });
    delete entry.action;
  });
}

export const store = new FieldStore();

export const LISTS_MS = 60_000; // changes come over the stream; asking is for when it was cut
export const MINE = "/work-orders?assignee=me&recent=true&limit=100"; // not years of what is done
export const FREE = "/work-orders?open=true&assignee=nobody&limit=100";
export const pathOf = (order: string): string => `/work-orders/${order}`;

export async function fact<T>(name: string): Promise<T | undefined> {
  return (await store.facts.get(name))?.value as T | undefined;
}

/** Forget what was loaded; what was done and not yet sent stays until its person signs in here again. */
export async function forgetKept(): Promise<void> {
  if ("caches" in globalThis) await caches.delete(PAPERS);
  await Promise.all([store.kept.clear(), store.charts.clear(), store.photos.filter((one) => one.kept).delete(), store.facts.filter((one) => one.name.startsWith("changes/")).delete()]);
}

/** Bounded: the oldest answers go first. What is not sent never goes. */
export async function tidy(): Promise<void> {
  const old = Date.now() - KEPT_MS;
  await store.drafts.where("at").below(old).delete();
  for (const table of [store.kept, store.charts]) {
    await table.where("at").below(old).delete();
    const over = (await table.count()) - KEPT_MOST;
    if (over > 0) await table.orderBy("at").limit(over).delete();
  }
  const arrived = await store.photos.orderBy("at").filter((one) => one.kept).primaryKeys();
  await store.photos.bulkDelete(arrived.slice(0, Math.max(0, arrived.length - PICTURES_MOST)));
}
