/** Arrived and left: when, how far from the machine, or why the phone could not tell where it is. */
import { Button } from "@mantine/core";
import { liveQuery } from "dexie";
import { LocateFixed, MapPinCheck, MapPinOff } from "lucide-react";
import { useEffect, useState } from "react";

import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { Notice } from "../../ui/states";
import { newId } from "../ids";
import { myVisit, type Job } from "../jobs";
import { push, useOutbox } from "../outbox";
import { metresBetween, position, type Fix, type NoFix } from "../places";
import type { Made } from "../send";
import { spotOf } from "../spots";
import { fact, store, type Place } from "../store";

const WITHIN_MS = 20_000;
const SLACK_MS = 3_000;
const FAR_M = 500; // further away than a large site is wide
const WHY: Record<NoFix, string> = { refused: "denied", none: "unavailable", late: "timeout", insecure: "other" };

type Act = (me: Me, ...made: Made[]) => Promise<boolean>;
type Told = { at: string; distance_m: number | null; accuracy_m: number | null; why: NoFix | null };

export const placeOf = (fix: Fix): Place => ({ latitude_deg: fix.latitude_deg, longitude_deg: fix.longitude_deg, accuracy_m: fix.accuracy_m, at: new Date().toISOString() });

const nameOf = (order: string): string => `checkin/${order}`;

/** The operations of a beginning: the move, and the arrival, whose place is still being looked for. It never holds the work up. */
export async function arrive(order: Job, me: Me, act: Act, ...moves: Made[]): Promise<boolean> {
  const key = newId();
  const visit = myVisit(order, me.person.id);
  const subject = visit && visit.version > 0 ? { kind: "visit" as const, id: visit.id } : undefined;
  await store.facts.delete(nameOf(order.id)).catch(() => undefined);
  const arrival: Made = { order, kind: "visit.check_in", key, subject, until: Date.now() + WITHIN_MS + SLACK_MS, body: { place: null, why_no_place: "timeout" } };
  if (!(await act(me, ...moves, arrival))) return false;
  void look(order, key).catch(() => undefined);
  return true;
}

async function look(order: Job, key: string): Promise<void> {
  const fix = await position(WITHIN_MS, 60_000);
  const spot = await spotOf(order);
  const distance_m = typeof fix === "string" || !spot ? null : metresBetween(fix, { latitude_deg: spot.latitude_deg!, longitude_deg: spot.longitude_deg! });
  const told: Told = { at: new Date().toISOString(), distance_m, accuracy_m: typeof fix === "string" ? null : fix.accuracy_m, why: typeof fix === "string" ? fix : null };
  await store.facts.put({ name: nameOf(order.id), value: told });
  const body = typeof fix === "string" ? { place: null, why_no_place: WHY[fix] } : { place: placeOf(fix) };
  await store.outbox.filter((one) => one.key === key && one.sent === null).modify({ body, until: null });
  void push();
}

export function distanceText(metres: number, text: Text): string {
  return metres >= 1000 ? `${text.number(metres / 1000, 1)} km` : `${text.number(Math.round(metres), 0)} m`;
}

/** The card on a job at work. */
export function OnSiteCard(props: { order: Job; me: Me }) {
  const text = useText();
  const { order, me } = props;
  const { act } = useOutbox();
  const [told, setTold] = useState<Told | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const followed = liveQuery(() => fact<Told>(nameOf(order.id))).subscribe({ next: (value) => setTold(value ?? null), error: () => undefined });
    return () => followed.unsubscribe();
  }, [order.id]);
  const visit = myVisit(order, me.person.id) as (ReturnType<typeof myVisit> & { checked_in_at?: string | null; checked_in_distance_m?: number | null }) | null;
  if (!visit || !["in_progress", "on_break"].includes(visit.state)) return null;
  const distance = visit.checked_in_distance_m ?? told?.distance_m ?? null;
  const at = visit.checked_in_at ?? told?.at ?? null;
  const again = async () => { setBusy(true); await arrive(order, me, act); setBusy(false); };
  return (
    <section className="card pad">
      <div className="row" style={{ gap: 10 }}>
        {told?.why && distance === null ? <MapPinOff size={20} color="#8f5a00" aria-hidden /> : <MapPinCheck size={20} color="#1f7a4d" aria-hidden />}
        <span className="grow">
          <b style={{ fontWeight: 620 }}>{text.t(at ? "checkin.here" : "checkin.looking")}</b>
          <span className="small muted" style={{ display: "block" }}>{[at ? text.moment(at) : "", distance !== null ? text.t("checkin.distance", { distance: distanceText(distance, text) }) : told && !told.why ? text.t("checkin.no_asset_place") : ""].filter(Boolean).join(" · ")}</span>
        </span>
        <Button size="md" px={14} variant="default" aria-label={text.t("checkin.again")} loading={busy} onClick={() => void again()}><LocateFixed size={20} /></Button>
      </div>
      {told?.why && distance === null && <div style={{ marginTop: 10 }}><Notice tone="watch">{text.t(`checkin.why.${told.why}`)}</Notice></div>}
      {distance !== null && distance > FAR_M && <div style={{ marginTop: 10 }}><Notice tone="watch" icon={MapPinOff}>{text.t("checkin.far", { distance: distanceText(distance, text) })}</Notice></div>}
    </section>
  );
}
