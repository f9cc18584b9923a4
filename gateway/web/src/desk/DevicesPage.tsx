/** Every device: is it there, what does it measure, did anything go missing on the way. */
import { Button } from "@mantine/core";
import { Cpu, FileSpreadsheet, PlugZap } from "lucide-react";
import { Link, useNavigate, useOutletContext } from "react-router";

import { useDevices } from "../api/hooks";
import type { Device, Me } from "../api/types";
import { useText } from "../i18n/useText";
import { presenceReason } from "../text/presence";
import { Chip, Marks, PresenceChip } from "../ui/chips";
import { Ago, PageHead, useTitle } from "../ui/parts";
import { Bones, Empty, Loaded } from "../ui/states";
import { manages } from "./DevicePage";
import { DeviceTabs } from "./DeviceTabs";

export function DevicesPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const devices = useDevices();
  useTitle(text.t("nav.devices"));
  const connect = <Button component={Link} to="/devices/connect" leftSection={<PlugZap size={16} />}>{text.t("connect.action")}</Button>;
  const bulk = <Button component={Link} to="/devices/bulk" variant="default" leftSection={<FileSpreadsheet size={16} />}>{text.t("bulk.action")}</Button>;
  return (
    <>
      <PageHead title={text.t("nav.devices")} sub={text.t("devices.sub")} right={manages(me) ? <>{bulk}{connect}</> : undefined} />
      <DeviceTabs />
      <Loaded of={devices} skeleton={<Bones rows={7} height={24} />}>
        {(all) =>
          all.pages[0]?.items.length === 0 ? (
            <Empty icon={Cpu} sentence={text.t("devices.empty")} action={manages(me) && connect} example={<>{text.t("devices.example")} <span className="mono">forewarn-edge claim K7QF-2MXD --server {location.origin}</span></>} />
          ) : (
            <>
              <Rows devices={all.pages.flatMap((page) => page.items)} />
              {devices.hasNextPage && <Button mt="md" variant="default" loading={devices.isFetchingNextPage} onClick={() => void devices.fetchNextPage()}>{text.t("devices.more")}</Button>}
            </>
          )
        }
      </Loaded>
    </>
  );
}

function Rows(props: { devices: Device[] }) {
  const text = useText();
  const navigate = useNavigate();
  return (
    <>
      <div className="card scroll hide-phone">
        <table className="grid">
          <thead>
            <tr>
              <th>{text.t("devices.serial")}</th><th>{text.t("devices.presence")}</th><th>{text.t("devices.measures")}</th>
              <th>{text.t("devices.last_seen")}</th><th className="num">{text.t("devices.gaps")}</th><th className="num">{text.t("devices.quarantined")}</th>
            </tr>
          </thead>
          <tbody>
            {props.devices.map((device) => (
              <tr key={device.id} className="go" onClick={() => void navigate(`/devices/${device.id}`)}>
                <td><Link className="plain mono break" style={{ fontWeight: 600 }} to={`/devices/${device.id}`}>{device.serial}</Link><div className="row tiny muted" style={{ gap: 6, marginTop: 2 }}><span className="clamp1">{device.model}</span><Marks demo={device.demo} /></div></td>
                <td><Presence device={device} /></td>
                <td className="small" style={{ minWidth: 160 }}><Measures device={device} /></td>
                <td className="small muted" style={{ whiteSpace: "nowrap" }}>{device.last_seen_at ? <Ago at={device.last_seen_at} /> : "–"}</td>
                <td className="num">{amount(device.gaps, text.number)}</td>
                <td className="num">{amount(device.quarantined, text.number)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="stack only-phone" style={{ gap: 10 }}>
        {props.devices.map((device) => (
          <Link key={device.id} to={`/devices/${device.id}`} className="card job">
            <div className="row"><span className="mono grow clamp1" style={{ fontWeight: 620 }}>{device.serial}</span><Presence device={device} /></div>
            <div className="small muted clamp2" style={{ marginTop: 4 }}><Measures device={device} /></div>
            <div className="row wrap tiny muted" style={{ marginTop: 6 }}>
              <Marks demo={device.demo} />{device.last_seen_at && <Ago at={device.last_seen_at} />}
              {device.quarantined > 0 && <Chip tone="watch" small>{text.t("devices.quarantined_count", { count: device.quarantined })}</Chip>}
            </div>
          </Link>
        ))}
      </div>
    </>
  );
}

function amount(count: number, number: (value: number) => string) {
  return count > 0 ? <span style={{ color: "#8f5a00", fontWeight: 600 }}>{number(count)}</span> : <span className="faint">0</span>;
}

function Presence(props: { device: Device }) {
  const text = useText();
  const { t } = text;
  if (!props.device.claimed_at && !props.device.last_seen_at) return <Chip tone="quiet" small>{t("devices.unclaimed")}</Chip>;
  return <span title={presenceReason(props.device.presence_reason, text) ?? undefined}><PresenceChip presence={props.device.presence} small /></span>;
}

function Measures(props: { device: Device }) {
  const { t } = useText();
  const { assets } = props.device;
  if (assets.length === 0) return <span className="faint">{t("devices.nothing")}</span>;
  const rest = assets.length - 2;
  return <>{assets.slice(0, 2).map((asset) => asset.name).join(", ")}{rest > 0 && ` ${t("devices.and_more", { count: rest })}`}</>;
}
