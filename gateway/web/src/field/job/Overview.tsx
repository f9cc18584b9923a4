/** What the job is about: who noticed or reported what, who works on it, what holds it, what was found. */
import { Button, Checkbox } from "@mantine/core";
import { CheckCircle2, CloudOff, OctagonAlert, PauseCircle, PencilLine, Undo2, UsersRound } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link } from "react-router";

import type { AssetDetail, Me, RepairCode } from "../../api/types";
import { useText } from "../../i18n/useText";
import { noticed } from "../../text/noticed";
import { orderTitle } from "../../text/sentences";
import { isOpen, SeverityChip } from "../../ui/chips";
import { EvidenceChart, EvidenceTable } from "../../ui/Evidence";
import { Lines, PastOrders } from "../../ui/Explained";
import { repairOf } from "../../ui/FinishForm";
import { FromCustomer, hasSent } from "../../ui/FromCustomer";
import { Facts, Since } from "../../ui/parts";
import { Notice } from "../../ui/states";
import { assetPath, charts } from "../ahead";
import { BottomSheet } from "../BottomSheet";
import { GoThere } from "../GoThere";
import type { Job } from "../jobs";
import { useKept } from "../kept";
import { useOutbox } from "../outbox";
import { fixesPath } from "../refresh";
import { useSpots } from "../spots";
import { actionWord } from "../Unsent";
import type { Entry } from "../store";
import { OnSiteCard } from "./CheckIn";
import { FinishSheet, type Half } from "./FinishSheet";
import { Helped } from "./Help";
import { LastFixes } from "./Machine";
import { movesOf } from "./moves";

type Props = { order: Job; me: Me; codes: RepairCode[] };

export function Overview(props: Props) {
  const { order, me } = props;
  const text = useText();
  const spot = useSpots([order]).get(order.asset.id);
  return (
    <>
      <Standing order={order} />
      <OnSiteCard order={order} me={me} />
      {order.outcome && <Done order={order} me={me} codes={props.codes} />}
      <Noticed order={order} codes={props.codes} />
      {hasSent(order.case) && <section className="card pad"><h2>{text.t("order.from_customer")}</h2><FromCustomer one={order.case} /></section>}
      <LastFixes path={fixesPath(order.id)} most={3} />
      <Helped order={order} me={me} />
      <People order={order} me={me} />
      {spot && isOpen(order) && <section className="card pad"><h2 style={{ marginBottom: 0 }}>{text.t("sites.navigate")}</h2><GoThere spot={spot} name={order.asset.site_name ?? order.asset.name} /></section>}
    </>
  );
}

/** What was done here and is not sent yet. */
export function Waiting(props: { own: Entry[] }) {
  const text = useText();
  const waiting = props.own.filter((entry) => entry.sent === null);
  if (waiting.length === 0 || waiting.some((entry) => entry.problem)) return null;
  const actions = [...new Set(waiting.map((entry) => actionWord(entry, text)))].join(text.language === "zh" ? "、" : ", ");
  return <Notice tone="watch" icon={CloudOff}>{text.t("field.waiting_here", { actions })}</Notice>;
}

function Standing(props: { order: Job }) {
  const text = useText();
  const { order } = props;
  const waits = (order.blocked_by ?? []).filter((one) => !one.cleared_at);
  return (
    <>
      {order.hold_reason && <Notice tone="watch" icon={PauseCircle}>{text.t("work.held_note", { reason: text.code("work_reason", order.hold_reason) })}</Notice>}
      {order.state === "cannot_complete" && order.cannot_complete_reason && <Notice tone="trouble" icon={OctagonAlert}>{text.t("work.cannot_note", { reason: text.code("work_reason", order.cannot_complete_reason) })}</Notice>}
      {order.review_state === "sent_back" && isOpen(order) && <Notice tone="watch" icon={Undo2}>{text.t("work.sent_back_note", { reason: order.review_reason ?? "–" })}</Notice>}
      {waits.length > 0 && isOpen(order) && <Notice tone="watch" icon={PauseCircle}>{text.t("work.blocked_note", { numbers: waits.map((one) => one.number).join(", ") })}</Notice>}
    </>
  );
}

function Noticed(props: { order: Job; codes: RepairCode[] }) {
  const text = useText();
  const { order } = props;
  const found = order.noticed;
  const asset = useKept<AssetDetail>(["asset"], assetPath(order.asset.id), 30_000);
  return (
    <>
      <section className="card pad">
        <div className="row wrap" style={{ gap: 8, marginBottom: 6 }}>
          <h2 style={{ margin: 0 }} className="grow">{text.t(order.request ? "field.reported" : found ? "order.noticed" : "job.to_do")}</h2>{found && <SeverityChip severity={found.severity} small />}
        </div>
        <div style={{ fontSize: 17, fontWeight: 620, lineHeight: 1.4 }} className="break">{found ? noticed({ ...found, kind: order.kind }, text) : orderTitle(order, text)}</div>
        {order.request && order.request.text !== orderTitle(order, text) && <p className="break" style={{ margin: "8px 0 0" }}>“{order.request.text}”</p>}
        <div className="small muted" style={{ marginTop: 4 }}>{isOpen(order) && <><Since at={found?.since ?? order.since ?? order.opened_at} /> · </>}{text.moment(found?.since ?? order.since ?? order.opened_at)}</div>
        {found?.explanation && <Lines lines={found.explanation.lines} beside={found.contributions.length > 0} />}
        {found && found.contributions.length > 0 && (
          <div style={{ margin: "14px -4px 0" }}>
            <EvidenceChart asset={order.asset.id} contributions={found.contributions} since={found.since ?? order.since} until={order.work_done_at ?? order.closed_at} now={order.replayed ? (asset.data?.last_reading_at ?? null) : null} height={190} keeper={charts} />
          </div>
        )}
      </section>
      {found && found.contributions.length > 0 && <section className="card"><EvidenceTable contributions={found.contributions} /></section>}
      {found && found.checks.length > 0 && <Checks order={order} />}
      {(found?.similar?.length ?? 0) > 0 && <section className="card pad"><h2>{text.t("similar.title")}</h2><PastOrders orders={found!.similar!} codes={props.codes} base="/work" /></section>}
    </>
  );
}

/** Who else works on it, and what it belongs to. */
function People(props: { order: Job; me: Me }) {
  const text = useText();
  const { order, me } = props;
  const names = [order.assignee, ...(order.helpers ?? [])].filter((one) => one !== null && one !== undefined);
  const rows: [ReactNode, ReactNode][] = [];
  if (names.length > 0) rows.push([text.t("work.people"), <span className="row wrap" style={{ gap: "2px 10px" }}>{names.map((one) => <span key={one!.id} className="break" style={{ fontWeight: one!.id === me.person.id ? 640 : undefined }}>{one!.id === me.person.id ? text.t("job.me", { name: one!.name }) : one!.name}</span>)}</span>]);
  if (order.duration_minutes) rows.push([text.t("work.duration"), text.t("work.minutes", { count: order.duration_minutes })]);
  if (order.due_at) rows.push([text.t("work.due"), text.moment(order.due_at)]);
  if ((order.parts?.length ?? 0) > 0) rows.push([text.t("work.parts"), <span>{order.parts.filter((one) => one.number !== "—").map((one) => <Link key={one.id} className="link" to={`/work/${one.id}`}>{one.number} </Link>)}</span>]);
  if (rows.length === 0) return null;
  return <section className="card pad"><h2 className="row" style={{ gap: 8 }}><UsersRound size={18} aria-hidden />{text.t("order.facts")}</h2><Facts rows={rows} /></section>;
}

function Checks(props: { order: Job }) {
  const text = useText();
  const stored = `forewarn.checks.${props.order.id}`;
  const [done, setDone] = useState<number[]>(() => {
    try {
      return JSON.parse(localStorage.getItem(stored) ?? "[]") as number[];
    } catch {
      return [];
    }
  });
  const turn = (index: number) => {
    const next = done.includes(index) ? done.filter((one) => one !== index) : [...done, index];
    setDone(next);
    try {
      localStorage.setItem(stored, JSON.stringify(next));
    } catch {
      // ticks are a help for the eye only
    }
  };
  return (
    <section className="card pad">
      <h2>{text.t("order.checks")}</h2>
      <div className="stack" style={{ gap: 14 }}>
        {props.order.noticed!.checks.map((check, index) => (
          <Checkbox key={check.en} size="md" checked={done.includes(index)} onChange={() => turn(index)} label={text.language === "zh" ? check.zh : check.en} styles={{ label: { lineHeight: 1.45 } }} />
        ))}
      </div>
    </section>
  );
}

/** What was found; until the report is complete, whoever found it may say it better. */
function Done(props: { order: Job; me: Me; codes: RepairCode[] }) {
  const text = useText();
  const { order, me } = props;
  const { act } = useOutbox();
  const [half, setHalf] = useState<Half | null>(null);
  const rows: [ReactNode, ReactNode][] = [[text.t("order.outcome"), text.code("outcome", order.outcome)]];
  if (order.repair_code) rows.push([text.t("finish.repair"), repairOf(order.repair_code, props.codes, text.language)]);
  if (order.outcome_note) rows.push([text.t("finish.note"), order.outcome_note]);
  const begin = () => setHalf({ outcome: order.outcome, note: order.outcome_note ?? "", repair_code: order.repair_code, failure_mode: null, cause: null });
  return (
    <section className="card pad">
      <h2 className="row"><CheckCircle2 size={18} color="#1f7a4d" aria-hidden />{text.t("field.result")}</h2>
      <Facts rows={rows} />
      {movesOf(order, me).document && <Button mt={12} size="md" variant="default" leftSection={<PencilLine size={17} aria-hidden />} onClick={begin}>{text.t("field.correct")}</Button>}
      <BottomSheet opened={half !== null} close={() => setHalf(null)} title={text.t("field.result")} size="92%">
        {half && <FinishSheet order={order} repairCodes={props.codes} draft={half} onDraft={NOT_KEPT} label="action.save" submit={(found) => void act(me, { order, kind: "order.result", body: { ...found } }).then((kept) => kept && setHalf(null))} />}
      </BottomSheet>
    </section>
  );
}

const NOT_KEPT = () => undefined; // a correction begins from what is there, each time
