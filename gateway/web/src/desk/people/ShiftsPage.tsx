/** Shifts: weeks that take turns, lunch, overtime, and the calendar whose holidays they follow. */
import { Button, Modal, NumberInput, Select, TextInput } from "@mantine/core";
import { Clock, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { Pick, type Chosen } from "../../ui/Pick";
import { Notice } from "../../ui/states";
import { hoursText, WORKDAYS, type Hours } from "../policies/HoursInput";
import { everyDay, WeekInput } from "../registry/WeekInput";
import { CALENDARS, here, zones } from "./common";
import { PeopleTabs } from "./PeopleTabs";

type Shift = Schema["ShiftItem"];
const clock = (word: string | null): string => (word ?? "").slice(0, 5);

export function ShiftsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [open, setOpen] = useState<Shift | "new" | null>(null);
  const manage = may(me, "shift.manage");
  const add = manage ? <Button leftSection={<Plus size={16} />} onClick={() => setOpen("new")}>{text.t("shifts.add")}</Button> : undefined;
  return (
    <>
      <ListPage<Shift>
        title={text.t("people.tab.shifts")}
        sub={text.t("shifts.sub")}
        tabs={<PeopleTabs />}
        path="/shifts"
        search="shifts.search"
        columns={[
          { label: "col.name", cell: (row) => <div><span className="break" style={{ fontWeight: 600 }}>{row.name}</span><div className="tiny muted">{row.time_zone.replaceAll("_", " ")}</div></div> },
          { label: "shifts.hours", cell: (row) => <div className="small">{row.weeks.map((week, index) => <div key={index}>{row.weeks.length > 1 && <span className="muted">{text.t("shifts.week", { number: index + 1 })} </span>}{hoursText(week as Hours, text.t) || text.t("calendars.closed")}</div>)}</div> },
          { label: "shifts.lunch", phone: "named", cell: (row) => row.lunch_minutes ? text.t("shifts.lunch_of", { minutes: row.lunch_minutes, from: clock(row.lunch_from), until: clock(row.lunch_until) }) : "–" },
          { label: "shifts.overtime", phone: "named", cell: (row) => row.overtime_minutes ? text.t("shifts.minutes", { minutes: row.overtime_minutes }) : "–" },
          { label: "shifts.holidays", phone: "hide", cell: (row) => row.calendar?.name ?? <span className="faint">{text.t("shifts.no_holidays")}</span> },
          { label: "shifts.followed", phone: "named", cell: (row) => text.t("shifts.followed_by", { people: row.people, teams: row.teams }) },
        ]}
        pick={manage ? (row) => setOpen(row) : undefined}
        right={add}
        empty={{ icon: Clock, sentence: "shifts.empty", example: "shifts.example", action: add }}
      />
      {open && <ShiftForm shift={open === "new" ? null : open} close={() => setOpen(null)} />}
    </>
  );
}

function ShiftForm(props: { shift: Shift | null; close: () => void }) {
  const text = useText();
  const { shift } = props;
  const [name, setName] = useState(shift?.name ?? "");
  const [zone, setZone] = useState(shift?.time_zone ?? here());
  const [weeks, setWeeks] = useState<Hours[]>((shift?.weeks as Hours[] | undefined) ?? [everyDay(WORKDAYS, [["08:00", "17:00"]])]);
  const [lunch, setLunch] = useState(shift ? shift.lunch_minutes : 45);
  const [from, setFrom] = useState(clock(shift?.lunch_from ?? "11:30"));
  const [until, setUntil] = useState(clock(shift?.lunch_until ?? "13:30"));
  const [overtime, setOvertime] = useState(shift?.overtime_minutes ?? 60);
  const [calendar, setCalendar] = useState<Chosen | null>(shift?.calendar ? { id: shift.calendar.id, label: shift.calendar.name } : null);
  const send = useSend();
  const body = { name: name.trim(), time_zone: zone, weeks, lunch_minutes: lunch, lunch_from: lunch ? from : null, lunch_until: lunch ? until : null, overtime_minutes: overtime, calendar_id: calendar?.id ?? null };
  const path = shift ? `/shifts/${shift.id}` : "/shifts";
  const save = (more: object = {}) => send.mutate({ path, method: shift ? "PATCH" : "POST", version: shift?.version, body: { ...body, ...more } }, { onSuccess: props.close });
  const set = (index: number, hours: Hours) => setWeeks(weeks.map((week, at) => (at === index ? hours : week)));
  return (
    <Modal opened onClose={props.close} title={shift?.name ?? text.t("shifts.add")} size="lg" closeOnClickOutside={false}>
      <div className="stack" style={{ gap: 14 }}>
        <TextInput required label={text.t("col.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={200} data-autofocus />
        <div className="row wrap top" style={{ gap: 12 }}>
          <Select className="grow" style={{ flexBasis: 220 }} label={text.t("col.time_zone")} searchable value={zone} onChange={(value) => value && setZone(value)} data={zones()} limit={100} />
          <div className="grow" style={{ flexBasis: 220 }}><Pick of={CALENDARS} value={calendar} change={setCalendar} label={text.t("shifts.holidays")} hint={text.t("shifts.holidays_hint")} /></div>
        </div>
        {weeks.map((week, index) => (
          <div key={index} className={weeks.length > 1 ? "linebox" : undefined} style={{ display: "block" }}>
            {weeks.length > 1 && <div className="row"><b className="grow small">{text.t("shifts.week", { number: index + 1 })}</b><Button size="compact-xs" variant="subtle" color="red" leftSection={<Trash2 size={13} />} onClick={() => setWeeks(weeks.filter((_, at) => at !== index))}>{text.t("action.delete")}</Button></div>}
            <WeekInput hours={week} change={(hours) => set(index, hours)} />
          </div>
        ))}
        {weeks.length < 8 && <div><Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => setWeeks([...weeks, weeks.at(-1) ?? {}])}>{text.t("shifts.add_week")}</Button><div className="tiny muted" style={{ marginTop: 4 }}>{text.t("shifts.add_week_hint")}</div></div>}
        <div className="row wrap top" style={{ gap: 12 }}>
          <NumberInput style={{ width: 150 }} label={text.t("shifts.lunch")} value={lunch} onChange={(value) => setLunch(Number(value) || 0)} min={0} max={180} suffix=" min" />
          {lunch > 0 && <><TextInput style={{ width: 120 }} type="time" label={text.t("shifts.lunch_from")} value={from} onChange={(event) => setFrom(event.currentTarget.value)} /><TextInput style={{ width: 120 }} type="time" label={text.t("shifts.lunch_until")} value={until} onChange={(event) => setUntil(event.currentTarget.value)} /></>}
          <NumberInput style={{ width: 170 }} label={text.t("shifts.overtime")} value={overtime} onChange={(value) => setOvertime(Number(value) || 0)} min={0} max={720} suffix=" min" />
        </div>
        {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
        <div className="row wrap">
          <Button loading={send.isPending} disabled={!name.trim()} onClick={() => save()}>{text.t("action.save")}</Button>
          {shift && <Button variant="default" onClick={() => save({ archived: true })}>{text.t("people.archive")}</Button>}
        </div>
      </div>
    </Modal>
  );
}
