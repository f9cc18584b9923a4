/** Planned work by day: a month at a glance, the chosen day or the whole week as a list. */
import { ActionIcon, Button, SegmentedControl } from "@mantine/core";
import { CalendarDays, ChevronLeft, ChevronRight, Rss } from "lucide-react";
import { Link, useSearchParams } from "react-router";

import { useOne, useRows, type Schema } from "../../api/rows";
import { query } from "../../api/client";
import { useText } from "../../i18n/useText";
import { PageHead, useTitle } from "../../ui/parts";
import { Pick } from "../../ui/Pick";
import { Rows } from "../../ui/Rows";
import { Empty, Failure } from "../../ui/states";
import { SITES } from "../assets/look";
import { dayText, isoDay, type Occurrence } from "./look";
import { occurrenceColumns } from "./OccurrenceRows";
import { PlansTabs } from "./PlansTabs";
import { WEEKDAYS, weekdayName } from "./sentence";

type Day = Schema["OccurrenceDay"];

const at = (day: string) => new Date(`${day}T12:00:00`);
const plus = (day: string, count: number) => { const moved = at(day); moved.setDate(moved.getDate() + count); return isoDay(moved); };
const monday = (day: string) => plus(day, -((at(day).getDay() + 6) % 7));

export function CalendarPage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  useTitle(text.t("plan.tab.calendar"));
  const today = isoDay(new Date());
  const day = /^\d{4}-\d\d-\d\d$/.test(params.get("day") ?? "") ? params.get("day")! : today;
  const span = params.get("span") === "week" ? "week" : "month";
  const site = params.get("site_id");
  const put = (changes: Record<string, string | null>) => setParams((held) => { const next = new URLSearchParams(held); for (const [name, value] of Object.entries(changes)) if (value) next.set(name, value); else next.delete(name); return next; }, { replace: true });
  const first = span === "week" ? monday(day) : monday(`${day.slice(0, 8)}01`);
  const weeks = span === "week" ? 1 : 6;
  const last = plus(first, weeks * 7 - 1);
  const counted = useOne<Schema["OccurrenceDays"]>(`/occurrences/days${query({ from: first, until: last, site_id: site })}`);
  const days = new Map((counted.data?.items ?? []).map((one) => [one.day, one]));
  const shift = (way: number) => { if (span === "week") return put({ day: plus(day, 7 * way) }); const moved = at(`${day.slice(0, 8)}15`); moved.setMonth(moved.getMonth() + way); put({ day: `${isoDay(moved).slice(0, 8)}01` }); };
  const title = span === "week" ? `${dayText(first, text)} – ${dayText(last, text)}` : new Intl.DateTimeFormat(text.language === "zh" ? "zh-CN" : "en-GB", { month: "long", year: "numeric" }).format(at(day));
  return (
    <>
      <PageHead title={text.t("plan.tab.calendar")} sub={text.t("plan.calendar_sub")} right={<Button variant="default" component={Link} to="/notifications/wishes" leftSection={<Rss size={16} />}>{text.t("plan.own_calendar")}</Button>} />
      <PlansTabs />
      <div className="row wrap filters">
        <ActionIcon variant="default" size="lg" aria-label={text.t("plan.earlier")} onClick={() => shift(-1)}><ChevronLeft size={18} /></ActionIcon>
        <b style={{ minWidth: 150, textAlign: "center" }}>{title}</b>
        <ActionIcon variant="default" size="lg" aria-label={text.t("plan.later")} onClick={() => shift(1)}><ChevronRight size={18} /></ActionIcon>
        <Button variant="default" onClick={() => put({ day: null })}>{text.t("plan.today")}</Button>
        <SegmentedControl value={span} onChange={(next) => put({ span: next === "week" ? "week" : null })} data={["month", "week"].map((one) => ({ value: one, label: text.code("plan.span", one) }))} />
        <div className="filter"><Pick of={SITES} value={site ? { id: site, label: params.get("site_id.label") ?? site } : null} change={(one) => put({ site_id: one?.id ?? null, "site_id.label": one?.label ?? null })} placeholder={text.t("col.site")} /></div>
      </div>
      {counted.error ? <Failure error={counted.error} retry={() => void counted.refetch()} /> : <Grid first={first} weeks={weeks} day={day} today={today} month={span === "month" ? day.slice(0, 7) : null} days={days} choose={(next) => put({ day: next })} />}
      <h2 style={{ fontSize: 15, margin: "18px 0 8px" }}>{span === "week" ? text.t("plan.this_week") : dayText(day, text)}</h2>
      <List from={span === "week" ? first : day} until={span === "week" ? last : day} site={site} />
    </>
  );
}

function Grid(props: { first: string; weeks: number; day: string; today: string; month: string | null; days: Map<string, Day>; choose: (day: string) => void }) {
  const text = useText();
  return (
    <div className="card" style={{ padding: 10 }} role="grid" aria-label={text.t("plan.tab.calendar")}>
      <div style={{ display: "grid", gridTemplateColumns: "repeat(7, minmax(0, 1fr))", gap: 4 }}>
        {WEEKDAYS.map((one) => <div key={one} className="tiny muted" style={{ textAlign: "center", padding: "2px 0" }}>{weekdayName(one, text, "short")}</div>)}
        {Array.from({ length: props.weeks * 7 }, (_, index) => plus(props.first, index)).map((day) => <Cell key={day} day={day} of={props.days.get(day)} chosen={day === props.day} today={day === props.today} faint={props.month !== null && !day.startsWith(props.month)} choose={() => props.choose(day)} />)}
      </div>
    </div>
  );
}

function Cell(props: { day: string; of?: Day; chosen: boolean; today: boolean; faint: boolean; choose: () => void }) {
  const text = useText();
  const open = props.of ? props.of.planned + props.of.released : 0;
  const told = [open > 0 && text.t("plan.open_count", { count: open }), props.of?.done ? text.t("plan.done_count", { count: props.of.done }) : "", props.of?.missed ? text.t("plan.missed_count", { count: props.of.missed }) : ""].filter(Boolean).join(", ");
  return (
    <button type="button" className="plainbutton" aria-pressed={props.chosen} aria-label={`${dayText(props.day, text)} ${told}`} onClick={props.choose} style={{ minHeight: 58, padding: 6, borderRadius: 8, border: `1px solid ${props.chosen ? "var(--brand)" : "var(--line-soft)"}`, background: props.today ? "var(--page)" : "transparent", opacity: props.faint ? 0.45 : 1, display: "flex", flexDirection: "column", gap: 2, minWidth: 0, overflow: "hidden" }}>
      <span className="small num" style={{ fontWeight: props.today ? 700 : 500 }}>{Number(props.day.slice(8))}</span>
      {open > 0 && <span className="tiny num" style={{ background: "#e3eef6", color: "#17496b", borderRadius: 6, padding: "0 5px", alignSelf: "flex-start" }}>{text.number(open)}</span>}
      {!!props.of?.done && <span className="tiny num" style={{ color: "#1c6b3c" }}>✓ {text.number(props.of.done)}</span>}
      {!!props.of?.missed && <span className="tiny num" style={{ color: "#a32020" }}>! {text.number(props.of.missed)}</span>}
    </button>
  );
}

function List(props: { from: string; until: string; site: string | null }) {
  const text = useText();
  const rows = useRows<Occurrence>("/occurrences", { from: props.from, until: props.until, site_id: props.site });
  return <Rows of={rows} columns={occurrenceColumns(text)} empty={<Empty icon={CalendarDays} sentence={text.t("plan.day_empty")} />} />;
}
