/** Is it there, why do we think so, how often should it speak, how right is its clock. */
import { Button, Modal, NumberInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState, type ReactNode } from "react";

import { useAct } from "../../api/hooks";
import type { DeviceDetail } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { every, intervalText, presenceReason } from "../../text/presence";
import { Chip, PresenceChip } from "../../ui/chips";
import { Ago, CardBlock, Facts } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { errorText } from "../../ui/states";

const CLOCK_FINE_MS = 2_000; // smaller offsets say more about the network than about the clock
const LONGEST_S = 31 * 86_400;

export function PresenceCard(props: { device: DeviceDetail; manages: boolean }) {
  const text = useText();
  const { device } = props;
  const reason = presenceReason(device.presence_reason, text);
  const spool = device.spool?.records ?? device.spool?.depth;
  const rows: [ReactNode, ReactNode][] = [
    [text.t("devices.last_seen"), device.last_seen_at ? <Ago at={device.last_seen_at} /> : "–"],
    [text.t("devices.interval"), <IntervalFact key="interval" device={device} manages={props.manages} />],
    [text.t("devices.clock"), <ClockFact key="clock" device={device} />],
    [text.t("devices.claimed"), text.moment(device.claimed_at)],
    [text.t("devices.agent"), [device.agent_version, device.hostname].filter(Boolean).join(" · ") || "–"],
  ];
  if (typeof spool === "number") rows.push([text.t("devices.spool"), text.t("devices.records", { count: spool })]);
  return (
    <CardBlock title={text.t("devices.presence")} first>
      <div className="stack" style={{ gap: 6, marginBottom: 14 }}>
        <div className="row wrap"><PresenceChip presence={device.presence} />{device.presence_since && <span className="small muted">{text.t("devices.since", { at: text.moment(device.presence_since) })}</span>}</div>
        {reason && <div className="small break">{reason}</div>}
      </div>
      <Facts rows={rows} />
    </CardBlock>
  );
}

/** What is declared holds; without it the interval is learned from the readings. */
function IntervalFact(props: { device: DeviceDetail; manages: boolean }) {
  const text = useText();
  const { device } = props;
  const [open, dialog] = useDisclosure(false);
  const [seconds, setSeconds] = useState<number | string>("");
  const save = useAct();
  const declare = (value: number | null) =>
    save.mutate(
      { path: `/devices/${device.id}`, method: "PATCH", body: { expected_interval_s: value } },
      { onSuccess: dialog.close, onError: (error) => say(errorText(error, text), "bad") },
    );
  return (
    <span className="row wrap" style={{ gap: 8 }}>
      {intervalText(device.expected_interval, text)}
      {props.manages && <button type="button" className="plainbutton link small" onClick={dialog.open}>{text.t("devices.declare")}</button>}
      <Modal opened={open} onClose={dialog.close} title={text.t("devices.declare_title")}>
        <div className="stack" style={{ gap: 14 }}>
          <div className="small">{text.t("devices.declare_hint")}</div>
          <NumberInput label={text.t("devices.declare_seconds")} value={seconds} onChange={setSeconds} min={0.001} max={LONGEST_S} placeholder={String(device.expected_interval?.seconds ?? 60)} />
          <Button loading={save.isPending} disabled={typeof seconds !== "number" || seconds <= 0} onClick={() => declare(Number(seconds))}>{text.t("mappings.save")}</Button>
          {device.expected_interval?.origin === "declared" && <Button variant="default" onClick={() => declare(null)}>{text.t("devices.learn")}</Button>}
        </div>
      </Modal>
    </span>
  );
}

function ClockFact(props: { device: DeviceDetail }) {
  const text = useText();
  const { clock } = props.device;
  if (!clock || clock.offset_ms === null) return <>{text.t("devices.clock_unmeasured")}</>;
  const fine = Math.abs(clock.offset_ms) <= CLOCK_FINE_MS;
  return (
    <div className="stack" style={{ gap: 3 }}>
      <span>{fine ? text.t("devices.clock_fine") : offset(clock.offset_ms, text)}</span>
      {clock.measured_at && <span className="tiny muted">{text.t("devices.clock_measured")} <Ago at={clock.measured_at} /></span>}
      {(clock.corrected > 0 || clock.flagged > 0) && (
        <span className="row wrap" style={{ gap: 4 }}>
          {clock.corrected > 0 && <Chip tone="learning" small>{text.t("devices.clock_corrected", { count: clock.corrected })}</Chip>}
          {clock.flagged > 0 && <Chip tone="watch" small>{text.t("devices.clock_flagged", { count: clock.flagged })}</Chip>}
        </span>
      )}
    </div>
  );
}

/** The offset is what must be added to the device's times: positive when its clock is behind. */
function offset(ms: number, text: Text): string {
  return text.t(ms > 0 ? "devices.clock_behind" : "devices.clock_ahead", { time: every(Math.abs(ms) / 1000, text) });
}
