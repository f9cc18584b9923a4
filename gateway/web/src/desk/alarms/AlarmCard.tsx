/** One alarm: what it is, its state, what may be done now; opened, its evidence and what it stands for. */
import { Button } from "@mantine/core";
import { Check, ChevronDown, Clock3, Phone, Undo2 } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";

import type { Alarm } from "../../api/alarms";
import { useAct } from "../../api/hooks";
import { useText, type Text } from "../../i18n/useText";
import { noticed } from "../../text/noticed";
import { AlarmChip } from "../../ui/alarmChips";
import { Chip, Marks, SeverityChip } from "../../ui/chips";
import { Since } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { errorText } from "../../ui/states";
import { AlarmFacts } from "./AlarmFacts";
import { Shelve } from "./Shelve";

export function alarmTitle(alarm: Pick<Alarm, "signature" | "layer" | "kind" | "contributions">, text: Text): string {
  return noticed({ ...alarm, signature: alarm.signature || "machine" }, text);
}

export function AlarmCard(props: { alarm: Alarm; asset?: boolean }) {
  const text = useText();
  const { alarm } = props;
  const [open, setOpen] = useState(false);
  const over = alarm.closed_at !== null;
  return (
    <article className="card">
      <div className="row wrap top alarm">
        <div className="grow" style={{ flexBasis: 300 }}>
          <div className="row wrap" style={{ gap: 6, marginBottom: 6 }}>
            <SeverityChip severity={alarm.severity} small />
            {!over && <AlarmChip state={alarm.alarm_state} small />}
            {alarm.recurrence_no > 0 && <Chip tone="watch" small>{text.t("alarms.recurrence", { count: alarm.recurrence_no })}</Chip>}
            <Marks replayed={alarm.replayed} />
          </div>
          {props.asset !== false && <Link to={`/assets/${alarm.asset.id}`} className="plain break" style={{ fontSize: 16, fontWeight: 650 }}>{alarm.asset.name}</Link>}
          <div className="break" style={{ marginTop: 2 }}>{alarmTitle(alarm, text)}</div>
          <div className="small muted" style={{ marginTop: 4 }}>
            {text.moment(alarm.opened_at)} · {over ? text.lasted(alarm.opened_at, alarm.cleared_at ?? alarm.closed_at) : alarm.cleared_at ? text.t("alarms.cleared", { at: text.moment(alarm.cleared_at) }) : <Since at={alarm.opened_at} />}
            {alarm.readings !== null && <> · {text.t("alarms.readings", { count: alarm.readings })}</>}
            {alarm.failure_mode && <> · {text.language === "zh" ? alarm.failure_mode.name_zh : alarm.failure_mode.name_en}</>}
          </div>
          <Standing alarm={alarm} />
          <button type="button" className="plainbutton small link row" style={{ gap: 4, marginTop: 6 }} aria-expanded={open} onClick={() => setOpen(!open)}>
            <ChevronDown size={15} aria-hidden style={{ transform: open ? "rotate(180deg)" : undefined }} />{text.t(open ? "alarms.less" : "alarms.more")}
          </button>
        </div>
        <div className="row wrap">
          {alarm.work_order && <Button component={Link} to={`/work-orders/${alarm.work_order.id}`} variant="default">{alarm.work_order.number}</Button>}
          <Acts alarm={alarm} />
        </div>
      </div>
      {open && <AlarmFacts id={alarm.id} />}
    </article>
  );
}

/** Who acknowledged it, who is being called, why it is held. */
function Standing(props: { alarm: Alarm }) {
  const text = useText();
  const { alarm } = props;
  const calling = alarm.escalation?.state === "running" ? alarm.escalation : null;
  return (
    <>
      {alarm.acknowledged_at && <div className="small" style={{ marginTop: 4 }}>{text.t("alarms.acknowledged_by", { name: alarm.acknowledged_by?.name ?? text.t("actor.system"), at: text.moment(alarm.acknowledged_at) })}</div>}
      {alarm.hold && (
        <div className="small" style={{ marginTop: 4 }}>
          {alarm.hold.until ? text.t("alarms.held_until", { kind: text.code("hold", alarm.hold.kind), at: text.moment(alarm.hold.until) }) : text.code("hold", alarm.hold.kind)}
          {alarm.hold.reason && <span className="muted"> “{alarm.hold.reason}”</span>}
        </div>
      )}
      {calling && (
        <div className="small row" style={{ marginTop: 4, gap: 6, color: "#b3261e" }}>
          <Phone size={14} aria-hidden />{text.t("alarms.calling", { step: calling.step, of: calling.of })}
          {calling.next_at && <span className="muted">{text.t("alarms.next_call", { at: text.clock(calling.next_at).slice(0, 5) })}</span>}
        </div>
      )}
    </>
  );
}

function Acts(props: { alarm: Alarm }) {
  const text = useText();
  const { alarm } = props;
  const [shelving, setShelving] = useState(false);
  const act = useAct();
  const run = (word: string) =>
    act.mutate({ path: `/episodes/${alarm.id}/${word}` }, { onSuccess: () => say(text.t(`alarms.done.${word}`)), onError: (error) => say(errorText(error, text), "bad") });
  const may = (word: string) => alarm.legal.includes(word);
  return (
    <>
      {may("acknowledge") && <Button leftSection={<Check size={16} />} loading={act.isPending} onClick={() => run("acknowledge")}>{text.t("alarms.acknowledge")}</Button>}
      {may("shelve") && <Button variant="default" leftSection={<Clock3 size={16} />} onClick={() => setShelving(true)}>{text.t("alarms.shelve")}</Button>}
      {may("unshelve") && <Button variant="default" leftSection={<Undo2 size={16} />} loading={act.isPending} onClick={() => run("unshelve")}>{text.t("alarms.unshelve")}</Button>}
      {shelving && <Shelve alarm={alarm} close={() => setShelving(false)} />}
    </>
  );
}
