/** What was found: the outcome in plain words, what was repaired, a note. */
import { Button, Select, Textarea } from "@mantine/core";
import { useEffect, useState } from "react";

import type { RepairCode } from "../api/types";
import { useText } from "../i18n/useText";

// Stored words; 'planned' belongs to planned work and is no answer to a finding.
const OUTCOMES = ["confirmed", "wrong_mode", "no_fault_found", "sensor_fault", "prevented", "planned", "unknown"];
const NOTE_MOST = 2000;

export type Finish = { outcome: string; note: string; repair_code: string | null };
export type Half = Omit<Finish, "outcome"> & { outcome: string | null };

type Props = {
  origin: string;
  repairCodes: RepairCode[];
  busy?: boolean;
  large?: boolean;
  draft?: Half | null; // what was written before the page was closed
  onDraft?: (half: Half) => void;
  submit: (finish: Finish) => void;
};

export function FinishForm(props: Props) {
  const text = useText();
  const { draft, onDraft } = props;
  const [outcome, setOutcome] = useState<string | null>(draft?.outcome ?? null);
  const [note, setNote] = useState(draft?.note ?? "");
  const [repair, setRepair] = useState<string | null>(draft?.repair_code ?? null);
  useEffect(() => onDraft?.({ outcome, note, repair_code: repair }), [onDraft, outcome, note, repair]);
  const size = props.large ? "md" : "sm";
  const offered = OUTCOMES.filter((word) => word !== "planned" || props.origin === "plan");
  const repaired = outcome === "confirmed" || outcome === "wrong_mode" || outcome === "prevented" || outcome === "sensor_fault";
  return (
    <div className="stack" style={{ gap: 16 }}>
      <div>
        <div className="eyebrow" style={{ marginBottom: 8 }}>{text.t("finish.found")}</div>
        <div className="stack" role="radiogroup" aria-label={text.t("finish.found")}>
          {offered.map((word) => (
            <button key={word} type="button" role="radio" aria-checked={outcome === word} className="pick" onClick={() => setOutcome(word)}>
              <span className="ring" />
              <span><b>{text.code("outcome", word)}</b><small>{text.code("outcome_hint", word)}</small></span>
            </button>
          ))}
        </div>
      </div>
      {props.repairCodes.length > 0 && repaired && (
        <Select
          size={size}
          label={text.t("finish.repair")}
          placeholder={text.t("finish.repair_none")}
          value={repair}
          onChange={setRepair}
          clearable
          data={props.repairCodes.map((code) => ({ value: code.code, label: repairName(code, text.language) }))}
        />
      )}
      <Textarea size={size} label={text.t("finish.note")} placeholder={text.t("finish.note_example")} value={note} maxLength={NOTE_MOST} autosize minRows={3} maxRows={8} onChange={(event) => setNote(event.currentTarget.value)} />
      <Button size={props.large ? "lg" : "md"} disabled={!outcome} loading={props.busy} onClick={() => outcome && props.submit({ outcome, note: note.trim(), repair_code: repaired ? repair : null })}>
        {text.t("finish.submit")}
      </Button>
    </div>
  );
}

/** The repair's name in the asset model's list, else the stored code. */
export function repairOf(stored: string, codes: RepairCode[], language: string): string {
  const known = codes.find((code) => code.code === stored);
  return known ? repairName(known, language) : stored;
}

export function repairName(code: RepairCode, language: string): string {
  return (language === "zh" ? code.zh : code.en) ?? code.code;
}
