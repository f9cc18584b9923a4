/** What is new for me, in one answer: put where the pages look for it, so that all of it is there without a network. */
import { useEffect } from "react";

import { api, ApiError, query } from "../api/client";
import type { Me } from "../api/types";
import type { Job, Spot } from "./jobs";
import { evidencePath, fixesPath, helpPath, picksPath, proceduresPath } from "./refresh";
import { PLACES } from "./spots";
import { fact, pathOf, store, type Kept } from "./store";

const EVERY_MS = 60_000;

type Row = Record<string, unknown>;
type Changes = {
  since: string;
  whole?: boolean;
  visits?: (Row & { work_order_id: string; asset_id: string; place?: Spot | null })[];
  orders?: (Job & { asset_model_id?: string | null })[];
  order_ids?: string[];
  procedures?: (Row & { work_order_id: string })[];
  picks?: Record<string, unknown>;
  last_fixes?: Record<string, unknown[]>;
  evidence?: (Row & { work_order_id: string | null })[];
  help?: (Row & { work_order_id: string })[];
};

const nameOf = (person: string): string => `changes/${person}`;

export function useChanges(me: Me): void {
  const person = me.person.id;
  useEffect(() => {
    let over = false;
    const ask = () => { if (!over && document.visibilityState === "visible") void takeChanges(person).catch(() => undefined); };
    ask();
    const timer = window.setInterval(ask, EVERY_MS);
    window.addEventListener("online", ask);
    return () => { over = true; window.clearInterval(timer); window.removeEventListener("online", ask); };
  }, [person]);
}

let asking = false;

/** Ask for what changed since the last time and keep it. */
export async function takeChanges(person: string): Promise<void> {
  if (asking) return;
  asking = true;
  try {
    const at = Date.now();
    const held = await fact<string>(nameOf(person));
    const told = await api<Changes>(`/sync/changes${query({ since: held })}`);
    if (typeof told?.since !== "string") return;
    await store.transaction("rw", store.kept, store.facts, async () => {
      await keepAll(rowsOf(told, at));
      await store.facts.put({ name: nameOf(person), value: told.since });
      const before = (await fact<Record<string, Spot>>(PLACES)) ?? {};
      const places = Object.fromEntries((told.visits ?? []).flatMap((visit) => (visit.place ? [[visit.asset_id, visit.place] as const] : [])));
      await store.facts.put({ name: PLACES, value: { ...before, ...places } });
    });
  } catch (error) {
    // The server has forgotten that moment: everything, the next time.
    if (error instanceof ApiError && error.status === 422) await store.facts.delete(nameOf(person));
  } finally {
    asking = false;
  }
}

/** Newer is better: an answer that the pages have read since stays. */
async function keepAll(rows: Kept[]): Promise<void> {
  const held = await store.kept.bulkGet(rows.map((row) => row.path));
  await store.kept.bulkPut(rows.filter((row, index) => (held[index]?.at ?? 0) < row.at));
}

function rowsOf(told: Changes, at: number): Kept[] {
  const rows: Kept[] = [];
  for (const order of told.orders ?? []) {
    const of = <T extends { work_order_id: unknown }>(list: T[] | undefined) => (list ?? []).filter((one) => one.work_order_id === order.id);
    rows.push({ path: pathOf(order.id), data: order, at });
    rows.push({ path: proceduresPath(order.id), data: { items: of(told.procedures), next: null }, at });
    rows.push({ path: evidencePath(order.id), data: { items: of(told.evidence), next: null }, at });
    rows.push({ path: helpPath(order.id), data: { items: of(told.help), next: null }, at });
    const fixes = told.last_fixes?.[order.id];
    if (fixes) rows.push({ path: fixesPath(order.id), data: { items: fixes, basis: fixes.length ? "asset_model" : "none" }, at });
    const picks = told.picks?.[order.asset_model_id ?? ""] ?? told.picks?.any;
    if (picks) rows.push({ path: picksPath(order.id), data: picks, at });
  }
  return rows;
}
