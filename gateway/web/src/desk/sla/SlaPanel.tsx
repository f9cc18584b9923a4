/** The clocks of one case, request or work order: how they were counted, pauses by hand, who was warned. */
import { Button, Progress } from "@mantine/core";
import { BellOff, CirclePause, Play } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useOne, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { duration } from "../../i18n/format";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { CardBlock } from "../../ui/parts";
import { ClockChip } from "./SlaChips";
import { REASONS, words } from "./words";

type Clocks = Schema["SubjectClocks"];
type Clock = Schema["ClockDetail"];
const COLOUR: Record<string, string> = { breached: "red", missed: "red", at_risk: "yellow", paused: "gray", cancelled: "gray" };

export function SlaPanel(props: { kind: "case" | "request" | "work_order"; id: string }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const path = `/sla-clocks/${props.kind}/${props.id}`;
  const reads = may(me, "sla.read");
  const found = useOne<Clocks>(path, reads, 30_000);
  if (!reads || !found.data || (found.data.clocks.length === 0 && found.data.pauses.length === 0)) return null;
  const data = found.data;
  const runs = data.clocks.some((clock) => clock.finished_at === null);
  return (
    <CardBlock title={text.t("sla.title")} right={runs && may(me, "sla.pause") && <PauseButton path={path} />}>
      {data.clocks.map((clock) => <OneClock key={clock.clock} clock={clock} />)}
      {data.pauses.length > 0 && (
        <div style={{ marginTop: 12 }}>
          <div className="label">{text.t("sla.told_pauses")}</div>
          {data.pauses.map((pause) => (
            <div key={pause.id} className="line small row wrap" style={{ gap: "2px 8px" }}>
              <span className="grow break">
                <b style={{ fontWeight: 600 }}>{text.code("sla_reason", pause.reason)}</b> {text.moment(pause.start)} – {pause.end ? text.moment(pause.end) : text.t("sla.until_ended")}
                <div className="tiny muted">{[pause.note, pause.by?.name].filter(Boolean).join(" · ")}</div>
              </span>
              {!pause.end && may(me, "sla.pause") && <ActButton small icon={Play} label={text.t("sla.go_on")} path={`${path}/pauses/${pause.id}/end`} body={{}} />}
            </div>
          ))}
        </div>
      )}
      {data.warnings.filter((one) => !one.silent).length > 0 && (
        <div style={{ marginTop: 12 }}>
          <div className="label">{text.t("sla.warnings")}</div>
          {data.warnings.filter((one) => !one.silent).map((warning) => <WarningLine key={warning.id} warning={warning} />)}
        </div>
      )}
    </CardBlock>
  );
}

export function WarningLine(props: { warning: Schema["WarningItem"] }) {
  const text = useText();
  const { warning } = props;
  return (
    <div className="line small row wrap" style={{ gap: "2px 8px" }}>
      <span className="grow break">
        {text.t("sla.warned", { clock: text.code("sla_clock", warning.clock), percent: warning.percent })}{warning.round > 0 && ` · ${text.t("sla.round", { number: warning.round + 1 })}`}
        <div className="tiny muted">{text.moment(warning.fired_at)}{warning.told.length > 0 ? ` · ${text.t("sla.told", { names: warning.told.map((one) => one.name).join(", ") })}` : ` · ${text.t("sla.told_nobody")}`}{warning.acknowledged_by && ` · ${text.t("sla.noted_by", { name: warning.acknowledged_by.name })}`}</div>
      </span>
      {!warning.acknowledged_at && <ActButton small icon={BellOff} label={text.t("sla.acknowledge")} path={`/sla-warnings/${warning.id}/acknowledge`} body={{}} />}
    </div>
  );
}

function OneClock(props: { clock: Clock }) {
  const text = useText();
  const [open, setOpen] = useState(false);
  const { clock } = props;
  const said = (seconds: number) => duration(seconds, text.language);
  return (
    <div className="line">
      <div className="row wrap" style={{ gap: "4px 10px" }}>
        <b className="grow" style={{ fontWeight: 600 }}>{text.code("sla_clock", clock.clock)}</b>
        <ClockChip clock={clock} named={false} />
      </div>
      <div className="row small muted" style={{ marginTop: 2 }}>
        <span>{clock.finished_at ? text.t("sla.ended_at", { at: text.moment(clock.finished_at) }) : clock.due_at ? text.t("sla.due_at", { at: text.moment(clock.due_at) }) : text.t("sla.never_due")}</span>
      </div>
      <Progress value={Math.min(100, clock.percent)} color={COLOUR[clock.state]} size={5} mt={7} aria-label={`${Math.round(clock.percent)} %`} />
      <div className="row tiny muted" style={{ marginTop: 4 }}>
        <span className="grow">{text.t("sla.used_of", { used: said(clock.used_s), target: said(clock.target_s), percent: text.number(clock.percent, 0) })}</span>
        <Button size="compact-xs" variant="subtle" aria-expanded={open} onClick={() => setOpen(!open)}>{text.t("sla.how")}</Button>
      </div>
      {open && (
        <div className="small" style={{ margin: "6px 0 4px" }}>
          <div>{text.t("sla.sum", { used: said(clock.used_s), paused: said(clock.paused_s), outside: said(clock.outside_s) })}</div>
          <div className="muted">{clock.calendar ? text.t("sla.on_calendar", { name: clock.calendar.name }) : text.t("sla.around_the_clock")} · {clock.contract ? text.t("sla.by_contract", { number: clock.contract.name }) : clock.policy ? text.t("sla.by_policy", { name: clock.policy.name }) : "–"}</div>
          {clock.pauses.map((one, index) => <div key={index} className="muted">{text.code("sla_reason", one.reason)}: {text.moment(one.start)} – {one.end ? text.moment(one.end) : text.t("sla.until_ended")}</div>)}
          {clock.ignored.map((one, index) => <div key={index} className="faint">{text.code("sla_reason", one.reason)}: {text.moment(one.start)} – {one.end ? text.moment(one.end) : text.t("sla.until_ended")} ({text.t("sla.does_not_pause")})</div>)}
        </div>
      )}
    </div>
  );
}

function PauseButton(props: { path: string }) {
  const text = useText();
  return (
    <FormButton
      small
      icon={CirclePause}
      label={text.t("sla.pause")}
      form={{
        path: `${props.path}/pauses`,
        note: text.t("sla.pause_note"),
        fields: [
          { name: "reason", label: "sla.reason", kind: "select", required: true, options: words("sla_reason", REASONS, text) },
          { name: "since", label: "sla.since", kind: "moment", half: true, hint: "sla.since_hint" },
          { name: "until", label: "sla.until", kind: "moment", half: true, hint: "sla.until_hint" },
          { name: "note", label: "order.note", kind: "area", most: 1000 },
        ],
      }}
    />
  );
}
