/** What was found: the outcome, then failure mode, cause and action, with what the finding suggests already chosen. */
import { Button, Select, Textarea } from "@mantine/core";
import { ChevronDown, Sparkles } from "lucide-react";
import { useEffect, useState } from "react";

import type { RepairCode } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { repairName } from "../../ui/FinishForm";
import type { Job } from "../jobs";
import { useKept } from "../kept";
import { picksPath } from "../refresh";
import type { Draft } from "../store";

export type Named = { code: string; name_en: string; name_zh: string; count?: number };
type Cause = Named & { actions?: Named[] };
type Mode = Named & { causes?: Cause[] };
export type Picks = { suggested: { failure_mode: string | null; cause: string | null; action: string | null; why: string | null } | null; failure_modes: Mode[]; causes?: Cause[]; actions?: Named[] };
export type Half = Omit<Draft, "id" | "at">;
export type Found = { outcome: string; note: string; failure_mode?: string; cause?: string; repair_code?: string | null };

const OUTCOMES = ["confirmed", "wrong_mode", "no_fault_found", "sensor_fault", "prevented", "planned", "unknown"];
const FAULTS = ["confirmed", "wrong_mode", "prevented"]; // a machine had something: which failure, why, what was done
const REPAIRED = [...FAULTS, "sensor_fault"];
const NOTE_MOST = 2000;
const SHOWN = 4; // the rest is behind one more touch

export const nameIn = (of: { name_en?: string | null; name_zh?: string | null; code?: string } | null | undefined, text: Text): string => (of ? (text.language === "zh" && of.name_zh) || of.name_en || of.code || "–" : "–");

/** Nothing is chosen for somebody that nobody has chosen before. */
const seen = <T extends Named>(of: T | undefined): T | undefined => ((of?.count ?? 0) > 0 ? of : undefined);

type Props = { order: Job; repairCodes: RepairCode[]; draft: Half | null; onDraft: (half: Half) => void; blocked?: boolean; label?: string; submit: (found: Found) => void };

export function FinishSheet(props: Props) {
  const text = useText();
  const { order, draft, onDraft } = props;
  const picks = useKept<Picks>(["picks"], picksPath(order.id), 300_000).data ?? null;
  const suggested = picks?.suggested ?? null;
  const [outcome, setOutcome] = useState(draft?.outcome ?? null);
  const [note, setNote] = useState(draft?.note ?? "");
  const [mode, setMode] = useState(draft?.failure_mode ?? null);
  const [cause, setCause] = useState(draft?.cause ?? null);
  const [action, setAction] = useState(draft?.repair_code ?? null);
  useEffect(() => onDraft({ outcome, note, repair_code: action, failure_mode: mode, cause }), [onDraft, outcome, note, action, mode, cause]);
  const fault = outcome !== null && FAULTS.includes(outcome);
  const modes = picks?.failure_modes ?? [];
  const causes = modes.find((one) => one.code === mode)?.causes ?? picks?.causes ?? [];
  const actions = causes.find((one) => one.code === cause)?.actions ?? picks?.actions ?? [];
  const repairs: Named[] = actions.length > 0 ? actions : props.repairCodes.map((code) => ({ code: code.code, name_en: repairName(code, "en"), name_zh: repairName(code, "zh") }));
  // A suggestion fits what it was made for: another failure has other causes.
  const pickMode = (next: string | null) => {
    setMode(next);
    const usual = modes.find((one) => one.code === next)?.causes ?? [];
    const likely = (next !== null && next === suggested?.failure_mode && usual.find((one) => one.code === suggested.cause)) || seen(usual[0]);
    setCause(likely?.code ?? null);
    setAction((next === suggested?.failure_mode && suggested?.action) || (seen(likely?.actions?.[0])?.code ?? null));
  };
  const pickCause = (next: string | null) => {
    setCause(next);
    const usual = causes.find((one) => one.code === next)?.actions ?? [];
    if (usual.length > 0 && !usual.some((one) => one.code === action)) setAction(seen(usual[0])?.code ?? null);
  };
  const pickOutcome = (next: string) => {
    setOutcome(next);
    if (next === "wrong_mode") { if (mode === suggested?.failure_mode) pickMode(null); }
    else if (FAULTS.includes(next) && mode === null && suggested?.failure_mode) pickMode(suggested.failure_mode);
  };
  const shown = outcome === "wrong_mode" ? modes.filter((one) => one.code !== suggested?.failure_mode) : modes;
  const submit = () => outcome && props.submit({ outcome, note: note.trim(), failure_mode: (fault && mode) || undefined, cause: (fault && cause) || undefined, repair_code: REPAIRED.includes(outcome) ? action : null });
  return (
    <div className="stack" style={{ gap: 18 }}>
      <div>
        <div className="eyebrow big">{text.t("finish.found")}</div>
        <div className="stack" role="radiogroup" aria-label={text.t("finish.found")}>
          {OUTCOMES.filter((word) => word !== "planned" || order.origin === "plan").map((word) => (
            <button key={word} type="button" role="radio" aria-checked={outcome === word} className="pick" onClick={() => pickOutcome(word)}>
              <span className="ring" />
              <span><b>{text.code("outcome", word)}</b><small>{text.code("outcome_hint", word)}</small></span>
            </button>
          ))}
        </div>
      </div>
      {fault && shown.length > 0 && <Chips label={text.t("found.mode")} from={shown} value={mode} change={pickMode} hint={suggested?.failure_mode ?? null} />}
      {fault && causes.length > 0 && <Chips label={text.t("found.cause")} from={causes} value={cause} change={pickCause} hint={mode === suggested?.failure_mode ? (suggested?.cause ?? null) : null} />}
      {outcome && REPAIRED.includes(outcome) && repairs.length > 0 && <Chips label={text.t("found.action")} from={repairs} value={action} change={setAction} hint={mode === suggested?.failure_mode ? (suggested?.action ?? null) : null} />}
      <Textarea size="md" label={text.t("finish.note")} placeholder={text.t("finish.note_example")} value={note} maxLength={NOTE_MOST} autosize minRows={3} maxRows={8} onChange={(event) => setNote(event.currentTarget.value)} />
      <Button size="lg" disabled={!outcome || props.blocked} onClick={submit}>{text.t(props.label ?? "finish.submit")}</Button>
    </div>
  );
}

/** The likely ones one touch away, the others two. What is chosen can be taken back. */
function Chips(props: { label: string; from: Named[]; value: string | null; change: (value: string | null) => void; hint: string | null }) {
  const text = useText();
  const [all, showAll] = useState(false);
  const first = [...props.from].sort((one, other) => Number(other.code === props.hint) - Number(one.code === props.hint));
  const near = first.filter((one, index) => index < SHOWN || one.code === props.value);
  return (
    <div>
      <div className="eyebrow big">{props.label}</div>
      <div className="chips" role="radiogroup" aria-label={props.label}>
        {near.map((one) => (
          <button key={one.code} type="button" role="radio" aria-checked={props.value === one.code} className="choice" onClick={() => props.change(props.value === one.code ? null : one.code)}>
            {one.code === props.hint && <Sparkles size={15} aria-label={text.t("found.suggested")} />}<span className="break">{nameIn(one, text)}</span>
          </button>
        ))}
        {first.length > near.length && !all && <button type="button" className="choice more" onClick={() => showAll(true)}><ChevronDown size={16} aria-hidden />{text.t("found.others", { count: first.length - near.length })}</button>}
      </div>
      {all && <Select mt={8} size="md" searchable clearable aria-label={props.label} value={props.value} onChange={props.change} data={first.map((one) => ({ value: one.code, label: nameIn(one, text) }))} />}
    </div>
  );
}
