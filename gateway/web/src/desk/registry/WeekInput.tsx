/** Hours of the week, each day for itself: several spans a day leave room for lunch. */
import { ActionIcon, Button, TextInput } from "@mantine/core";
import { Copy, Plus, Trash2 } from "lucide-react";

import { useText } from "../../i18n/useText";
import { DAYS, WORKDAYS, type Hours } from "../policies/HoursInput";

export type Spans = string[][];
export const OFFICE: Spans = [["08:00", "12:00"], ["13:00", "17:00"]];

export const everyDay = (days: readonly string[], spans: Spans): Hours => Object.fromEntries(days.map((day) => [day, spans]));

export function WeekInput(props: { hours: Hours; change: (hours: Hours) => void }) {
  const { t } = useText();
  const { hours } = props;
  return (
    <div>
      <div className="label">{t("calendars.hours")}</div>
      <div className="row wrap" style={{ gap: 6, marginBottom: 8 }}>
        <Button size="compact-xs" variant="default" onClick={() => props.change(everyDay(WORKDAYS, OFFICE))}>{t("calendars.preset.office")}</Button>
        <Button size="compact-xs" variant="default" onClick={() => props.change(everyDay(DAYS, [["00:00", "00:00"]]))}>{t("calendars.preset.always")}</Button>
        <Button size="compact-xs" variant="default" leftSection={<Copy size={12} />} disabled={!hours["0"]?.length} onClick={() => props.change({ ...hours, ...everyDay(WORKDAYS, hours["0"] ?? []) })}>{t("calendars.copy_monday")}</Button>
      </div>
      <div className="stack" style={{ gap: 6 }}>
        {DAYS.map((day) => (
          <div key={day} className="row wrap top" style={{ gap: "4px 10px" }}>
            <span className="small" style={{ width: 44, paddingTop: 7 }}>{t(`weekday.${day}`)}</span>
            <SpansInput spans={hours[day] ?? []} change={(spans) => props.change({ ...hours, [day]: spans })} />
          </div>
        ))}
      </div>
    </div>
  );
}

/** The spans of one day; none: closed. */
export function SpansInput(props: { spans: Spans; change: (spans: Spans) => void }) {
  const { t } = useText();
  const { spans } = props;
  const set = (index: number, at: 0 | 1, word: string) => props.change(spans.map((span, place) => (place === index ? (at === 0 ? [word, span[1]!] : [span[0]!, word]) : span)));
  const next = spans.length === 0 ? ["08:00", "12:00"] : spans.length === 1 && spans[0]![1]! <= "13:00" ? ["13:00", "17:00"] : ["18:00", "20:00"];
  return (
    <div className="row wrap" style={{ gap: "4px 10px" }}>
      {spans.length === 0 && <span className="small muted" style={{ paddingTop: 6 }}>{t("calendars.closed")}</span>}
      {spans.map((span, index) => (
        <span key={index} className="row" style={{ gap: 3 }}>
          <TextInput size="xs" type="time" aria-label={t("hours.from")} value={span[0]} onChange={(event) => event.currentTarget.value && set(index, 0, event.currentTarget.value)} />
          <span className="muted">–</span>
          <TextInput size="xs" type="time" aria-label={t("hours.to")} value={span[1]} onChange={(event) => event.currentTarget.value && set(index, 1, event.currentTarget.value)} />
          <ActionIcon size="sm" variant="subtle" color="red" aria-label={t("action.delete")} onClick={() => props.change(spans.filter((_, place) => place !== index))}><Trash2 size={13} /></ActionIcon>
        </span>
      ))}
      {spans.length < 4 && <ActionIcon size="sm" mt={4} variant="default" aria-label={t("calendars.add_span")} title={t("calendars.add_span")} onClick={() => props.change([...spans, next])}><Plus size={13} /></ActionIcon>}
    </div>
  );
}
