/** The hours of one day, and the seven days of a week. */
import { ActionIcon, Button } from "@mantine/core";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { Link } from "react-router";

import { useText, type Text } from "../../i18n/useText";
import { orderTitle } from "../../text/sentences";
import { isOpen } from "../../ui/chips";
import { TONES, type Tone } from "../../ui/theme";
import { JobCard } from "../JobCard";
import { dayAfter, onDay, sameDay, spanOf, weekOf, type Job, type Span } from "../jobs";
import { hour, hours, longDay, weekday } from "./words";

type Props = { jobs: Job[]; person: string; day: Date; setDay: (day: Date) => void };
type Placed = { job: Job; span: Span };

const HOUR_PX = 58;
const LEAST_PX = 46; // what a thumb can hit
const [FIRST, LAST] = [7, 18]; // the hours shown on a day with nothing outside them

function Steps(props: { label: string; back: () => void; on: () => void; today: () => void; here: boolean }) {
  const { t } = useText();
  return (
    <div className="row" style={{ gap: 8 }}>
      <ActionIcon size={46} variant="default" aria-label={t("today.back")} onClick={props.back}><ChevronLeft size={22} /></ActionIcon>
      <div className="grow break" style={{ textAlign: "center", fontWeight: 640 }} aria-live="polite">{props.label}</div>
      {!props.here && <Button size="md" variant="default" px={12} onClick={props.today}>{t("today.today")}</Button>}
      <ActionIcon size={46} variant="default" aria-label={t("today.on")} onClick={props.on}><ChevronRight size={22} /></ActionIcon>
    </div>
  );
}

function toneOf(job: Job): Tone {
  if (!isOpen(job)) return "quiet";
  return job.state === "in_progress" ? "learning" : job.priority === "urgent" ? "trouble" : job.priority === "high" ? "watch" : "ok";
}

export function DayView(props: Props) {
  const text = useText();
  const now = new Date();
  const placed = onDay(props.jobs, props.day, props.person);
  const loose = props.jobs.filter((job) => isOpen(job) && !spanOf(job, props.person));
  return (
    <>
      <Steps label={longDay(props.day, text)} here={sameDay(props.day, now)} today={() => props.setDay(dayAfter(now, 0))} back={() => props.setDay(dayAfter(props.day, -1))} on={() => props.setDay(dayAfter(props.day, 1))} />
      <Hours placed={placed} day={props.day} />
      {placed.length === 0 && <div className="muted small" style={{ textAlign: "center" }}>{text.t("today.nothing")}</div>}
      {loose.length > 0 && sameDay(props.day, now) && (
        <>
          <h2 className="grouphead">{text.t("today.group.anytime")} <span className="muted">{loose.length}</span></h2>
          {loose.map((job) => <JobCard key={job.id} order={job} person={props.person} />)}
        </>
      )}
    </>
  );
}

function Hours(props: { placed: Placed[]; day: Date }) {
  const text = useText();
  const { placed, day } = props;
  const end = dayAfter(day, 1);
  // A night's work is drawn on both of its days, each with its own part.
  const shown = placed.map(({ job, span }) => ({ job, span, from: inHours(span.from < day ? day : span.from, day), until: inHours(span.until > end ? end : span.until, day) }));
  const first = Math.floor(Math.min(FIRST, ...shown.map((one) => one.from)));
  const last = Math.ceil(Math.max(LAST, ...shown.map((one) => one.until)));
  const lanes = inLanes(shown);
  const now = sameDay(day, new Date()) ? inHours(new Date(), day) : null;
  return (
    <div className="card hours" style={{ height: (last - first) * HOUR_PX + 16 }}>
      {Array.from({ length: last - first + 1 }, (_, index) => (
        <div key={index} className="hour" style={{ top: index * HOUR_PX + 8 }}><span>{String((first + index) % 24).padStart(2, "0")}</span></div>
      ))}
      {lanes.map(({ one, lane, of }) => {
        const tone = TONES[toneOf(one.job)];
        return (
          <Link
            key={one.job.id} to={`/work/${one.job.id}`} className="block"
            style={{
              top: (one.from - first) * HOUR_PX + 9, height: Math.max(LEAST_PX, (one.until - one.from) * HOUR_PX) - 3,
              left: `calc(46px + (100% - 54px) * ${lane / of})`, width: `calc((100% - 54px) / ${of} - 4px)`,
              background: tone.fill, borderColor: tone.line, color: tone.ink,
            }}
          >
            <b className="clamp1">{one.job.asset.name}</b>
            <span className="clamp1">{hours(one.span.from, one.span.until, text)} · {orderTitle(one.job, text)}</span>
          </Link>
        );
      })}
      {now !== null && now >= first && now <= last && <div className="nowline" style={{ top: (now - first) * HOUR_PX + 8 }} />}
    </div>
  );
}

const inHours = (at: Date, day: Date): number => (at.getTime() - day.getTime()) / 3_600_000;

type Shown = Placed & { from: number; until: number };

/** What overlaps stands side by side; as tall as a thumb needs counts as overlapping. */
function inLanes(shown: Shown[]): { one: Shown; lane: number; of: number }[] {
  const least = LEAST_PX / HOUR_PX;
  const done: { one: Shown; lane: number; of: number }[] = [];
  let bunch: { one: Shown; lane: number }[] = [];
  let reach = -Infinity;
  const close = () => {
    const of = Math.max(0, ...bunch.map((each) => each.lane)) + 1;
    done.push(...bunch.map((each) => ({ ...each, of })));
    bunch = [];
  };
  for (const one of shown) {
    if (one.from >= reach) close();
    const busy = bunch.filter((each) => Math.max(each.one.until, each.one.from + least) > one.from).map((each) => each.lane);
    let lane = 0;
    while (busy.includes(lane)) lane += 1;
    bunch.push({ one, lane });
    reach = Math.max(reach, one.until, one.from + least);
  }
  close();
  return done;
}

export function WeekView(props: Props & { open: (day: Date) => void }) {
  const text = useText();
  const now = new Date();
  const monday = weekOf(props.day);
  const days = Array.from({ length: 7 }, (_, index) => dayAfter(monday, index));
  const label = `${weekday(days[0]!, text)} – ${weekday(days[6]!, text)}`;
  return (
    <>
      <Steps label={label} here={sameDay(monday, weekOf(now))} today={() => props.setDay(dayAfter(now, 0))} back={() => props.setDay(dayAfter(monday, -7))} on={() => props.setDay(dayAfter(monday, 7))} />
      <div className="card" style={{ overflow: "hidden" }}>
        {days.map((day) => <WeekDay key={day.getTime()} day={day} placed={onDay(props.jobs, day, props.person)} today={sameDay(day, now)} open={() => props.open(day)} text={text} />)}
      </div>
    </>
  );
}

function WeekDay(props: { day: Date; placed: Placed[]; today: boolean; open: () => void; text: Text }) {
  const { text } = props;
  return (
    <section className="weekday" style={props.today ? { background: "#eef7f6" } : undefined}>
      <button type="button" className="plainbutton weekhead" onClick={props.open} aria-label={`${longDay(props.day, text)}: ${text.t("today.jobs", { count: props.placed.length })}`}>
        <b>{weekday(props.day, text)}</b>
        <span className="grow" />
        <span className="small muted">{props.placed.length > 0 ? text.t("today.jobs", { count: props.placed.length }) : text.t("today.free")}</span>
        <ChevronRight size={17} className="muted" aria-hidden />
      </button>
      {props.placed.map(({ job, span }) => (
        <Link key={job.id} to={`/work/${job.id}`} className="weekjob">
          <i style={{ background: TONES[toneOf(job)].ink }} />
          <span className="num">{hour(span.from, text)}</span>
          <span className="grow clamp1"><b style={{ fontWeight: 620 }}>{job.asset.name}</b> <span className="muted">{orderTitle(job, text)}</span></span>
        </Link>
      ))}
    </section>
  );
}
