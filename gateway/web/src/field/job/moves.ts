/** What I may do with a job now: my visit's legal moves, as buttons. */
import type { Me } from "../../api/types";
import { isLive, myVisit, type Job } from "../jobs";

/** The table of the contract (ticketing/visits.py). */
const VISIT_MOVES: Record<string, string[]> = {
  scheduled: ["travelling", "in_progress", "cannot_complete"],
  travelling: ["scheduled", "in_progress", "cannot_complete"],
  in_progress: ["on_break", "completed", "partially_completed", "cannot_complete"],
  on_break: ["in_progress", "completed", "partially_completed", "cannot_complete"],
};
const OPEN = ["unscheduled", "scheduled", "in_progress", "on_hold", "cannot_complete"];

export type Moves = {
  visit: string | null; // my visit's state
  accept: boolean; // nobody has it, or I help and have no visit yet
  again: boolean; // it could not be done: try again
  legal: string[];
  document: boolean;
  others: string | null; // who does it
  blocked: string[]; // by which orders
};

export function movesOf(job: Job, me: Me): Moves {
  const person = me.person.id;
  const visit = myVisit(job, person);
  const helps = job.helpers?.some((one) => one.id === person) ?? false;
  const mine = job.assignee?.id === person || visit !== null || helps;
  const open = OPEN.includes(job.state);
  const blocked = (job.blocked_by ?? []).filter((one) => !one.cleared_at).map((one) => one.number);
  // A visit that began as the order's own: older lists name no visits.
  const state = visit?.state ?? (mine && open && (job.visits ?? []).filter(isLive).length === 0 && job.assignee?.id === person && job.state !== "cannot_complete" ? (job.state === "in_progress" ? "in_progress" : "scheduled") : null);
  return {
    visit: open ? state : null,
    accept: open && state === null && job.state !== "cannot_complete" && (!job.assignee || mine),
    again: job.state === "cannot_complete" && (mine || !job.assignee),
    legal: open && state ? (VISIT_MOVES[state] ?? []) : [],
    document: job.state === "completed" && (mine || (job.may ?? []).includes("work_order.review")),
    others: job.assignee && !mine && open ? job.assignee.name : null,
    blocked,
  };
}
