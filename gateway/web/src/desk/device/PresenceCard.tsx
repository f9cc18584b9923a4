/** Is it there, why do we think so, how often should it speak, how right is its clock. */
import type { ReactNode } from "react";

import type { DeviceDetail } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { every, intervalText, presenceReason } from "../../text/presence";
import { Chip, PresenceChip } from "../../ui/chips";
import { Ago, CardBlock, Facts } from "../../ui/parts";

const CLOCK_FINE_MS = 2_000; // smaller offsets say more about the network than about the clock

export function PresenceCard(props: { device: DeviceDetail }) {
  const text = useText();
  const { device } = props;
  const reason = presenceReason(device.presence_reason, text);
  const spool = device.spool?.records ?? device.spool?.depth;
  const rows: [ReactNode, ReactNode][] = [
    [text.t("devices.last_seen"), device.last_seen_at ? <Ago at={device.last_seen_at} /> : "–"],
    [text.t("devices.interval"), intervalText(device.expected_interval, text)],
    [text.t("devices.clock"), <ClockFact key="clock" device={device} />],
    [text.t("devices.claimed"), text.moment(device.claimed_at)],
    [text.t("devices.agent"), [device.agent_version, device.hostname].filter(Boolean).join(" · ") || "–"],
  ];
  if (typeof spool === "number") rows.push([text.t("devices.spool"), text.t("devices.records", { count: spool })]);
  return (
    <CardBlock title={text.t("devices.presence")}>
      <div className="stack" style={{ gap: 6, marginBottom: 14 }}>
        <div className="row wrap"><PresenceChip presence={device.presence} />{device.presence_since && <span className="small muted">{text.t("devices.since", { at: text.moment(device.presence_since) })}</span>}</div>
        {reason && <div className="small break">{reason}</div>}
      </div>
      <Facts rows={rows} />
    </CardBlock>
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
