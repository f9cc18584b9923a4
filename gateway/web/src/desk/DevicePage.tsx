/** One device: presence, the ledger of its readings, what was refused and why. */
import { Skeleton } from "@mantine/core";
import { CheckCircle2, TriangleAlert } from "lucide-react";
import { Link, useParams } from "react-router";

import { useDevice } from "../api/hooks";
import type { BootRow, DeviceDetail } from "../api/types";
import { useText } from "../i18n/useText";
import { Marks, PresenceChip } from "../ui/chips";
import { Ago, CardBlock, Facts, PageHead, useTitle } from "../ui/parts";
import { Empty, Loaded, Notice } from "../ui/states";

export function DevicePage() {
  const { id = "" } = useParams();
  const device = useDevice(id);
  useTitle(device.data?.serial);
  return <Loaded of={device} skeleton={<Skeleton height={360} radius="md" />}>{(data) => <One device={data} />}</Loaded>;
}

function One(props: { device: DeviceDetail }) {
  const { device } = props;
  const text = useText();
  return (
    <>
      <PageHead
        back={{ to: "/devices", label: text.t("nav.devices") }}
        title={<span className="mono">{device.serial}</span>}
        marks={<><PresenceChip presence={device.presence} /><Marks demo={device.demo} /></>}
        sub={device.model}
      />
      {(device.problems ?? []).map((problem, index) => (
        <div key={index} style={{ marginBottom: 12 }}>
          <Notice tone="watch" icon={TriangleAlert}><b>{text.code("device_problem", String(problem.code))}</b> <span className="break">{String(problem.text ?? "")}</span></Notice>
        </div>
      ))}
      <div className="two">
        <div>
          <CardBlock title={text.t("ledger.title")} flush><Ledger boots={device.boots ?? []} /></CardBlock>
          <CardBlock title={text.t("quarantine.title")} flush><Quarantine device={device} /></CardBlock>
        </div>
        <div>
          <CardBlock title={text.t("asset.about")}>
            <Facts
              rows={[
                [text.t("devices.last_seen"), device.last_seen_at ? <Ago at={device.last_seen_at} /> : "–"],
                [text.t("devices.presence_since"), text.moment(device.presence_since)],
                [text.t("devices.claimed"), text.moment(device.claimed_at)],
                [text.t("devices.agent"), device.agent_version ?? "–"],
                ...spoolRows(device, text.t("devices.spool")),
              ]}
            />
          </CardBlock>
          <CardBlock title={text.t("devices.measures")}>
            {device.assets.length === 0 ? (
              <div className="small muted">{text.t("devices.nothing")}</div>
            ) : (
              <div className="stack">{device.assets.map((asset) => <Link key={asset.id} className="link break" to={`/assets/${asset.id}`}>{asset.name}</Link>)}</div>
            )}
          </CardBlock>
        </div>
      </div>
    </>
  );
}

function spoolRows(device: DeviceDetail, label: string): [string, string][] {
  const records = device.spool?.records ?? device.spool?.depth;
  return typeof records === "number" ? [[label, String(records)]] : [];
}

const COLUMNS = ["expected", "stored", "late", "dropped", "quarantined", "missing"] as const;

function Ledger(props: { boots: BootRow[] }) {
  const text = useText();
  if (props.boots.length === 0) return <Empty bare icon={CheckCircle2} sentence={text.t("ledger.empty")} />;
  return (
    <>
      <p className="small muted inset" style={{ margin: "0 0 6px" }}>{text.t("ledger.hint")}</p>
      <div className="scroll">
        <table className="grid">
          <thead>
            <tr><th>{text.t("ledger.boot")}</th>{COLUMNS.map((column) => <th key={column} className="num">{text.t(`ledger.${column}`)}</th>)}</tr>
          </thead>
          <tbody>
            {props.boots.map((boot) => (
              <tr key={boot.boot}>
                <td><span className="mono tiny" title={boot.boot}>{boot.boot.length > 14 ? `…${boot.boot.slice(-10)}` : boot.boot}</span>{boot.last_seen_at && <div className="tiny faint">{text.moment(boot.last_seen_at)}</div>}</td>
                {COLUMNS.map((column) => (
                  <td key={column} className="num" style={boot[column] > 0 && (column === "missing" || column === "dropped" || column === "quarantined") ? { color: "#b3261e", fontWeight: 620 } : undefined}>{text.number(boot[column])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Quarantine(props: { device: DeviceDetail }) {
  const text = useText();
  const rows = props.device.quarantine ?? [];
  if (rows.length === 0) return <Empty bare icon={CheckCircle2} sentence={text.t("quarantine.empty")} />;
  return (
    <div className="scroll">
      <table className="grid">
        <thead><tr><th>{text.t("quarantine.reason")}</th><th>{text.t("quarantine.payload")}</th><th>{text.t("quarantine.received")}</th></tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td style={{ minWidth: 160 }}><div style={{ fontWeight: 560 }}>{text.code("quarantine_reason", row.reason)}</div>{row.detail && <div className="tiny muted break">{row.detail}</div>}</td>
              <td style={{ minWidth: 200 }}><div className="mono tiny break clamp3" style={{ maxWidth: 340 }}>{row.excerpt ?? row.topic}</div></td>
              <td className="small muted" style={{ whiteSpace: "nowrap" }}><Ago at={row.received_at} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
