/** One registered edge node: its session, its devices, what its metrics are called here. */
import { Button, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { ChevronDown, KeyRound, Trash2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link } from "react-router";

import { useForgetNode, useNodeMetrics, useNodePassword, type Account, type Node } from "../../api/sparkplug";
import { useText } from "../../i18n/useText";
import { metricLabel } from "../../text/metrics";
import { Chip, PresenceChip } from "../../ui/chips";
import { Ago, Facts } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, errorText, Loaded } from "../../ui/states";

const DEVICES_FIRST = 10;

export function NodeCard(props: { node: Node; manage: boolean; show: (account: Account) => void }) {
  const text = useText();
  const { node } = props;
  const [open, setOpen] = useState(false);
  return (
    <section className="card">
      <div className="card-head">
        <h2 className="grow break" style={{ flexBasis: 150 }}><Link className="plain mono" to={`/devices/${node.device!.id}`}>{node.group_id} / {node.node_id}</Link></h2>
        {node.last_heard_at && <span className="small muted nowrap"><Ago at={node.last_heard_at} /></span>}
        <PresenceChip presence={node.device!.presence} small />
      </div>
      <div className="card-body">
        <Session node={node} />
        <Devices node={node} />
        <div className="row wrap" style={{ marginTop: 12 }}>
          <button type="button" className="plainbutton small link row" style={{ gap: 5 }} aria-expanded={open} onClick={() => setOpen(!open)}><ChevronDown size={15} style={{ transform: open ? "rotate(180deg)" : undefined }} aria-hidden />{text.t("sparkplug.metrics")}</button>
          {props.manage && <div className="row wrap" style={{ marginLeft: "auto" }}><Actions {...props} /></div>}
        </div>
        {open && <Metrics id={node.id} />}
      </div>
    </section>
  );
}

function Session(props: { node: Node }) {
  const text = useText();
  const { node } = props;
  const word = node.online === null ? "unknown" : node.online ? "born" : "dead";
  const rows: [ReactNode, ReactNode][] = [
    [text.t("sparkplug.session"), <span key="session" className="row wrap" style={{ gap: 6 }}>{text.t(`sparkplug.state.${word}`)}<span className="muted">{text.moment(node.online ? node.born_at : node.died_at)}</span></span>],
  ];
  if (node.gaps > 0) rows.push([text.t("sparkplug.gaps"), text.number(node.gaps, 0)]);
  if (node.rebirths > 0) rows.push([text.t("sparkplug.rebirths"), text.number(node.rebirths, 0)]);
  return <Facts rows={rows} />;
}

function Devices(props: { node: Node }) {
  const text = useText();
  const [all, setAll] = useState(false);
  const { devices } = props.node;
  if (devices.length === 0) return null;
  return (
    <div style={{ marginTop: 12 }}>
      <div className="eyebrow" style={{ marginBottom: 4 }}>{text.t("sparkplug.devices", { count: devices.length })}</div>
      {devices.slice(0, all ? undefined : DEVICES_FIRST).map((device) => (
        <div key={device.channel} className="row wrap small" style={{ gap: "2px 10px", padding: "5px 0", borderTop: "1px solid var(--line-soft)" }}>
          <span className="mono grow break" style={{ flexBasis: 140 }}>{device.channel}</span>
          <span className="muted">{text.t("sparkplug.metrics_count", { count: device.metrics })}</span>
          {device.online === false ? <Chip tone="trouble" small>{text.t("sparkplug.state.dead")}</Chip> : <PresenceChip presence={device.presence} small />}
        </div>
      ))}
      {!all && devices.length > DEVICES_FIRST && <button type="button" className="plainbutton link small" onClick={() => setAll(true)}>{text.t("action.show_all", { count: devices.length })}</button>}
    </div>
  );
}

/** As the node names its metrics, and as they are named here. */
function Metrics(props: { id: string }) {
  const text = useText();
  const detail = useNodeMetrics(props.id);
  return (
    <Loaded of={detail} skeleton={<Bones rows={3} />}>
      {(node) =>
        node.metrics.length === 0 ? (
          <div className="small muted" style={{ marginTop: 8 }}>{text.t("sparkplug.no_metrics")}</div>
        ) : (
          <div className="scroll" style={{ marginTop: 8, maxHeight: 360 }}>
            <table className="grid">
              <thead><tr><th>{text.t("sparkplug.original")}</th><th>{text.t("sparkplug.here")}</th><th className="hide-phone">{text.t("rules.metric")}</th></tr></thead>
              <tbody>
                {node.metrics.map((row) => (
                  <tr key={`${row.channel}/${row.original}`}><td className="mono small break">{row.channel && <span className="muted">{row.channel} · </span>}{row.original}</td><td className="mono small break">{row.metric}</td><td className="small hide-phone">{metricLabel(row.metric, text.language)}</td></tr>
                ))}
              </tbody>
            </table>
          </div>
        )
      }
    </Loaded>
  );
}

function Actions(props: { node: Node; show: (account: Account) => void }) {
  const text = useText();
  const { node } = props;
  const renew = useNodePassword();
  const forget = useForgetNode();
  const [asking, ask] = useDisclosure(false);
  const bad = (error: Error) => say(errorText(error, text), "bad");
  return (
    <>
      <Button size="compact-sm" variant="default" leftSection={<KeyRound size={14} />} loading={renew.isPending} onClick={() => renew.mutate(node.id, { onSuccess: props.show, onError: bad })}>{text.t("mappings.new_password")}</Button>
      <Button size="compact-sm" variant="subtle" color="red" leftSection={<Trash2 size={14} />} onClick={ask.open}>{text.t("mappings.remove")}</Button>
      <Modal opened={asking} onClose={ask.close} title={text.t("mappings.remove_title", { name: `${node.group_id} / ${node.node_id}` })}>
        <div className="stack" style={{ gap: 14 }}>
          <div className="small">{text.t("mappings.remove_hint")}</div>
          <Button color="red" loading={forget.isPending} onClick={() => forget.mutate(node.id, { onSuccess: ask.close, onError: bad })}>{text.t("mappings.remove")}</Button>
          <Button variant="default" onClick={ask.close}>{text.t("action.cancel")}</Button>
        </div>
      </Modal>
    </>
  );
}
