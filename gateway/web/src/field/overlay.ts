/** Things as they will be once what waits on the phone has arrived. */
import type { PlannedVisit } from "../desk/work/look";
import type { Answer, Run } from "../desk/work/Checklist";
import { myVisit, type Job } from "./jobs";
import { judged } from "./steps";
import type { Entry, Somebody } from "./store";

const END: Record<string, string> = { completed: "completed", partially_completed: "unscheduled", cannot_complete: "cannot_complete" };

/** A job with my own steps on it; from a refused one on it is as the server says. */
export function applied<T extends Job>(order: T, held: Entry[], me: Somebody): T {
  const own = held.filter((entry) => entry.order === order.id && entry.person.id === me.id);
  let shown = order;
  for (const entry of own) {
    if (entry.problem) break;
    shown = after(shown, entry, me);
  }
  return shown;
}

function after<T extends Job>(order: T, entry: Entry, me: Somebody): T {
  const { kind, body } = entry;
  if (kind === "order.accept") return { ...order, state: order.state === "in_progress" ? order.state : "scheduled", assignee: order.assignee ?? me, visits: moved(order, entry, me, "scheduled") };
  if (kind === "visit.move") {
    const to = String(body.to);
    const state = END[to] ?? (to === "scheduled" ? "scheduled" : "in_progress");
    return { ...order, state, hold_reason: null, assignee: order.assignee ?? me, visits: moved(order, entry, me, to), ...found(order, body), cannot_complete_reason: to === "cannot_complete" ? String(body.reason_code ?? "other") : order.cannot_complete_reason };
  }
  if (kind === "order.finish") return { ...order, state: "completed", work_done_at: entry.at, visits: moved(order, entry, me, "completed"), ...found(order, body) };
  if (kind === "order.document") return { ...order, state: "documented" };
  if (kind === "order.hold") return { ...order, state: "on_hold", hold_reason: String(body.reason_code ?? "other") };
  if (kind === "order.result") return { ...order, ...found(order, body) };
  if (kind === "visit.check_in" || kind === "visit.check_out") {
    const name = kind === "visit.check_in" ? "checked_in_at" : "checked_out_at";
    return { ...order, visits: (order.visits ?? []).map((visit) => (visit.id === (myVisit(order, me.id)?.id ?? entry.subject.id) ? { ...visit, [name]: entry.at } : visit)) };
  }
  return order;
}

function found(order: Job, body: Record<string, unknown>): Partial<Job> {
  const word = (name: string) => (typeof body[name] === "string" ? (body[name] as string) : null);
  if (!body.outcome) return {};
  return { outcome: word("outcome"), outcome_note: word("note") ?? order.outcome_note, repair_code: word("repair_code"), ...{ failure_mode: word("failure_mode"), cause: word("cause") } };
}

/** My visit in another state; who has none gets one, as the server makes it. */
function moved(order: Job, entry: Entry, me: Somebody, to: string): PlannedVisit[] {
  const visits = order.visits ?? [];
  const mine = myVisit(order, me.id);
  const times = to === "in_progress" ? { started_at: mine?.started_at ?? entry.at } : to === "travelling" ? { travelling_at: entry.at } : to in END ? { finished_at: entry.at } : {};
  if (mine) return visits.map((visit) => (visit.id === mine.id ? { ...visit, state: entry.kind === "order.accept" ? visit.state : to, ...times } : visit));
  const made = { id: entry.key, state: to, technician: me, scheduled_at: entry.at, started_at: null, finished_at: null, planned_start: null, planned_end: null, pinned: false, travel_minutes: null, cannot_complete_reason: null, legal_moves: [], version: 0, ...times };
  return to in END ? visits : [...visits, made];
}

/** A checklist with my answers in it, asked and missing steps counted anew. */
export function answered(kept: Run, held: Entry[], me: Somebody): Run {
  const mine = held.filter((entry) => entry.body.run_id === kept.id && entry.person.id === me.id && !entry.problem);
  const run = permitted(kept, mine, me);
  const own = mine.filter((entry) => entry.kind === "procedure.answer");
  if (own.length === 0) return run;
  const answers = { ...run.answers };
  for (const entry of own) {
    const step = run.steps.find((one) => one.key === entry.body.step);
    const before = step && answers[step.key];
    if (!step || (before && before.answered_at > entry.at && before.id !== entry.body.answer_id)) continue;
    const given: Answer = { id: String(entry.body.answer_id), step: step.key, value: entry.body.value ?? null, evidence_ids: (entry.body.evidence_ids as string[] | undefined) ?? [], note: (entry.body.note as string | null) ?? null, out_of_limit: false, answered_at: entry.at, answered_by: me };
    answers[step.key] = given;
  }
  return { ...run, ...judged(run.steps, answers) };
}

/** A checklist with what I entered into its permits. */
function permitted(run: Run, mine: Entry[], me: Somebody): Run {
  const own = mine.filter((entry) => entry.kind === "permit.enter");
  if (own.length === 0) return run;
  const word = (value: unknown) => (typeof value === "string" ? value : null);
  const known = new Set((run.permit_entries ?? []).map((one) => one.id));
  const made = own
    .filter((entry) => !known.has(String(entry.body.entry_id)))
    .map((entry) => ({ id: String(entry.body.entry_id), permit: String(entry.body.permit), action: String(entry.body.action), point: word(entry.body.point), lock_number: word(entry.body.lock_number), person: me, of_person: null, note: word(entry.body.note), at: entry.at }));
  return { ...run, permit_entries: [...(run.permit_entries ?? []), ...made] };
}
