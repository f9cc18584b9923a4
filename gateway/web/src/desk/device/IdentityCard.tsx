/** Who the device is to the broker: its certificate or password, and taking that away again. */
import { Button, Modal, Textarea } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Ban, KeyRound, RefreshCw, ShieldCheck, TriangleAlert, Undo2 } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link } from "react-router";

import { useIdentity, useIdentityAct, type Identity, type IdentityAct } from "../../api/devices";
import { useAct } from "../../api/hooks";
import type { DeviceDetail, NewDevice } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { CardBlock, Command, CopyIcon, Facts } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { errorText, Notice } from "../../ui/states";

const SOON_MS = 30 * 86_400_000;
const REASON_MOST = 200;
const ELSEWHERE: Record<string, [string, string]> = { "Sparkplug B": ["sparkplug", "/devices/sparkplug"], mapping: ["mapping", "/devices/mappings"] };

export function IdentityCard(props: { device: DeviceDetail; manages: boolean }) {
  const text = useText();
  const identity = useIdentity(props.device.id);
  if (!identity.data) return null; // this server keeps none, or it is not yet known
  const { data } = identity;
  return (
    <CardBlock title={text.t("identity.title")} right={<State identity={data} claimed={!!props.device.claimed_at} />}>
      <Rows identity={data} />
      {props.manages && <Actions device={props.device} identity={data} />}
    </CardBlock>
  );
}

function State(props: { identity: Identity; claimed: boolean }) {
  const { t } = useText();
  const { identity } = props;
  if (identity.revoked_at) return <Chip tone="trouble" icon={Ban} small>{t("identity.revoked")}</Chip>;
  if (identity.mode === "certificate") return <Chip tone="ok" icon={ShieldCheck} small>{t("identity.certificate")}</Chip>;
  if (identity.mode === "password") return <Chip tone="quiet" icon={KeyRound} small>{t("identity.password")}</Chip>;
  return <Chip tone="quiet" small>{t("devices.unclaimed")}</Chip>;
}

function Rows(props: { identity: Identity }) {
  const text = useText();
  const { identity } = props;
  const rows: [ReactNode, ReactNode][] = [];
  if (identity.revoked_at) rows.push([text.t("identity.revoked"), text.moment(identity.revoked_at)]);
  if (identity.fingerprint) rows.push([text.t("identity.fingerprint"), <Fingerprint key="fingerprint" value={identity.fingerprint} />]);
  if (identity.serial_number) rows.push([text.t("identity.serial_number"), <span key="serial" className="mono tiny break">{identity.serial_number}</span>]);
  if (identity.not_after) rows.push([text.t("identity.valid"), <Validity key="valid" until={identity.not_after} />]);
  if (identity.previous)
    rows.push([text.t("identity.previous"), text.t("identity.previous_until", { at: text.moment(identity.previous.retires_at ?? identity.previous.not_after) })]);
  if (identity.next) rows.push([text.t("identity.next"), text.t("identity.next_waits")]);
  else if (identity.renew_at && !identity.revoked_at) rows.push([text.t("identity.renews"), text.day(identity.renew_at)]);
  if (rows.length === 0) return <div className="small muted">{text.t(identity.mode === "password" ? "identity.password_hint" : "identity.none")}</div>;
  return <Facts rows={rows} />;
}

function Fingerprint(props: { value: string }) {
  const pairs = props.value.replace(/:/g, "").toUpperCase().match(/.{1,4}/g) ?? [];
  return <span className="row" style={{ gap: 6 }}><span className="mono tiny break" title={props.value}>{pairs.slice(0, 4).join(" ")} … {pairs.at(-1)}</span><CopyIcon value={props.value} /></span>;
}

function Validity(props: { until: string }) {
  const text = useText();
  const left = new Date(props.until).getTime() - Date.now();
  return (
    <span className="row wrap" style={{ gap: 6 }}>
      {text.t("identity.until", { at: text.day(props.until) })}
      {left < 0 ? <Chip tone="trouble" small>{text.t("identity.expired")}</Chip> : left < SOON_MS && <Chip tone="watch" small>{text.t("identity.soon")}</Chip>}
    </span>
  );
}

function Actions(props: { device: DeviceDetail; identity: Identity }) {
  const text = useText();
  const { device, identity } = props;
  const act = useIdentityAct(device.id);
  const [asking, ask] = useDisclosure(false);
  const [reason, setReason] = useState("");
  const elsewhere = device.model !== null && device.model in ELSEWHERE ? device.model : null;
  const run = (wanted: IdentityAct, why?: string) =>
    act.mutate({ act: wanted, reason: why }, { onSuccess: () => (say(text.t(`identity.done.${wanted}`)), ask.close()), onError: (error) => say(errorText(error, text), "bad") });
  const small = { size: "compact-sm", variant: "default", loading: act.isPending } as const;
  return (
    <div className="row wrap" style={{ marginTop: 14 }}>
      {identity.mode === "certificate" && !identity.revoked_at && <Button {...small} leftSection={<RefreshCw size={14} />} onClick={() => run("rotate")}>{text.t("identity.rotate")}</Button>}
      {identity.revoked_at ? (
        <Button {...small} leftSection={<Undo2 size={14} />} onClick={() => run("reinstate")}>{text.t("identity.reinstate")}</Button>
      ) : (
        <>
          {elsewhere ? <Elsewhere model={elsewhere} /> : <NewCode device={device} />}
          <Button {...small} color="red" variant="light" leftSection={<Ban size={14} />} onClick={ask.open}>{text.t("identity.revoke")}</Button>
        </>
      )}
      <Modal opened={asking} onClose={ask.close} title={text.t("identity.revoke_title", { serial: device.serial })}>
        <div className="stack" style={{ gap: 14 }}>
          <div className="small">{text.t("identity.revoke_hint")}</div>
          <Textarea label={text.t("order.reason")} placeholder={text.t("identity.revoke_example")} value={reason} maxLength={REASON_MOST} autosize minRows={2} onChange={(event) => setReason(event.currentTarget.value)} />
          <Button color="red" loading={act.isPending} disabled={!reason.trim()} onClick={() => run("revoke", reason.trim())}>{text.t("identity.revoke")}</Button>
          <Button variant="default" onClick={ask.close}>{text.t("action.cancel")}</Button>
        </div>
      </Modal>
    </div>
  );
}

/** Accounts without an agent of ours have nothing to claim with. */
function Elsewhere(props: { model: string }) {
  const { t } = useText();
  const [where, path] = ELSEWHERE[props.model]!;
  return <div className="small muted" style={{ width: "100%" }}>{t(`identity.elsewhere.${where}`)} <Link className="link nowrap" to={path}>{t("identity.to_there")}</Link></div>;
}

/** A code lets the machine, or the one in its place, claim this device anew. */
function NewCode(props: { device: DeviceDetail }) {
  const text = useText();
  const make = useAct<NewDevice>();
  const ask = () => make.mutate({ path: `/devices/${props.device.id}/claim-code` }, { onError: (error) => say(errorText(error, text), "bad") });
  return (
    <>
      <Button size="compact-sm" variant="default" leftSection={<KeyRound size={14} />} loading={make.isPending} onClick={ask}>{text.t("identity.new_code")}</Button>
      <Modal opened={!!make.data} onClose={make.reset} title={text.t("identity.new_code")} size="lg">
        {make.data && (
          <div className="stack" style={{ gap: 12 }}>
            <div className="small">{text.t("identity.new_code_hint")}</div>
            <Command line={make.data.command} />
            <div className="tiny muted">{text.t("connect.expires", { at: text.moment(make.data.claim_expires_at) })}</div>
          </div>
        )}
      </Modal>
    </>
  );
}

/** Two machines with one identity: said above everything else. */
export function TwinNotice(props: { device: string }) {
  const text = useText();
  const twin = useIdentity(props.device).data?.clone_suspected;
  if (!twin) return null;
  return (
    <div style={{ marginBottom: 12 }}>
      <Notice tone="trouble" icon={TriangleAlert}>
        <b>{text.t("identity.twin")}</b> <span>{text.t("identity.twin_hint", { at: text.moment(twin.since), last: text.moment(twin.last_at) })}</span>
        {twin.addresses.length > 0 && <div className="small mono break" style={{ marginTop: 4 }}>{twin.addresses.slice(0, 6).join(" · ")}</div>}
      </Notice>
    </div>
  );
}
