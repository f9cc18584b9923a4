/** The one button that comes next, and behind the other one all that may be done besides. */
import { Button, Textarea } from "@mantine/core";
import { Ban, CalendarPlus, Car, CheckCircle2, CloudOff, Coffee, Ellipsis, FileCheck2, HandHelping, PauseCircle, PenLine, Play, RotateCcw, Undo2, type LucideIcon } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useNavigate, useParams } from "react-router";

import type { Me, RepairCode } from "../../api/types";
import { CANNOT_REASONS, HOLD_REASONS } from "../../desk/work/look";
import { useText } from "../../i18n/useText";
import { Notice } from "../../ui/states";
import { BottomSheet } from "../BottomSheet";
import { useDraft } from "../draft";
import { myVisit, type Job } from "../jobs";
import { useKept } from "../kept";
import { useOutbox } from "../outbox";
import { position, type Fix } from "../places";
import { previewPath } from "../refresh";
import { isState, type Made } from "../send";
import { Missing, useRuns } from "./ChecklistTab";
import { arrive, placeOf } from "./CheckIn";
import { FinishSheet, type Found } from "./FinishSheet";
import { HelpSheet } from "./Help";
import { movesOf } from "./moves";

type Why = "cannot_complete" | "partially_completed" | "on_hold";
type Sheet = "finish" | "more" | "help" | Why | null;

export function NextStep(props: { order: Job; me: Me; codes: RepairCode[] }) {
  const { order, me } = props;
  const { t, language } = useText();
  const { tab } = useParams();
  const { entries, act } = useOutbox();
  const [sheet, setSheet] = useState<Sheet>(null);
  const [fix, setFix] = useState<Fix | null>(null);
  const navigate = useNavigate();
  const { runs } = useRuns(order.id, me);
  const own = entries.filter((entry) => entry.order === order.id);
  const stuck = own.some((entry) => entry.problem && isState(entry));
  const unsent = own.some((entry) => entry.sent === null);
  const moves = movesOf(order, me);
  // Signed is signed: the button for it stands only where a signature is still missing, and not beside the form itself.
  const report = useKept<{ signed: object | null }>(["report-preview"], previewPath(order.id, language), 15_000, moves.document);
  const signed = !!report.data?.signed || own.some((entry) => entry.kind === "signature.add" && !entry.problem);
  const close = () => setSheet(null);
  const visit = myVisit(order, me.person.id);
  // The visit that the server knows; one that waits on the phone is found by its job.
  const subject = visit && visit.version > 0 ? { kind: "visit" as const, id: visit.id } : undefined;
  const move = (to: string, body: Record<string, unknown> = {}): Made => ({ order, kind: "visit.move", body: { to, ...body }, subject });
  const go = async (...made: Made[]) => {
    if (!(await act(me, ...made))) return false;
    close();
    window.scrollTo({ top: 0 });
    return true;
  };
  const start = async () => {
    if (!(await arrive(order, me, act, move("in_progress")))) return;
    close();
    window.scrollTo({ top: 0 });
  };
  const finishing = () => {
    setSheet("finish");
    void position(20_000, 60_000).then((found) => setFix(typeof found === "string" ? null : found)); // known by the time the form is filled in
  };
  if (stuck) return null;
  const can = (to: string) => moves.legal.includes(to);
  const buttons: ReactNode[] = [];
  const big = (label: string, press: () => void, Icon?: LucideIcon, second = false) => (
    <Button key={label} size="lg" px={10} fz={16} className="grow" variant={second ? "default" : "filled"} leftSection={Icon && <Icon size={20} aria-hidden />} rightSection={unsent && !second ? <CloudOff size={16} aria-hidden /> : undefined} onClick={press}>{label}</Button>
  );
  if (moves.accept) buttons.push(big(t("field.accept"), () => void go({ order, kind: "order.accept" })));
  if (moves.again) buttons.push(big(t("job.again"), () => void go({ order, kind: "order.accept" }), RotateCcw));
  if (moves.visit === "scheduled" && moves.blocked.length === 0) buttons.push(big(t("job.set_out"), () => void go(move("travelling")), Car, true), big(t("field.start"), () => void start(), Play));
  if (moves.visit === "travelling" && moves.blocked.length === 0) buttons.push(big(t("field.start"), () => void start(), Play));
  if (moves.visit === "in_progress") buttons.push(big(t("job.break"), () => void go(move("on_break")), Coffee, true), big(t("field.finish"), finishing, CheckCircle2));
  if (moves.visit === "on_break") buttons.push(big(t("job.resume"), () => void go(move("in_progress")), Play));
  const lacking = runs.some((run) => run.missing.length > 0);
  if (moves.document && !signed && tab !== "report") buttons.push(big(t("job.sign"), () => void navigate(`/work/${order.id}/report`), PenLine, true));
  if (moves.document) buttons.push(big(t("job.document"), () => (lacking ? setSheet("more") : void go({ order, kind: "order.document" })), FileCheck2));
  const more = moves.legal.length > 0 || moves.visit !== null;
  if (buttons.length === 0 && !moves.others && moves.blocked.length === 0) return null;
  return (
    <>
      <div className="bottom">
        {moves.others && <div className="action"><div className="small muted" style={{ padding: "10px 2px" }}>{t("field.others", { name: moves.others })}</div></div>}
        {!moves.others && moves.blocked.length > 0 && ["scheduled", "travelling"].includes(moves.visit ?? "") && <div className="action" style={{ paddingBottom: 0 }}><div className="small" style={{ color: "#8f5a00" }}>{t("work.blocked_note", { numbers: moves.blocked.join(", ") })}</div></div>}
        {!moves.others && (
          <div className="action">
            {buttons}
            {more && <Button size="lg" px={14} variant="default" aria-label={t("order.more")} onClick={() => setSheet("more")}><Ellipsis size={22} /></Button>}
          </div>
        )}
      </div>
      <BottomSheet opened={sheet === "more"} close={close} title={moves.document && lacking ? t("job.document") : t("order.more")}>
        <div className="stack" style={{ gap: 10 }}>
          {moves.document && lacking && <Missing runs={runs} go={() => { close(); void navigate(`/work/${order.id}/checklist`); }} />}
          {can("scheduled") && moves.visit === "travelling" && <MoreButton icon={Undo2} label={t("job.not_going")} press={() => void go(move("scheduled"))} />}
          {moves.visit === "on_break" && can("completed") && <MoreButton icon={CheckCircle2} label={t("field.finish")} press={finishing} />}
          {moves.visit && <MoreButton icon={HandHelping} label={t("help.ask")} press={() => setSheet("help")} />}
          {moves.visit && order.state !== "on_hold" && <MoreButton icon={PauseCircle} label={t("job.hold")} hint={t("job.hold_hint")} press={() => setSheet("on_hold")} />}
          {can("partially_completed") && <MoreButton icon={CalendarPlus} label={t("job.partly")} hint={t("job.partly_hint")} press={() => setSheet("partially_completed")} />}
          {can("cannot_complete") && <MoreButton icon={Ban} label={t("job.cannot")} hint={t("job.cannot_hint")} press={() => setSheet("cannot_complete")} />}
        </div>
      </BottomSheet>
      {(sheet === "cannot_complete" || sheet === "partially_completed") && <WhyNot to={sheet} close={close} submit={(body) => void go(move(sheet, { ...body, place: fix ? placeOf(fix) : undefined }))} />}
      {sheet === "on_hold" && <WhyNot to="on_hold" close={close} submit={(body) => void go(...(moves.visit === "in_progress" ? [move("on_break")] : []), { order, kind: "order.hold", body })} />}
      {sheet === "help" && <HelpSheet order={order} me={me} close={close} />}
      <Finishing open={sheet === "finish"} close={close} order={order} me={me} codes={props.codes} lacking={lacking && <Missing runs={runs} go={() => { close(); void navigate(`/work/${order.id}/checklist`); }} />} finish={async (found) => { const kept = await go({ order, kind: "order.finish", subject, body: { ...found, place: fix ? placeOf(fix) : undefined } }); if (kept) void navigate(`/work/${order.id}`, { replace: true }); return kept; }} />
    </>
  );
}

function MoreButton(props: { icon: LucideIcon; label: string; hint?: string; press: () => void }) {
  return (
    <button type="button" className="pick" onClick={props.press}>
      <props.icon size={22} style={{ flex: "none", marginTop: 1 }} aria-hidden />
      <span className="grow"><b>{props.label}</b>{props.hint && <small>{props.hint}</small>}</span>
    </button>
  );
}

const WHY: Record<Why, { label: string; reasons: string[]; red?: boolean }> = {
  cannot_complete: { label: "job.cannot", reasons: CANNOT_REASONS, red: true },
  partially_completed: { label: "job.partly", reasons: [] },
  on_hold: { label: "job.hold", reasons: HOLD_REASONS },
};

/** Why it is not done, or waits: one of the listed reasons, with words where the list does not say enough. */
function WhyNot(props: { to: Why; close: () => void; submit: (body: Record<string, unknown>) => void }) {
  const text = useText();
  const [code, setCode] = useState<string | null>(null);
  const [words, setWords] = useState("");
  const { label, reasons, red } = WHY[props.to];
  const coded = reasons.length > 0;
  const ready = coded ? code !== null && (code !== "other" || words.trim() !== "") : words.trim() !== "";
  return (
    <BottomSheet opened close={props.close} title={text.t(label)} size="92%">
      <div className="stack" style={{ gap: 12 }}>
        {coded && (
          <div className="stack" role="radiogroup" aria-label={text.t("order.reason")}>
            {reasons.map((word) => (
              <button key={word} type="button" role="radio" aria-checked={code === word} className="pick" onClick={() => setCode(word)}><span className="ring" /><b>{text.code("work_reason", word)}</b></button>
            ))}
          </div>
        )}
        <Textarea size="md" label={text.t(coded ? "work.in_words" : "job.what_is_left")} value={words} onChange={(event) => setWords(event.currentTarget.value)} autosize minRows={3} maxLength={1000} withAsterisk={!coded || code === "other"} />
        {!ready && (code === "other" || !coded) && <Notice tone="quiet">{text.t("job.words_needed")}</Notice>}
        <Button size="lg" color={red ? "red" : undefined} disabled={!ready} onClick={() => props.submit({ ...(coded ? { reason_code: code } : {}), reason: words.trim() || undefined })}>{text.t(label)}</Button>
      </div>
    </BottomSheet>
  );
}

function Finishing(props: { open: boolean; close: () => void; order: Job; me: Me; codes: RepairCode[]; lacking: ReactNode; finish: (found: Found) => Promise<boolean> }) {
  const { t } = useText();
  const { order, me } = props;
  const [draft, keepDraft, dropDraft] = useDraft(`${me.person.id}/${order.id}`);
  return (
    <BottomSheet opened={props.open} close={props.close} title={t("field.finish")} size="92%">
      <div className="stack" style={{ gap: 14 }}>
        {props.lacking}
        {draft !== undefined && <FinishSheet order={order} repairCodes={props.codes} draft={draft} onDraft={keepDraft} blocked={!!props.lacking} submit={(found) => void props.finish(found).then((kept) => kept && dropDraft())} />}
      </div>
    </BottomSheet>
  );
}
