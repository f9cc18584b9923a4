/** What a job takes: the clock that runs, hours and travel corrected by hand, expenses with their receipt, parts. */
import { ActionIcon, Button } from "@mantine/core";
import { Car, Clock, Coins, Package, Pencil, Plus, Square, Timer, Trash2 } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { Link } from "react-router";

import type { Me } from "../../api/types";
import { may } from "../../api/rows";
import { amount, money, partName } from "../../desk/stock/common";
import type { Used } from "../../desk/stock/OrderParts";
import { duration } from "../../desk/work/look";
import { duration as lasting } from "../../i18n/format";
import { useText, type Text } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { myVisit, type Job } from "../jobs";
import { useKept } from "../kept";
import { useOutbox } from "../outbox";
import { linesPath } from "../refresh";
import { totals, withMine, type Line } from "./lines";
import { LineSheet, type Started } from "./LineSheet";
import { startClock, stopClock, useClock } from "./clock";

const DONE = ["closed", "cancelled"];

export function TimeTab(props: { order: Job; me: Me }) {
  const text = useText();
  const { order, me } = props;
  const { entries, act } = useOutbox();
  const asked = useKept<{ items: Line[] }>(["lines"], linesPath(order.id), 60_000);
  const [sheet, setSheet] = useState<Started | null>(null);
  // Without a network what was written here is there all the same.
  const lines = withMine(asked.data?.items ?? [], entries, order.id, me.person);
  const sum = totals(lines);
  const open = !DONE.includes(order.state);
  const visit = myVisit(order, me.person.id);
  const add = (kind: string) => setSheet({ kind, visit_id: visit && visit.version > 0 && kind !== "expense" ? visit.id : null });
  const remove = (line: Line) => void act(me, { order, kind: "line.remove", body: { line_id: line.id } });
  return (
    <>
      <VisitClock order={order} me={me} />
      {open && <Stopwatch order={order} me={me} stopped={setSheet} />}
      <section className="card pad">
        <h2>{text.t("work.lines")}</h2>
        <div className="row wrap" style={{ gap: "4px 16px", fontWeight: 620, marginBottom: lines.length ? 4 : 0 }}>
          <span>{text.t("work.total_labour", { time: duration(sum.labour, text) })}</span>
          <span>{text.t("work.total_travel", { time: duration(sum.travel, text) })}</span>
          {sum.kilometres > 0 && <span>{text.number(sum.kilometres, 1)} km</span>}
          {Object.entries(sum.money).map(([currency, value]) => <span key={currency}>{money(value, currency, text)}</span>)}
        </div>
        {lines.map((line) => <LineRow key={line.id} line={line} text={text} edit={open && line.state !== "approved" && line.source !== "visit" && line.person?.id === me.person.id ? () => setSheet({ kind: line.kind, line }) : undefined} correct={open && line.source === "visit" && line.state !== "approved" && line.person?.id === me.person.id ? () => setSheet({ kind: line.kind, visit_id: line.visit_id ?? null, minutes: line.minutes, note: line.note }) : undefined} remove={() => remove(line)} />)}
        {!asked.data && <div className="small muted" style={{ marginTop: 6 }}>{text.t(asked.error ? "time.not_loaded" : "time.loading")}</div>}
        {asked.data && lines.length === 0 && <div className="small muted" style={{ marginTop: 6 }}>{text.t("time.none")}</div>}
        {open && (
          <div className="thirds" style={{ marginTop: 14 }}>
            {([["labour", Clock], ["travel", Car], ["expense", Coins]] as const).map(([kind, Icon]) => <button key={kind} type="button" className="choice tall" onClick={() => add(kind)}><Icon size={20} aria-hidden />{text.code("line_kind", kind)}</button>)}
          </div>
        )}
      </section>
      <PartsCard order={order} me={me} open={open} />
      {sheet && <LineSheet started={sheet} order={order} me={me} close={() => setSheet(null)} />}
    </>
  );
}

function LineRow(props: { line: Line; text: Text; edit?: () => void; correct?: () => void; remove: () => void }) {
  const { line, text } = props;
  const amountOf = [line.minutes !== null ? duration(line.minutes, text) : "", line.kilometres != null ? `${text.number(Number(line.kilometres), 1)} km` : "", line.amount != null ? money(Number(line.amount), line.currency, text) : ""].filter(Boolean).join(" · ");
  return (
    <div className="line row" style={{ gap: 8 }}>
      <span className="grow">
        <span className="break" style={{ fontWeight: 600 }}>{text.code("line_kind", line.kind)} · {text.code("line_category", line.category)}</span>
        <span className="small muted break" style={{ display: "block" }}>{[text.day(line.day), line.person?.name, line.source === "visit" ? text.t("work.counted") : "", line.note].filter(Boolean).join(" · ")}</span>
        {line.state !== "recorded" && <Chip small tone={line.state === "approved" ? "ok" : "trouble"} title={line.decision_reason ?? undefined}>{text.code("line_state", line.state)}</Chip>}
        {line.waits && <Chip small tone="watch">{text.t("field.state_waiting")}</Chip>}
      </span>
      <b className="num nowrap">{amountOf}</b>
      {(props.edit ?? props.correct) && <ActionIcon size={44} variant="subtle" color="gray" aria-label={text.t("sop.correct")} onClick={props.edit ?? props.correct}><Pencil size={18} /></ActionIcon>}
      {props.edit && <ActionIcon size={44} variant="subtle" color="red" aria-label={text.t("action.delete")} onClick={props.remove}><Trash2 size={18} /></ActionIcon>}
    </div>
  );
}

/** The seconds since a moment, once a second. */
function useSeconds(since: string | null | undefined): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!since) return;
    const timer = window.setInterval(() => setNow(Date.now()), 1_000);
    return () => window.clearInterval(timer);
  }, [since]);
  return since ? Math.max(0, Math.floor((now - Date.parse(since)) / 1000)) : 0;
}

function Running(props: { label: string; since: string | null | undefined; children?: ReactNode; still?: boolean }) {
  const text = useText();
  const seconds = useSeconds(props.since);
  return (
    <div className="row" style={{ gap: 12 }}>
      <Timer size={26} color={props.still ? "#8f5a00" : "#1d7470"} aria-hidden />
      <span className="grow"><span style={{ fontWeight: 620 }}>{props.label}</span>{props.since && <span className="small muted" style={{ display: "block" }}>{text.t("time.since", { at: text.moment(props.since) })}</span>}</span>
      <b className="clock num" role="timer">{lasting(seconds, text.language)}</b>
      {props.children}
    </div>
  );
}

/** On the way, at work, on a break: this clock runs by itself and becomes lines when the visit ends. */
function VisitClock(props: { order: Job; me: Me }) {
  const text = useText();
  const visit = myVisit(props.order, props.me.person.id);
  if (!visit || visit.state === "scheduled") return null;
  const since = visit.state === "travelling" ? visit.travelling_at : visit.started_at;
  return (
    <section className="card pad">
      <Running label={text.code("visit", visit.state)} since={since} still={visit.state === "on_break"} />
      <div className="small muted" style={{ marginTop: 8 }}>{text.t("time.by_itself")}</div>
    </section>
  );
}

/** A clock of one's own, for what is not the visit: a second trip, waiting, helping. It runs on when the page is closed. */
function Stopwatch(props: { order: Job; me: Me; stopped: (line: Started) => void }) {
  const text = useText();
  const clock = useClock(props.me.person.id);
  const here = clock?.order === props.order.id;
  const stop = async () => {
    const ended = await stopClock(props.me.person.id);
    if (ended) props.stopped({ kind: ended.kind, started_at: ended.started_at, ended_at: new Date().toISOString() });
  };
  if (clock && !here) return <section className="card pad small">{text.t("time.elsewhere")} <Link className="link" to={`/work/${clock.order}/time`}>{clock.number}</Link></section>;
  return (
    <section className="card pad">
      {clock ? (
        <Running label={text.code("line_kind", clock.kind)} since={clock.started_at}>
          <Button size="md" px={14} color="red" variant="light" leftSection={<Square size={16} aria-hidden />} onClick={() => void stop()}>{text.t("time.stop")}</Button>
        </Running>
      ) : (
        <div className="row" style={{ gap: 8 }}>
          <span className="grow" style={{ fontWeight: 600 }}>{text.t("time.clock")}</span>
          {(["labour", "travel"] as const).map((kind) => <Button key={kind} size="md" px={14} variant="light" leftSection={kind === "labour" ? <Clock size={18} aria-hidden /> : <Car size={18} aria-hidden />} onClick={() => void startClock(props.me.person.id, props.order, kind)}>{text.code("line_kind", kind)}</Button>)}
        </div>
      )}
    </section>
  );
}

function PartsCard(props: { order: Job; me: Me; open: boolean }) {
  const text = useText();
  const { entries } = useOutbox();
  const used = useKept<Used>(["order-parts"], `/work-orders/${props.order.id}/parts`, 60_000);
  const waiting = entries.filter((one) => one.order === props.order.id && one.kind === "stock.move" && one.sent === null);
  const use = may(props.me, "stock.use");
  if (!use && (used.data?.items?.length ?? 0) === 0) return null;
  return (
    <section className="card pad">
      <h2 className="row" style={{ gap: 8 }}><Package size={18} aria-hidden />{text.t("order.parts")}</h2>
      {waiting.map((one) => <div key={one.key} className="line row" style={{ gap: 8 }}><span className="grow break">{one.said ?? text.code("movement", String(one.body.kind))}</span><Chip small tone={one.problem ? "trouble" : "watch"}>{text.t(one.problem ? "field.state_refused" : "field.state_waiting")}</Chip></div>)}
      {(used.data?.items ?? []).map((one) => (
        <div key={one.usage_id} className="line row" style={{ gap: 10 }}>
          <span className="grow"><b className="mono">{one.part.number}</b><span className="small break" style={{ display: "block" }}>{partName(one.part, text)} {one.serial && <span className="mono">{one.serial}</span>}</span></span>
          <b className="num nowrap">{amount(one.quantity - one.returned, one.part.unit, text)}</b>
        </div>
      ))}
      {(used.data?.items ?? []).length + waiting.length === 0 && <div className="small muted">{text.t("order.no_parts")}</div>}
      {use && props.open && <Button mt={12} fullWidth component={Link} to={`/parts?order=${props.order.id}`} size="md" variant="default" leftSection={<Plus size={18} aria-hidden />}>{text.t("time.take_parts")}</Button>}
    </section>
  );
}
