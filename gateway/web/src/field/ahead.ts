/** Load what my jobs need before the network goes: details, machine, cover, papers, history, curves of what was noticed,
 * and the parts that I have with me. */
import { useEffect } from "react";

import { api, query } from "../api/client";
import type { Me, Page, WorkOrder } from "../api/types";
import type { Document } from "../desk/files/DocumentList";
import type { PlaceRef } from "../desk/stock/common";
import { isOpen } from "../ui/chips";
import { around, type ChartData, type ChartKeeper } from "../ui/Evidence";
import { fetchAhead, keptAt } from "./kept";
import { documentsPath, keepPapers } from "./papers";
import { fixesPath, linesPath } from "./refresh";
import { pathOf, store } from "./store";

const FRESH_MS = 5 * 60_000;
const JOBS_MOST = 30; // nobody does more in the hours without a network
const CURVES_MOST = 3; // a job's first ones say most

export const assetPath = (asset: string): string => `/assets/${asset}`;
export const coverPath = (asset: string): string => `/assets/${asset}/warranty`;
export const metersPath = (asset: string): string => `/assets/${asset}/meters`;
export const ownPlacesPath = (person: string): string => `/stock-locations${query({ person_id: person, limit: 20 })}`;
export const balancesPath = (place: string): string => `/stock-balances${query({ location_id: place, limit: 200 })}`;
export const historyPath = (asset: string): string => `/assets/${asset}/timeline?limit=12`;

export function useAhead(mine: Page<WorkOrder> | undefined, me: Me): void {
  const orders = (mine?.items ?? []).filter(isOpen).slice(0, JOBS_MOST);
  const wanted = orders.map((order) => order.id).join();
  useEffect(() => {
    const stop = new AbortController();
    void loadAll(orders, me.person.id, stop.signal).catch(() => undefined); // no network: the next list starts it again
    return () => stop.abort();
  }, [wanted]); // by id: the list itself is new with every answer
}

async function loadAll(orders: WorkOrder[], person: string, signal: AbortSignal): Promise<void> {
  for (const order of orders) {
    const asset = order.asset.id;
    await loadPaths([pathOf(order.id), assetPath(asset), historyPath(asset), linesPath(order.id), fixesPath(order.id), metersPath(asset)], signal);
    await loadCurves(order, signal);
  }
  await loadParts(person, signal).catch(() => undefined); // not everybody carries parts
  for (const order of orders) await loadPapers(order.asset.id, signal).catch(() => undefined);
}

async function loadPaths(paths: string[], signal: AbortSignal): Promise<void> {
  for (const path of paths) if (!signal.aborted && Date.now() - keptAt(path) > FRESH_MS) await fetchAhead(path);
}

async function loadParts(person: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted || Date.now() - keptAt(ownPlacesPath(person)) < FRESH_MS) return;
  const places = await fetchAhead<Page<PlaceRef>>(ownPlacesPath(person));
  await loadPaths(places.items.map((place) => balancesPath(place.id)), signal);
}

async function loadPapers(asset: string, signal: AbortSignal): Promise<void> {
  await loadPaths([coverPath(asset)], signal);
  if (signal.aborted || Date.now() - keptAt(documentsPath(asset)) < FRESH_MS) return;
  const documents = await fetchAhead<Page<Document>>(documentsPath(asset));
  await keepPapers(documents.items, signal);
}

async function loadCurves(order: WorkOrder, signal: AbortSignal): Promise<void> {
  const found = order.noticed;
  if (!found || order.replayed) return;
  const span = around(found.since ?? order.since, order.work_done_at ?? order.closed_at);
  for (const { metric } of found.contributions.slice(0, CURVES_MOST)) {
    const name = chartName(order.asset.id, metric);
    if (signal.aborted || Date.now() - ((await store.charts.get(name))?.at ?? 0) < FRESH_MS) continue;
    const asked = query({ metric, ...span, points: 300 });
    const readings = await api<ChartData["readings"]>(`/assets/${order.asset.id}/readings${asked}`);
    const expected = await api<ChartData["expected"]>(`/assets/${order.asset.id}/expected${asked}`).catch(() => null);
    await charts.keep(order.asset.id, metric, { readings, expected });
  }
}

const chartName = (asset: string, metric: string): string => `${asset}/${metric}`;

export const charts: ChartKeeper = {
  keep: async (asset, metric, data) => {
    await store.charts.put({ path: chartName(asset, metric), data, at: Date.now() }).catch(() => undefined);
  },
  read: async (asset, metric) => {
    const row = await store.charts.get(chartName(asset, metric)).catch(() => undefined);
    return row ? { ...(row.data as ChartData), at: row.at } : null;
  },
};
