/** My work: as a list, on the map, by the hours of a day, by the days of a week. */
import { Button, SegmentedControl } from "@mantine/core";
import { CalendarDays, CalendarRange, ChevronDown, Coffee, List, Map as MapIcon } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Link, useOutletContext } from "react-router";

import type { Me, Page } from "../../api/types";
import { useText } from "../../i18n/useText";
import { isOpen } from "../../ui/chips";
import { Bones, Empty, Loaded } from "../../ui/states";
import { useInstalled } from "../install";
import { JobCard } from "../JobCard";
import { atWork, dayOf, dayAfter, inOrder, spanOf, type Job } from "../jobs";
import { useKept } from "../kept";
import { applied, useOutbox } from "../outbox";
import { isState } from "../send";
import { FREE, LISTS_MS, MINE } from "../store";
import { DayView, WeekView } from "./Calendar";

const TodayMap = lazy(() => import("./TodayMap").then((made) => ({ default: made.TodayMap })));

const VIEWS = [["list", List], ["map", MapIcon], ["day", CalendarDays], ["week", CalendarRange]] as const;
type View = (typeof VIEWS)[number][0];
const CHOSEN = "forewarn.today";
const FINISHED_MOST = 20;

export function TodayPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const mine = useKept<Page<Job>>(["work-orders"], MINE, LISTS_MS);
  const free = useKept<Page<Job>>(["work-orders"], FREE, LISTS_MS);
  const { entries } = useOutbox();
  const [view, setView] = useState<View>(() => remembered());
  const [day, setDay] = useState(() => dayOf(new Date()));
  const show = (next: View) => { setView(next); remember(next); };
  return (
    <>
      <div><h1>{text.t("field.mine")}</h1><div className="muted small">{text.day(Date.now())} · {me.person.name}</div></div>
      <SegmentedControl
        fullWidth size="md" value={view} onChange={(word) => show(word as View)} aria-label={text.t("today.view")}
        data={VIEWS.map(([value, Icon]) => ({ value, label: <span className="seg"><Icon size={17} aria-hidden />{text.t(`today.${value}`)}</span> }))}
      />
      <Loaded of={mine} skeleton={<Bones rows={6} height={26} />}>
        {(page) => {
          // Work taken a moment ago is mine before the server's list says so.
          const taken = (free.data?.items ?? []).filter((order) => entries.some((entry) => entry.order === order.id && isState(entry) && entry.person.id === me.person.id));
          const all = [...page.items, ...taken].filter((order, index, list) => list.findIndex((one) => one.id === order.id) === index);
          const jobs = all.map((order) => applied(order, entries, me.person)).toSorted(inOrder(me.person.id));
          if (view === "map") return <Suspense fallback={<Bones rows={8} height={40} />}><TodayMap jobs={jobs.filter(isOpen)} person={me.person.id} /></Suspense>;
          if (view === "day") return <DayView jobs={jobs} person={me.person.id} day={day} setDay={setDay} />;
          if (view === "week") return <WeekView jobs={jobs} person={me.person.id} day={day} setDay={setDay} open={(chosen) => { setDay(chosen); show("day"); }} />;
          return <AsList jobs={jobs} person={me.person.id} />;
        }}
      </Loaded>
    </>
  );
}

const GROUPS = ["now", "late", "today", "later", "anytime"] as const;

function groupOf(job: Job, person: string, now: Date): (typeof GROUPS)[number] {
  if (atWork(job, person)) return "now";
  const span = spanOf(job, person);
  if (!span) return "anytime";
  if (span.until < dayOf(now)) return "late";
  return span.from < dayAfter(dayOf(now), 1) ? "today" : "later";
}

function AsList(props: { jobs: Job[]; person: string }) {
  const { t } = useText();
  const { offline } = useInstalled();
  const [done, showDone] = useState(false);
  const now = new Date();
  const open = props.jobs.filter(isOpen);
  const finished = props.jobs.filter((job) => !isOpen(job)).slice(0, FINISHED_MOST);
  const groups = GROUPS.map((name) => ({ name, jobs: open.filter((job) => groupOf(job, props.person, now) === name) })).filter((group) => group.jobs.length > 0);
  return (
    <>
      {open.length === 0 && (
        <Empty icon={Coffee} sentence={t("field.none_mine")} action={<Button component={Link} to="/available" size="md">{t("field.see_available")}</Button>} example={t(offline ? "field.none_mine_example" : "field.none_mine_online")} />
      )}
      {groups.map((group) => (
        <div key={group.name} className="stack" style={{ gap: 12 }}>
          {(groups.length > 1 || group.name === "late") && <h2 className="grouphead">{t(`today.group.${group.name}`)} <span className="muted">{group.jobs.length}</span></h2>}
          {group.jobs.map((job) => <JobCard key={job.id} order={job} person={props.person} dated={["late", "later"].includes(group.name)} />)}
        </div>
      ))}
      {finished.length > 0 && (
        <button type="button" className="plainbutton row muted" style={{ minHeight: 48, fontWeight: 560 }} aria-expanded={done} onClick={() => showDone(!done)}>
          <ChevronDown size={18} style={{ transform: done ? "rotate(180deg)" : undefined }} aria-hidden />{t("field.finished", { count: finished.length })}
        </button>
      )}
      {done && finished.map((job) => <JobCard key={job.id} order={job} person={props.person} />)}
    </>
  );
}

function remembered(): View {
  try {
    const word = localStorage.getItem(CHOSEN);
    return VIEWS.find(([name]) => name === word)?.[0] ?? "list";
  } catch {
    return "list";
  }
}

function remember(view: View): void {
  try {
    localStorage.setItem(CHOSEN, view);
  } catch {
    // it opens as a list next time
  }
}
