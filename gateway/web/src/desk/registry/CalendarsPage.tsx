/** Business calendars: working hours and the days that differ; SLA clocks and plans go by them. */
import { ActionIcon, Button, Modal, Select, TextInput } from "@mantine/core";
import { CalendarDays, CalendarHeart, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useList, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { hoursText, WORKDAYS, type Hours } from "../policies/HoursInput";
import { HolidaysForm } from "./HolidaysForm";
import { RegistryTabs } from "./RegistryTabs";
import { everyDay, OFFICE, SpansInput, WeekInput, type Spans } from "./WeekInput";

export type Calendar = Schema["CalendarItem"];
type Special = { day: string; name: string; spans: Spans };

export function CalendarsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const calendars = useList<Calendar>("/calendars");
  const [open, setOpen] = useState<Calendar | "new" | null>(null);
  const [holidays, setHolidays] = useState<Calendar | null>(null);
  const manage = may(me, "calendar.manage");
  useTitle(text.t("nav.calendars"));
  const add = manage ? <Button leftSection={<Plus size={16} />} onClick={() => setOpen("new")}>{text.t("calendars.add")}</Button> : undefined;
  return (
    <>
      <PageHead title={text.t("nav.calendars")} sub={text.t("calendars.sub")} right={add} />
      <RegistryTabs />
      <Loaded of={calendars} skeleton={<Bones rows={4} />}>
        {(page) => page.items.length === 0 ? <Empty icon={CalendarDays} sentence={text.t("calendars.empty")} action={add} /> : (
          <div className="cards">{page.items.map((one) => <Card key={one.id} calendar={one} edit={manage ? () => setOpen(one) : undefined} take={manage ? () => setHolidays(one) : undefined} />)}</div>
        )}
      </Loaded>
      {open && <CalendarForm calendar={open === "new" ? null : open} close={() => setOpen(null)} />}
      {holidays && <HolidaysForm calendar={holidays} close={() => setHolidays(null)} />}
    </>
  );
}

function Card(props: { calendar: Calendar; edit?: () => void; take?: () => void }) {
  const text = useText();
  const one = props.calendar;
  const last = one.holidays ? Math.max(...one.holidays.years) : null;
  const today = new Date().toISOString().slice(0, 10);
  const coming = Object.keys(one.exceptions).filter((day) => day >= today).sort().slice(0, 4);
  return (
    <div className="card pad">
      <div className="row wrap" style={{ gap: "6px 16px" }}>
        <div className="grow" style={{ flexBasis: 240 }}>
          <div className="break" style={{ fontWeight: 620 }}>{one.name}</div>
          <div className="small muted">{hoursText(one.hours, text.t)} · {one.time_zone.replaceAll("_", " ")}</div>
          {Object.keys(one.exceptions).length > 0 && <div className="tiny muted">{text.t("calendars.exceptions", { count: Object.keys(one.exceptions).length })}{one.holidays && ` · ${text.t("calendars.taken_until", { country: one.holidays.country, year: String(last) })}`}</div>}
        </div>
        {props.take && <Button size="compact-sm" variant="default" leftSection={<CalendarHeart size={14} />} onClick={props.take}>{text.t("calendars.holidays")}</Button>}
        {props.edit && <Button size="compact-sm" variant="default" onClick={props.edit}>{text.t("action.edit")}</Button>}
      </div>
      {coming.length > 0 && <div className="tiny muted" style={{ marginTop: 6 }}>{coming.map((day) => `${text.day(day)} ${one.day_names[day] ?? ""} (${(one.exceptions[day] ?? []).map((span) => span.join("–")).join(", ") || text.t("calendars.closed")})`).join(" · ")}</div>}
      {last !== null && last <= new Date().getFullYear() && new Date().getMonth() >= 10 && <div style={{ marginTop: 8 }}><Notice tone="watch">{text.t("calendars.runs_out", { year: String(last) })}</Notice></div>}
    </div>
  );
}

function CalendarForm(props: { calendar: Calendar | null; close: () => void }) {
  const text = useText();
  const { calendar } = props;
  const [name, setName] = useState(calendar?.name ?? "");
  const [zone, setZone] = useState(calendar?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
  const [hours, setHours] = useState<Hours>(calendar?.hours ?? everyDay(WORKDAYS, OFFICE));
  const [days, setDays] = useState<Special[]>(Object.entries(calendar?.exceptions ?? {}).sort().map(([day, spans]) => ({ day, spans, name: calendar?.day_names[day] ?? "" })));
  const send = useSend();
  const set = (index: number, more: Partial<Special>) => setDays(days.map((one, at) => (at === index ? { ...one, ...more } : one)));
  const told = days.filter((one) => one.day);
  const body = { name: name.trim(), time_zone: zone, hours, exceptions: Object.fromEntries(told.map((one) => [one.day, one.spans])), day_names: Object.fromEntries(told.filter((one) => one.name.trim()).map((one) => [one.day, one.name.trim()])) };
  const save = () => send.mutate({ path: calendar ? `/calendars/${calendar.id}` : "/calendars", method: calendar ? "PATCH" : "POST", version: calendar?.version, body }, { onSuccess: props.close });
  return (
    <Modal opened onClose={props.close} title={calendar?.name ?? text.t("calendars.add")} size="xl">
      <div className="stack" style={{ gap: 14 }}>
        <TextInput required label={text.t("col.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={120} data-autofocus />
        <Select label={text.t("col.time_zone")} searchable value={zone} onChange={(value) => value && setZone(value)} data={Intl.supportedValuesOf("timeZone")} limit={100} />
        <WeekInput hours={hours} change={setHours} />
        <div>
          <div className="label">{text.t("calendars.special")}</div>
          <div className="stack" style={{ gap: 8, maxHeight: 320, overflowY: "auto" }}>
            {days.map((one, index) => (
              <div key={index} className="row wrap top" style={{ gap: 8 }}>
                <TextInput size="xs" type="date" aria-label={text.t("col.at")} value={one.day} onChange={(event) => set(index, { day: event.currentTarget.value })} />
                <TextInput size="xs" aria-label={text.t("col.name")} placeholder={text.t("calendars.day_name")} value={one.name} onChange={(event) => set(index, { name: event.currentTarget.value })} maxLength={200} style={{ width: 170 }} />
                <SpansInput spans={one.spans} change={(spans) => set(index, { spans })} />
                <ActionIcon variant="subtle" color="red" aria-label={text.t("action.delete")} onClick={() => setDays(days.filter((_, at) => at !== index))}><Trash2 size={15} /></ActionIcon>
              </div>
            ))}
          </div>
          <Button mt={8} size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => setDays([...days, { day: "", name: "", spans: [] }])}>{text.t("calendars.add_day")}</Button>
        </div>
        {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
        <Button loading={send.isPending} disabled={!name.trim()} onClick={save}>{text.t("action.save")}</Button>
      </div>
    </Modal>
  );
}
