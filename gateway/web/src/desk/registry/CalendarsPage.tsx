/** Business calendars: working hours and the days that differ; SLA clocks and plans go by them. */
import { ActionIcon, Button, Modal, Select, TextInput } from "@mantine/core";
import { CalendarDays, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useList, useSend } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { HoursInput, hoursOf, hoursText, isIrregular, WORKDAYS, type Hours } from "../policies/HoursInput";
import { RegistryTabs } from "./RegistryTabs";

export type Calendar = { id: string; name: string; time_zone: string; hours: Hours; exceptions: Record<string, [string, string][]>; version: number };

export function CalendarsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const calendars = useList<Calendar>("/calendars");
  const [open, setOpen] = useState<Calendar | "new" | null>(null);
  const manage = may(me, "calendar.manage");
  useTitle(text.t("nav.calendars"));
  const add = manage ? <Button leftSection={<Plus size={16} />} onClick={() => setOpen("new")}>{text.t("calendars.add")}</Button> : undefined;
  return (
    <>
      <PageHead title={text.t("nav.calendars")} sub={text.t("calendars.sub")} right={add} />
      <RegistryTabs />
      <Loaded of={calendars} skeleton={<Bones rows={4} />}>
        {(page) => page.items.length === 0 ? <Empty icon={CalendarDays} sentence={text.t("calendars.empty")} action={add} /> : (
          <div className="cards">
            {page.items.map((one) => (
              <div key={one.id} className="card pad row wrap" style={{ gap: "6px 16px" }}>
                <div className="grow" style={{ flexBasis: 240 }}>
                  <div className="break" style={{ fontWeight: 620 }}>{one.name}</div>
                  <div className="small muted">{hoursText(one.hours, text.t)} · {one.time_zone.replaceAll("_", " ")}</div>
                  {Object.keys(one.exceptions).length > 0 && <div className="tiny muted">{text.t("calendars.exceptions", { count: Object.keys(one.exceptions).length })}</div>}
                </div>
                {manage && <Button size="compact-sm" variant="default" onClick={() => setOpen(one)}>{text.t("action.edit")}</Button>}
              </div>
            ))}
          </div>
        )}
      </Loaded>
      {open && <CalendarForm calendar={open === "new" ? null : open} close={() => setOpen(null)} />}
    </>
  );
}

function CalendarForm(props: { calendar: Calendar | null; close: () => void }) {
  const text = useText();
  const { calendar } = props;
  const [name, setName] = useState(calendar?.name ?? "");
  const [zone, setZone] = useState(calendar?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
  const [hours, setHours] = useState<Hours>(calendar?.hours ?? hoursOf({ days: WORKDAYS, from: "08:00", to: "17:00" }));
  const [days, setDays] = useState(Object.entries(calendar?.exceptions ?? {}).sort());
  const send = useSend();
  const irregular = isIrregular(hours);
  const set = (index: number, next: [string, [string, string][]]) => setDays(days.map((one, at) => (at === index ? next : one)));
  const save = () => send.mutate({ path: calendar ? `/calendars/${calendar.id}` : "/calendars", method: calendar ? "PATCH" : "POST", version: calendar?.version, body: { name: name.trim(), time_zone: zone, hours, exceptions: Object.fromEntries(days.filter(([day]) => day)) } }, { onSuccess: props.close });
  return (
    <Modal opened onClose={props.close} title={calendar?.name ?? text.t("calendars.add")} size="lg">
      <div className="stack" style={{ gap: 14 }}>
        <TextInput required label={text.t("col.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={120} data-autofocus />
        <Select label={text.t("col.time_zone")} searchable value={zone} onChange={(value) => value && setZone(value)} data={Intl.supportedValuesOf("timeZone")} limit={100} />
        {irregular ? <Notice tone="quiet">{text.t("on_call.irregular")}</Notice> : <HoursInput label={text.t("calendars.hours")} hours={hours} change={setHours} />}
        <div>
          <div className="label">{text.t("calendars.special")}</div>
          <div className="stack" style={{ gap: 8 }}>
            {days.map(([day, spans], index) => (
              <div key={index} className="row wrap" style={{ gap: 8 }}>
                <TextInput type="date" aria-label={text.t("col.at")} value={day} onChange={(event) => set(index, [event.currentTarget.value, spans])} />
                <Select aria-label={text.t("calendars.that_day")} value={spans.length ? "open" : "closed"} style={{ width: 130 }} data={["closed", "open"].map((word) => ({ value: word, label: text.t(`calendars.${word}`) }))} onChange={(word) => set(index, [day, word === "open" ? [["08:00", "17:00"]] : []])} />
                {spans[0] && <><TextInput type="time" aria-label={text.t("col.from")} value={spans[0][0]} onChange={(event) => set(index, [day, [[event.currentTarget.value, spans[0]![1]]]])} /><TextInput type="time" aria-label={text.t("col.to")} value={spans[0][1]} onChange={(event) => set(index, [day, [[spans[0]![0], event.currentTarget.value]]])} /></>}
                <ActionIcon variant="subtle" color="red" aria-label={text.t("action.delete")} onClick={() => setDays(days.filter((_, at) => at !== index))}><Trash2 size={15} /></ActionIcon>
              </div>
            ))}
          </div>
          <Button mt={8} size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => setDays([...days, ["", []]])}>{text.t("calendars.add_day")}</Button>
        </div>
        {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
        <Button loading={send.isPending} disabled={!name.trim()} onClick={save}>{text.t("action.save")}</Button>
      </div>
    </Modal>
  );
}
