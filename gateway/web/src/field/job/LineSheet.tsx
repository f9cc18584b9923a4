/** One line written or corrected by hand: how long, how far, how much, what for. */
import { Button, Select, TextInput, Textarea } from "@mantine/core";
import { useState } from "react";

import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { localMoment } from "../../ui/Form";
import { BottomSheet } from "../BottomSheet";
import { newId } from "../ids";
import type { Job } from "../jobs";
import { useOutbox } from "../outbox";
import { Strip, TakePhoto, useShots } from "../photos/Photos";
import { CATEGORIES, type Line } from "./lines";
import { asNumber } from "./NumberField";

/** What is known before the form is opened. `line`: the one that is corrected. */
export type Started = { kind: string; line?: Line; started_at?: string; ended_at?: string; visit_id?: string | null; minutes?: number | null; note?: string | null };

const CURRENCY = "forewarn.currency"; // what was used last
const CURRENCIES = ["CNY", "EUR", "USD", "GBP", "CHF", "JPY", "HKD", "SGD"];
const LONGEST_MINUTES = 1440;

function lastCurrency(language: string): string {
  try {
    return localStorage.getItem(CURRENCY) ?? (language === "zh" ? "CNY" : "EUR");
  } catch {
    return "EUR";
  }
}

export function LineSheet(props: { started: Started; order: Job; me: Me; close: () => void }) {
  const text = useText();
  const { started, order, me } = props;
  const { line, kind } = started;
  const { act } = useOutbox();
  const [category, setCategory] = useState(line?.category ?? CATEGORIES[kind]![0]!);
  const [from, setFrom] = useState(started.started_at ?? line?.started_at ?? "");
  const [until, setUntil] = useState(started.ended_at ?? line?.ended_at ?? "");
  const [byHours, setByHours] = useState(!!(started.started_at ?? line?.started_at));
  const told = started.minutes ?? line?.minutes ?? null;
  const [hours, setHours] = useState(told === null ? "" : String(Math.floor(told / 60)));
  const [minutes, setMinutes] = useState(told === null ? "" : String(told % 60));
  const [kilometres, setKilometres] = useState(line?.kilometres != null ? String(line.kilometres) : "");
  const [amount, setAmount] = useState(line?.amount != null ? String(line.amount) : "");
  const [currency, setCurrency] = useState(line?.currency ?? lastCurrency(text.language));
  const [note, setNote] = useState(line?.note ?? started.note ?? "");
  const [receipts, setReceipts] = useState<string[]>(line?.evidence_ids ?? []);
  const shots = useShots(order.id).filter((shot) => receipts.includes(shot.id));
  const expense = kind === "expense";
  const span = from && until ? Math.round((Date.parse(until) - Date.parse(from)) / 60_000) : null;
  const lasts = expense ? null : byHours ? span : (asNumber(hours || "0") ?? NaN) * 60 + (asNumber(minutes || "0") ?? NaN);
  const wrongTime = !expense && lasts !== null && !(lasts > 0 && lasts <= LONGEST_MINUTES);
  const far = kilometres.trim() === "" ? null : asNumber(kilometres);
  const sum = asNumber(amount);
  const enough = expense ? sum !== null && sum > 0 && /^[A-Z]{3}$/.test(currency) : (lasts !== null && !wrongTime) || (kind === "travel" && far !== null && far > 0 && !byHours && lasts === 0);
  const save = async () => {
    const time = byHours && !expense ? { started_at: new Date(from).toISOString(), ended_at: new Date(until).toISOString() } : expense ? {} : { minutes: lasts && lasts > 0 ? Math.round(lasts) : undefined };
    const body = { line_id: line?.id ?? newId(), kind, category, ...time, visit_id: started.visit_id ?? line?.visit_id ?? undefined, kilometres: kind === "travel" ? (far ?? undefined) : undefined, amount: expense ? sum : undefined, currency: expense ? currency : undefined, note: note.trim() || undefined, evidence_ids: receipts.length ? receipts : undefined };
    if (expense) try { localStorage.setItem(CURRENCY, currency); } catch { /* asked again next time */ }
    if (await act(me, { order, kind: line ? "line.change" : "line.add", body, needs: receipts })) props.close();
  };
  const number = (value: string, set: (value: string) => void, label: string, suffix?: string) => (
    <TextInput className="grow" size="md" label={label} value={value} onChange={(event) => set(event.currentTarget.value)} inputMode="decimal" maxLength={12} autoComplete="off" rightSection={suffix && <span className="small muted">{suffix}</span>} rightSectionWidth={suffix ? 44 : undefined} />
  );
  return (
    <BottomSheet opened close={props.close} title={text.code("line_kind", kind)} size="92%">
      <div className="stack" style={{ gap: 16 }}>
        <div className="chips" role="radiogroup" aria-label={text.t("work.category")}>
          {CATEGORIES[kind]!.map((word) => <button key={word} type="button" role="radio" aria-checked={category === word} className="choice" onClick={() => setCategory(word)}>{text.code("line_category", word)}</button>)}
        </div>
        {!expense && !byHours && <div className="row" style={{ gap: 10 }}>{number(hours, setHours, text.t("time.hours"), "h")}{number(minutes, setMinutes, text.t("work.minutes_label"), "min")}</div>}
        {!expense && byHours && (
          <div className="stack">
            <TextInput size="md" type="datetime-local" label={text.t("work.begins")} value={from ? localMoment(from) : ""} onChange={(event) => setFrom(event.currentTarget.value ? new Date(event.currentTarget.value).toISOString() : "")} />
            <TextInput size="md" type="datetime-local" label={text.t("work.ends")} value={until ? localMoment(until) : ""} onChange={(event) => setUntil(event.currentTarget.value ? new Date(event.currentTarget.value).toISOString() : "")} />
          </div>
        )}
        {!expense && <button type="button" className="plainbutton link" style={{ minHeight: 44 }} onClick={() => { if (!byHours && !from) { const now = Date.now(); setFrom(new Date(now - 3_600_000).toISOString()); setUntil(new Date(now).toISOString()); } setByHours(!byHours); }}>{text.t(byHours ? "time.by_length" : "time.by_clock")}</button>}
        {wrongTime && (hours || minutes || byHours) !== "" && <div className="small" role="alert" style={{ color: "#b3261e" }}>{text.t("time.wrong")}</div>}
        {kind === "travel" && number(kilometres, setKilometres, text.t("work.kilometres"), "km")}
        {expense && <div className="row" style={{ gap: 10, alignItems: "flex-end" }}>{number(amount, setAmount, text.t("work.amount"))}<Select size="md" w={110} label={text.t("work.currency")} data={[...new Set([currency, ...CURRENCIES])]} value={currency} onChange={(word) => word && setCurrency(word)} /></div>}
        {expense && (
          <>
            <Strip shots={shots} />
            <TakePhoto about={{ order, caption: text.code("line_category", category), public: false }} me={me} label={text.t("time.receipt")} taken={(id) => setReceipts((held) => [...held, id])} />
          </>
        )}
        <Textarea size="md" label={text.t("finish.note")} value={note} onChange={(event) => setNote(event.currentTarget.value)} autosize minRows={2} maxLength={1000} />
        <Button size="lg" disabled={!enough} onClick={() => void save()}>{text.t("action.save")}</Button>
      </div>
    </BottomSheet>
  );
}
