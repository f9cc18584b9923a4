/** The sub-devices behind a gateway: each has a presence of its own. */
import { useState } from "react";
import { Link } from "react-router";

import type { Channel } from "../../api/devices";
import { useText } from "../../i18n/useText";
import { presenceReason } from "../../text/presence";
import { PresenceChip } from "../../ui/chips";
import { Ago, CardBlock } from "../../ui/parts";

const FIRST = 12;
const GRAVE: Record<string, number> = { offline: 0, stale: 1, degraded: 2, unknown: 3, sleeping: 4, online: 5 };

export function ChannelsCard(props: { channels: Channel[] }) {
  const text = useText();
  const [all, setAll] = useState(false);
  const sorted = [...props.channels].sort((one, other) => (GRAVE[one.presence] ?? 3) - (GRAVE[other.presence] ?? 3) || one.channel.localeCompare(other.channel));
  if (sorted.length === 0) return null;
  return (
    <CardBlock title={text.t("devices.channels", { count: sorted.length })} flush>
      {sorted.slice(0, all ? undefined : FIRST).map((channel) => (
        <div key={channel.channel} className="inset" style={{ paddingTop: 9, paddingBottom: 9, borderTop: "1px solid var(--line-soft)" }}>
          <div className="row wrap" style={{ gap: "4px 10px" }}>
            <span className="grow break" style={{ flexBasis: 140 }}>
              <span className="mono" style={{ fontWeight: 580 }}>{channel.channel}</span>
              {channel.asset && channel.asset.name !== channel.channel && <> · <Link className="link" to={`/assets/${channel.asset.id}`}>{channel.asset.name}</Link></>}
            </span>
            {channel.last_seen_at && <span className="small muted nowrap"><Ago at={channel.last_seen_at} /></span>}
            <PresenceChip presence={channel.presence} small />
          </div>
          {channel.presence !== "online" && <div className="tiny muted break" style={{ marginTop: 3 }}>{presenceReason(channel.presence_reason, text)}</div>}
        </div>
      ))}
      {!all && sorted.length > FIRST && <button type="button" className="plainbutton link small" style={{ padding: "10px 20px 14px" }} onClick={() => setAll(true)}>{text.t("action.show_all", { count: sorted.length })}</button>}
    </CardBlock>
  );
}
