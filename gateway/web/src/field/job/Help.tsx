/** Ask the desk for help or for parts; what was asked, and what came of it. */
import { Button, NumberInput, SegmentedControl, Switch, Textarea, TextInput } from "@mantine/core";
import { CheckCircle2, CloudOff, HandHelping, OctagonAlert, Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { say } from "../../ui/Providers";
import { BottomSheet } from "../BottomSheet";
import { newId } from "../ids";
import type { Job } from "../jobs";
import { useKept } from "../kept";
import { useOutbox } from "../outbox";
import { helpPath } from "../refresh";

type Wanted = { text: string; quantity: number };
type Asked = { id: string; what: string; text: string; state: string; urgent?: boolean; lines?: { part_number?: string | null; text?: string | null; quantity: number | string }[]; answer?: string | null; taken_by?: { name: string } | null; opened_at?: string; at?: string; created_at?: string };

export function HelpSheet(props: { order: Job; me: Me; close: () => void }) {
  const text = useText();
  const { act } = useOutbox();
  const [what, setWhat] = useState("help");
  const [words, setWords] = useState("");
  const [urgent, setUrgent] = useState(false);
  const [lines, setLines] = useState<Wanted[]>([{ text: "", quantity: 1 }]);
  const named = lines.filter((line) => line.text.trim() !== "");
  const ready = what === "parts" ? named.length > 0 : words.trim() !== "";
  const set = (index: number, change: Partial<Wanted>) => setLines((held) => held.map((line, at) => (at === index ? { ...line, ...change } : line)));
  const ask = async () => {
    const parts = named.map((line) => ({ text: line.text.trim(), quantity: line.quantity }));
    const said = words.trim() || parts.map((line) => `${line.quantity} × ${line.text}`).join("; ");
    if (!(await act(props.me, { order: props.order, kind: "help.request", key: newId(), body: { what, text: said, lines: what === "parts" ? parts : undefined, urgent: urgent || undefined } }))) return;
    say(text.t("help.asked"));
    props.close();
  };
  return (
    <BottomSheet opened close={props.close} title={text.t("help.ask")} size="92%">
      <div className="stack" style={{ gap: 16 }}>
        <SegmentedControl fullWidth size="md" value={what} onChange={setWhat} data={["help", "parts"].map((word) => ({ value: word, label: text.t(`help.what.${word}`) }))} />
        {what === "parts" && (
          <div className="stack" style={{ gap: 10 }}>
            {lines.map((line, index) => (
              <div key={index} className="row" style={{ gap: 8 }}>
                <TextInput className="grow" size="md" aria-label={text.t("help.part")} placeholder={text.t("help.part_example")} value={line.text} onChange={(event) => set(index, { text: event.currentTarget.value })} maxLength={200} />
                <NumberInput size="md" w={74} aria-label={text.t("work.quantity")} value={line.quantity} min={1} max={9999} hideControls onChange={(value) => set(index, { quantity: Math.max(1, Number(value) || 1) })} inputMode="decimal" />
                <Button size="md" px={10} variant="subtle" color="red" aria-label={text.t("action.delete")} disabled={lines.length === 1} onClick={() => setLines(lines.filter((_, at) => at !== index))}><Trash2 size={19} /></Button>
              </div>
            ))}
            <Button size="md" variant="default" leftSection={<Plus size={18} />} disabled={lines.length >= 20} onClick={() => setLines([...lines, { text: "", quantity: 1 }])}>{text.t("help.add_part")}</Button>
          </div>
        )}
        <Textarea size="md" label={text.t(what === "parts" ? "work.in_words" : "help.text")} placeholder={text.t("help.example")} value={words} onChange={(event) => setWords(event.currentTarget.value)} autosize minRows={3} maxLength={2000} withAsterisk={what === "help"} />
        <Switch size="lg" label={text.t("help.urgent")} checked={urgent} onChange={(event) => setUrgent(event.currentTarget.checked)} />
        <Button size="lg" disabled={!ready} onClick={() => void ask()}>{text.t("help.send")}</Button>
      </div>
    </BottomSheet>
  );
}

const TONE = { open: "watch", taken: "learning", done: "ok", withdrawn: "quiet" } as const;

/** What was asked for on this job. */
export function Helped(props: { order: Job; me: Me }) {
  const text = useText();
  const { entries, act } = useOutbox();
  const kept = useKept<{ items: Asked[] }>(["help"], helpPath(props.order.id), 30_000);
  const waiting = entries.filter((one) => one.order === props.order.id && one.kind === "help.request" && one.sent === null);
  const asked = kept.data?.items ?? [];
  if (asked.length === 0 && waiting.length === 0) return null;
  const gone = new Set(entries.filter((one) => one.kind === "help.withdraw").map((one) => String(one.body.help_request_id)));
  return (
    <section className="card pad">
      <h2 className="row" style={{ gap: 8 }}><HandHelping size={18} aria-hidden />{text.t("help.title")}</h2>
      {waiting.map((one) => (
        <div key={one.key} className="line">
          <div className="row wrap" style={{ gap: 8 }}><b className="grow">{text.t(`help.what.${String(one.body.what)}`)}</b><Chip small tone={one.problem ? "trouble" : "watch"} icon={one.problem ? OctagonAlert : CloudOff}>{text.t(one.problem ? "field.state_refused" : "field.state_waiting")}</Chip></div>
          <div className="small break">{String(one.body.text)}</div>
        </div>
      ))}
      {asked.map((one) => (
        <div key={one.id} className="line">
          <div className="row wrap" style={{ gap: 8 }}>
            <b className="grow">{text.t(`help.what.${one.what}`)}</b>
            <Chip small tone={TONE[one.state as keyof typeof TONE] ?? "quiet"}>{text.code("help.state", one.state)}</Chip>
          </div>
          <div className="small break">{one.text}</div>
          {one.taken_by && <div className="small muted">{text.t("help.taken_by", { name: one.taken_by.name })}</div>}
          {one.answer && <div className="small break row top" style={{ marginTop: 4, gap: 6 }}><CheckCircle2 size={15} color="#1f7a4d" style={{ flex: "none", marginTop: 2 }} aria-hidden />{one.answer}</div>}
          {["open", "taken"].includes(one.state) && !gone.has(one.id) && <button type="button" className="plainbutton link small" style={{ minHeight: 44 }} onClick={() => void act(props.me, { order: props.order, kind: "help.withdraw", body: { help_request_id: one.id } })}>{text.t("help.withdraw")}</button>}
        </div>
      ))}
    </section>
  );
}
