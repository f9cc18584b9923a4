/** Where the machines of my jobs stand: as the list says, else as what was kept of the machine. */
import { useEffect, useState } from "react";
import { liveQuery } from "dexie";

import { assetPath } from "./ahead";
import type { Job, Spot } from "./jobs";
import { store } from "./store";

const placed = (spot: Partial<Spot> | null | undefined): Spot | null => (typeof spot?.latitude_deg === "number" && typeof spot.longitude_deg === "number" ? { latitude_deg: spot.latitude_deg, longitude_deg: spot.longitude_deg } : null);

export const PLACES = "places"; // asset → place, as the last changes told them

export async function spotOf(job: Job): Promise<Spot | null> {
  const own = placed(job.asset);
  if (own) return own;
  const told = (await store.facts.get(PLACES).catch(() => undefined))?.value as Record<string, Spot> | undefined;
  const asset = await store.kept.get(assetPath(job.asset.id)).catch(() => undefined);
  return placed(told?.[job.asset.id]) ?? placed(asset?.data as Partial<Spot> | undefined);
}

/** By asset; who has no place is not in it. */
export function useSpots(jobs: Job[]): Map<string, Spot> {
  const [spots, setSpots] = useState<Map<string, Spot>>(new Map());
  const wanted = jobs.map((job) => job.asset.id).toSorted().join();
  useEffect(() => {
    const followed = liveQuery(async () => {
      const found = new Map<string, Spot>();
      for (const job of jobs) { const spot = await spotOf(job); if (spot) found.set(job.asset.id, spot); }
      return found;
    }).subscribe({ next: setSpots, error: () => undefined });
    return () => followed.unsubscribe();
  }, [wanted]);
  return spots;
}
