/** One device: is it there and why, the ledger of its readings, what was refused, who it is. */
import { Skeleton } from "@mantine/core";
import { TriangleAlert } from "lucide-react";
import { Link, useOutletContext, useParams } from "react-router";

import { useDevice } from "../api/hooks";
import type { DeviceDetail, Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Marks, PresenceChip } from "../ui/chips";
import { CardBlock, PageHead, useTitle } from "../ui/parts";
import { Loaded, Notice } from "../ui/states";
import { ChannelsCard } from "./device/ChannelsCard";
import { IdentityCard, TwinNotice } from "./device/IdentityCard";
import { LedgerCard } from "./device/LedgerCard";
import { PresenceCard } from "./device/PresenceCard";
import { QuarantineCard } from "./device/QuarantineCard";

export function DevicePage() {
  const { id = "" } = useParams();
  const device = useDevice(id);
  useTitle(device.data?.serial);
  return <Loaded of={device} skeleton={<Skeleton height={360} radius="md" />}>{(data) => <One device={data} />}</Loaded>;
}

export const manages = (me: Me): boolean => me.roles.some((role) => role === "administrator" || role === "planner");

function One(props: { device: DeviceDetail }) {
  const { device } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  return (
    <>
      <PageHead
        back={{ to: "/devices", label: text.t("nav.devices") }}
        title={<span className="mono">{device.serial}</span>}
        marks={<><PresenceChip presence={device.presence} /><Marks demo={device.demo} /></>}
        sub={device.model}
      />
      <TwinNotice device={device.id} />
      {(device.problems ?? []).map((problem, index) => (
        <div key={index} style={{ marginBottom: 12 }}>
          <Notice tone="watch" icon={TriangleAlert}><b>{text.code("device_problem", String(problem.code))}</b> <span className="break">{String(problem.text ?? "")}</span></Notice>
        </div>
      ))}
      <div className="two">
        <div>
          <LedgerCard device={device} />
          <ChannelsCard channels={device.channels ?? []} />
          <QuarantineCard rows={device.quarantine ?? []} manages={manages(me)} />
        </div>
        <div>
          <PresenceCard device={device} manages={manages(me)} />
          <CardBlock title={text.t("devices.measures")}>
            {device.assets.length === 0 ? (
              <div className="small muted">{text.t("devices.nothing")}</div>
            ) : (
              <div className="stack">{device.assets.map((asset) => <Link key={asset.id} className="link break" to={`/assets/${asset.id}`}>{asset.name}</Link>)}</div>
            )}
          </CardBlock>
          <IdentityCard device={device} manages={manages(me)} />
        </div>
      </div>
    </>
  );
}
