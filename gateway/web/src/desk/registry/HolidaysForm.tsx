/** Take over a country's holidays, with the weekend days that are worked instead. */
import { Button, Modal, Select, Switch } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, query } from "../../api/client";
import { useList, useSend, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { say } from "../../ui/Providers";
import { Bones, Notice } from "../../ui/states";

type Calendar = Schema["CalendarItem"];

export function HolidaysForm(props: { calendar: Calendar; close: () => void }) {
  const text = useText();
  const { calendar } = props;
  const thisYear = new Date().getFullYear();
  const [country, setCountry] = useState(calendar.holidays?.country ?? (calendar.time_zone === "Asia/Shanghai" ? "CN" : "DE"));
  const [part, setPart] = useState<string | null>(calendar.holidays?.subdivision ?? null);
  const [year, setYear] = useState(String(thisYear));
  const [replace, setReplace] = useState(false);
  const known = useList<Schema["CountryItem"]>("/holidays/countries");
  const asked = { country, year, subdivision: part ?? undefined, language: text.language };
  const days = useQuery({ queryKey: ["holidays", asked], queryFn: () => api<Schema["HolidayList"]>(`/holidays${query(asked)}`) });
  const send = useSend();
  const names = new Intl.DisplayNames([text.language === "zh" ? "zh-CN" : "en"], { type: "region" });
  const countryName = (code: string) => { try { return names.of(code) ?? code; } catch { return code; } };
  const countries = (known.data?.items ?? []).filter((one) => one.country.length === 2).map((one) => ({ value: one.country, label: countryName(one.country) })).sort((one, other) => one.label.localeCompare(other.label));
  const parts = known.data?.items.find((one) => one.country === country)?.subdivisions ?? [];
  const take = () => send.mutate({ path: `/calendars/${calendar.id}/holidays`, version: calendar.version, body: { country, subdivision: part, years: [Number(year)], language: text.language, replace } }, { onSuccess: () => { say(text.t("calendars.taken")); props.close(); } });
  return (
    <Modal opened onClose={props.close} title={text.t("calendars.holidays")} size="lg">
      <div className="stack" style={{ gap: 14 }}>
        <div className="row wrap" style={{ gap: 10 }}>
          <Select className="filter" label={text.t("calendars.country")} searchable value={country} onChange={(value) => { if (value) { setCountry(value); setPart(null); } }} data={countries} />
          {parts.length > 0 && <Select className="filter" label={text.t("calendars.subdivision")} searchable clearable value={part} onChange={setPart} data={parts} />}
          <Select label={text.t("calendars.year")} value={year} onChange={(value) => value && setYear(value)} data={[-1, 0, 1, 2].map((more) => String(thisYear + more))} style={{ width: 110 }} />
        </div>
        {days.data && !days.data.foreseen && <Notice tone="watch">{text.t("calendars.not_foreseen", { year })}</Notice>}
        {days.isPending ? <Bones rows={4} /> : days.error ? <Notice tone="trouble">{problemText(days.error, text)}</Notice> : (
          <div style={{ maxHeight: 260, overflowY: "auto" }}>
            {days.data.items.map((one) => <div key={one.day} className="line small row"><span className="num" style={{ width: 110 }}>{text.day(one.day)}</span><span className="grow break">{one.name}</span>{one.works_for && <span className="muted">{text.t("calendars.works_for", { day: text.day(one.works_for) })}</span>}</div>)}
          </div>
        )}
        <Switch label={text.t("calendars.replace")} checked={replace} onChange={(event) => setReplace(event.currentTarget.checked)} />
        {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
        <Button loading={send.isPending} disabled={!days.data || days.data.items.length === 0} onClick={take}>{text.t("calendars.take")}</Button>
      </div>
    </Modal>
  );
}
