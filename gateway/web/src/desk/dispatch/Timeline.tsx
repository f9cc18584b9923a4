/** The board's calendar: people as lines, visits as bars that are dragged; orders from the list are dropped onto it. */
import { createCalendar, destroyCalendar, DayGrid, Interaction, List, ResourceTimeline, TimeGrid, type Calendar } from "@event-calendar/core";
import "@event-calendar/core/index.css";
import { useEffect, useRef } from "react";

import { useText, type Text } from "../../i18n/useText";
import { colours, nameOf, type Bar, type Board } from "./look";

export type Drop = { visit?: Bar; order?: string; technician: string; start: Date; end?: Date; revert: () => void };
export type Look = "resourceTimelineDay" | "resourceTimelineWeek" | "timeGridWeek" | "dayGridMonth" | "listWeek";

const HOURS_BEFORE_NOW = 6;

export function Timeline(props: { board: Board; look: Look; first: Date; editable: boolean; drop: (drop: Drop) => void; open: (bar: Bar) => void }) {
  const text = useText();
  const box = useRef<HTMLDivElement>(null);
  const made = useRef<Calendar | null>(null);
  const now = useRef(props);
  now.current = props;
  useEffect(() => {
    if (!box.current) return;
    const calendar = createCalendar(box.current, [ResourceTimeline, TimeGrid, DayGrid, List, Interaction], {
      height: "100%",
      headerToolbar: { start: "", center: "", end: "" },
      slotDuration: "00:30",
      snapDuration: "00:05",
      slotWidth: 48,
      nowIndicator: true,
      eventResizableFromStart: false,
      firstDay: 1,
      eventDidMount: (info) => { info.el.title = typeof info.event.title === "string" ? info.event.title : ""; }, // a short visit's bar is too narrow for its words
      eventDrop: (info) => dropped(info.event, info.newResource?.id, info.revert, false, now.current),
      eventResize: (info) => dropped(info.event, undefined, info.revert, true, now.current),
      eventClick: (info) => { const bar = barOf(String(info.event.id), now.current.board); if (bar) now.current.open(bar); },
    });
    made.current = calendar;
    return () => {
      made.current = null;
      void destroyCalendar(calendar);
    };
  }, []);
  useEffect(() => {
    const calendar = made.current;
    if (!calendar) return;
    const { board } = props;
    calendar.setOption("locale", text.language === "zh" ? "zh-CN" : "en-GB");
    calendar.setOption("view", props.look);
    calendar.setOption("date", props.first);
    calendar.setOption("editable", props.editable);
    calendar.setOption("resources", board.resources.map((line) => ({ id: line.id, title: line.name })));
    calendar.setOption("events", [...board.visits.flatMap((bar) => event(bar, text, props.editable)), ...hours(board)]);
    // The first hour of work stands at the left edge, not midnight; late in the day, what is going on now is in sight.
    const begins = Math.min(...board.resources.flatMap((line) => line.shifts.map((shift) => new Date(shift.start).getHours())), 7);
    const now = new Date();
    const late = new Date(props.first).toDateString() === now.toDateString() ? now.getHours() - HOURS_BEFORE_NOW : 0;
    calendar.setOption("scrollTime", `${String(Math.max(0, begins - 1, late)).padStart(2, "0")}:00:00`);
  }, [props.board, props.look, props.first, props.editable, text]);

  const over = (at: { clientX: number; clientY: number }) => made.current?.dateFromPoint(at.clientX, at.clientY) ?? null;
  return (
    <div
      ref={box}
      className="card"
      style={{ height: Math.max(260, Math.min(700, 150 + 44 * props.board.resources.length)), overflow: "hidden" }}
      onDragOver={(event) => { if (event.dataTransfer.types.includes("text/x-order")) event.preventDefault(); }}
      onDrop={(event) => {
        const order = event.dataTransfer.getData("text/x-order");
        const at = over(event);
        event.preventDefault();
        if (order && at?.resource) props.drop({ order, technician: String(at.resource.id), start: at.date, revert: () => undefined });
      }}
    />
  );
}

function barOf(id: string, board: Board): Bar | undefined {
  return board.visits.find((bar) => bar.id === id);
}

function dropped(event: Calendar.Event, resource: string | number | undefined, revert: () => void, resized: boolean, now: { board: Board; drop: (drop: Drop) => void }): void {
  const visit = barOf(String(event.id), now.board);
  const technician = String(resource ?? event.resourceIds[0] ?? visit?.technician_id ?? "");
  if (!visit || !technician) return revert();
  now.drop({ visit, technician, start: event.start, end: resized ? event.end : undefined, revert });
}

function event(bar: Bar, text: Text, editable: boolean): Calendar.EventInput[] {
  if (!bar.planned_start || !bar.planned_end) return [];
  const { fill, ink } = colours(bar);
  const marks = `${bar.help_urgent ? "🆘 " : bar.help_open ? "🖐 " : ""}${bar.pinned ? "📌 " : ""}${bar.appointment ? "🕑 " : ""}`;
  return [{
    id: bar.id,
    resourceIds: bar.technician_id ? [bar.technician_id] : [],
    start: new Date(bar.planned_start),
    end: new Date(bar.planned_end),
    title: `${marks}${bar.asset_name} · ${nameOf(bar, text)}${bar.site_name ? ` · ${bar.site_name}` : ""} · ${bar.number}`,
    editable: editable && bar.state === "scheduled",
    backgroundColor: fill,
    textColor: ink,
  }];
}

/** Working hours and leave behind the bars. */
function hours(board: Board): Calendar.EventInput[] {
  return board.resources.flatMap((line) => [
    ...line.shifts.map((shift) => ({ id: `s${line.id}${shift.start}`, resourceIds: [line.id], start: new Date(shift.start), end: new Date(shift.end), display: "background" as const, backgroundColor: "#e5f3ea" })),
    ...line.absences.map((away) => ({ id: `a${line.id}${away.starts_at}`, resourceIds: [line.id], start: new Date(away.starts_at), end: new Date(away.ends_at), display: "background" as const, backgroundColor: away.state === "approved" ? "#f3c9c5" : "#f7e9c8" })),
  ]);
}
