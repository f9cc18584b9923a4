/** A running clock, one for each person: kept on the phone, so that it outlives a reload and an empty battery. */
import { liveQuery } from "dexie";
import { useEffect, useState } from "react";

import type { Job } from "../jobs";
import { fact, store } from "../store";

export type Clock = { order: string; number: string; kind: "labour" | "travel"; started_at: string };

const nameOf = (person: string): string => `clock/${person}`;

export async function startClock(person: string, order: Job, kind: Clock["kind"]): Promise<void> {
  const clock: Clock = { order: order.id, number: order.number, kind, started_at: new Date().toISOString() };
  await store.facts.put({ name: nameOf(person), value: clock });
}

/** The clock that ran, stopped; null when none did. */
export async function stopClock(person: string): Promise<Clock | null> {
  const clock = await fact<Clock>(nameOf(person));
  await store.facts.delete(nameOf(person));
  return clock ?? null;
}

export function useClock(person: string): Clock | null {
  const [clock, setClock] = useState<Clock | null>(null);
  useEffect(() => {
    const followed = liveQuery(() => fact<Clock>(nameOf(person))).subscribe({ next: (found) => setClock(found ?? null), error: () => undefined });
    return () => followed.unsubscribe();
  }, [person]);
  return clock;
}
