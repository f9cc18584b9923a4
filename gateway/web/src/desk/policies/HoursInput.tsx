/** Hours of the week: the same for the chosen days, from and to; to before from goes over midnight. */
import { Chip, Group, TextInput } from "@mantine/core";
import { useState } from "react";

import { useText } from "../../i18n/useText";

export type Hours = Record<string, string[][]>;
export const DAYS = ["0", "1", "2", "3", "4", "5", "6"];
export const WORKDAYS = DAYS.slice(0, 5);

type Week = { days: string[]; from: string; to: string };

export const hoursOf = (week: Week): Hours => Object.fromEntries([...week.days].sort().map((day) => [day, [[week.from, week.to]]]));

function weekOf(hours: Hours, days: string[]): Week {
  const set = DAYS.filter((day) => (hours[day] ?? []).length > 0);
  const [from, to] = hours[set[0] ?? ""]?.[0] ?? ["08:00", "17:00"];
  return { days: set.length ? set : days, from: from ?? "08:00", to: to ?? "17:00" };
}

/** Whether the hours are more than the form can show: several spans a day, or others on other days. */
export function isIrregular(hours: Hours): boolean {
  const spans = Object.values(hours).filter((list) => list.length > 0);
  return spans.some((list) => list.length > 1) || new Set(spans.map((list) => JSON.stringify(list))).size > 1;
}

export function HoursInput(props: { label: string; hours: Hours; days?: string[]; change: (hours: Hours) => void }) {
  const { t } = useText();
  const [week, setWeek] = useState(() => weekOf(props.hours, props.days ?? WORKDAYS));
  const set = (more: Partial<Week>) => {
    const next = { ...week, ...more };
    setWeek(next);
    if (next.from && next.to) props.change(hoursOf(next));
  };
  return (
    <div>
      <div className="label">{props.label}</div>
      <Chip.Group multiple value={week.days} onChange={(days) => set({ days })}>
        <Group gap={6}>{DAYS.map((day) => <Chip key={day} value={day} size="xs" radius="sm">{t(`weekday.${day}`)}</Chip>)}</Group>
      </Chip.Group>
      <div className="row" style={{ marginTop: 8 }}>
        <TextInput type="time" aria-label={t("hours.from")} value={week.from} onChange={(event) => set({ from: event.currentTarget.value })} />
        <span className="muted">–</span>
        <TextInput type="time" aria-label={t("hours.to")} value={week.to} onChange={(event) => set({ to: event.currentTarget.value })} />
      </div>
    </div>
  );
}

/** Days with the same hours said together: 'Mon–Fri 08:00–17:00'. */
export function hoursText(hours: Hours, t: (key: string) => string): string {
  const runs: { first: string; last: string; said: string }[] = [];
  for (const day of DAYS) {
    const said = (hours[day] ?? []).map((span) => (span.join("–") === "00:00–00:00" ? "00:00–24:00" : span.join("–"))).join(", ");
    if (!said) continue;
    const before = runs.at(-1);
    if (before && before.said === said && Number(before.last) === Number(day) - 1) before.last = day;
    else runs.push({ first: day, last: day, said });
  }
  const days = (run: { first: string; last: string }) => (run.first === run.last ? t(`weekday.${run.first}`) : `${t(`weekday.${run.first}`)}–${t(`weekday.${run.last}`)}`);
  return runs.map((run) => `${days(run)} ${run.said}`).join(" · ") || "–";
}
