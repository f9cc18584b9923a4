/** What the phone knows of a job beyond the list's row: my own visit, when it is, where it is. */
import type { Me } from "../api/types";
import type { Order, PlannedVisit } from "../desk/work/look";
import { isOpen } from "../ui/chips";

export type Job = Order & { asset: Order["asset"] & Partial<Spot> };
export type Spot = { latitude_deg: number | null; longitude_deg: number | null };

const LIVE = ["scheduled", "travelling", "in_progress", "on_break"];
const AT_WORK = ["travelling", "in_progress", "on_break"];
const RANK: Record<string, number> = { urgent: 0, high: 1, normal: 2, low: 3 };
const USUAL_MINUTES = 60; // what the server plans for work of unknown length

export const isLive = (visit: Pick<PlannedVisit, "state">): boolean => LIVE.includes(visit.state);

/** The visit that I am on or that comes next. */
export function myVisit(job: Pick<Job, "visits">, person: string): PlannedVisit | null {
  const mine = (job.visits ?? []).filter((visit) => visit.technician?.id === person && isLive(visit));
  return mine.find((visit) => AT_WORK.includes(visit.state)) ?? mine.toSorted((one, other) => (startOf(one) ?? "~").localeCompare(startOf(other) ?? "~"))[0] ?? null;
}

export const isMine = (job: Job, me: Me): boolean => job.assignee?.id === me.person.id || job.helpers?.some((one) => one.id === me.person.id) || myVisit(job, me.person.id) !== null;

export const startOf = (visit: PlannedVisit | null): string | null => visit?.planned_start ?? null;

export type Span = { from: Date; until: Date };

/** When a job is done as planned: my visit's times, else the hour that the job itself names. Null: at any time. */
export function spanOf(job: Job, person: string): Span | null {
  const visit = myVisit(job, person) ?? job.visits?.findLast((one) => one.technician?.id === person && one.planned_start) ?? null;
  const from = visit?.planned_start ?? (isOpen(job) ? job.window_from : null);
  if (!from) return null;
  const begin = new Date(from);
  const planned = visit?.planned_end ? new Date(visit.planned_end) : null;
  return { from: begin, until: planned ?? new Date(begin.getTime() + (job.duration_minutes ?? USUAL_MINUTES) * 60_000) };
}

/** At work first, then by the clock, then by what presses. */
export function inOrder(person: string) {
  return (one: Job, other: Job): number => {
    const busy = Number(atWork(other, person)) - Number(atWork(one, person));
    if (busy) return busy;
    const [first, second] = [spanOf(one, person)?.from.getTime() ?? Infinity, spanOf(other, person)?.from.getTime() ?? Infinity];
    if (first !== second) return first - second;
    return (RANK[one.priority] ?? 2) - (RANK[other.priority] ?? 2) || one.opened_at.localeCompare(other.opened_at);
  };
}

export const atWork = (job: Job, person: string): boolean => job.state === "in_progress" && (myVisit(job, person) === null || AT_WORK.includes(myVisit(job, person)!.state));

export const dayOf = (at: Date): Date => new Date(at.getFullYear(), at.getMonth(), at.getDate());
export const dayAfter = (day: Date, days: number): Date => new Date(day.getFullYear(), day.getMonth(), day.getDate() + days); // by the calendar: a day may have 23 hours
export const sameDay = (one: Date, other: Date): boolean => dayOf(one).getTime() === dayOf(other).getTime();

/** The Monday of a day's week. */
export const weekOf = (day: Date): Date => dayAfter(dayOf(day), -((day.getDay() + 6) % 7));

/** What overlaps a day. */
export function onDay(jobs: Job[], day: Date, person: string): { job: Job; span: Span }[] {
  const end = dayAfter(day, 1);
  return jobs
    .flatMap((job) => { const span = spanOf(job, person); return span && span.from < end && span.until > day ? [{ job, span }] : []; })
    .toSorted((one, other) => one.span.from.getTime() - other.span.from.getTime());
}
