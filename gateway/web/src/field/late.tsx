/** Movements of parts that found no network: kept on the phone, sent in their order, never booked twice. */
import { liveQuery } from "dexie";
import { CloudOff, OctagonAlert } from "lucide-react";
import { useEffect, useState } from "react";

import { api, post, Unreachable } from "../api/client";
import { useText } from "../i18n/useText";
import { Notice } from "../ui/states";
import { store, type Late } from "./store";

const RETRY_MS = 15_000;
type Result = { operation_id: string; state: string; code: string | null };

/** Return whether it waits on the phone; a refusal by the server is thrown. */
export async function book(body: Record<string, unknown> & { operation_id: string }, person: string, said: string): Promise<boolean> {
  try {
    await post("/stock-movements", body);
    return false;
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    await store.late.put({ id: body.operation_id, person, said, at: Date.now(), body, code: null });
    return true;
  }
}

let sending = false;

/** The same operation has the same id at every attempt, so the server books it once. */
async function sendLate(person: string): Promise<void> {
  if (sending) return;
  sending = true;
  try {
    const waiting = (await store.late.orderBy("at").toArray()).filter((one) => one.person === person && one.code === null).slice(0, 100);
    if (waiting.length === 0) return;
    const answer = await api<{ results: Result[] }>("/stock-movements/sync", { method: "POST", body: { operations: waiting.map((one) => ({ ...one.body, offline: true })) } });
    for (const result of answer.results) {
      if (result.state === "conflict") await store.late.update(result.operation_id, { code: result.code ?? "conflict" });
      else await store.late.delete(result.operation_id);
    }
  } catch {
    // no network yet: it is tried again
  } finally {
    sending = false;
  }
}

export function LateList(props: { person: string }) {
  const text = useText();
  const [rows, setRows] = useState<Late[]>([]);
  useEffect(() => {
    const followed = liveQuery(() => store.late.orderBy("at").toArray()).subscribe({ next: setRows, error: () => undefined });
    const now = () => void sendLate(props.person);
    now();
    const timer = window.setInterval(now, RETRY_MS);
    window.addEventListener("online", now);
    return () => { followed.unsubscribe(); window.clearInterval(timer); window.removeEventListener("online", now); };
  }, [props.person]);
  const own = rows.filter((one) => one.person === props.person);
  return (
    <>
      {own.map((one) => (
        <Notice key={one.id} tone={one.code ? "trouble" : "watch"} icon={one.code ? OctagonAlert : CloudOff}>
          <div className="break" style={{ fontWeight: 560 }}>{one.said}</div>
          <div className="small">{one.code ? text.t("field.conflict", { why: text.code("error", one.code) }) : text.t("field.waits")}</div>
          {one.code && <button type="button" className="plainbutton link small" onClick={() => void store.late.delete(one.id)}>{text.t("field.seen")}</button>}
        </Notice>
      ))}
    </>
  );
}
