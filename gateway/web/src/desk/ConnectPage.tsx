/** Connect a device: name it, type one command on it, watch its first reading arrive. */
import { Button, Loader, TextInput } from "@mantine/core";
import { CheckCircle2, ChevronRight } from "lucide-react";
import { useState, type FormEvent, type ReactNode } from "react";
import { Link } from "react-router";

import { useAct, useFirstReading } from "../api/hooks";
import type { NewDevice } from "../api/types";
import { useText } from "../i18n/useText";
import { metricLabel } from "../text/metrics";
import { Ago, Command, PageHead, useTitle } from "../ui/parts";
import { errorText, Notice } from "../ui/states";

export function ConnectPage() {
  const text = useText();
  const create = useAct<NewDevice>();
  const made = create.data ?? null;
  const first = useFirstReading(made?.device.id ?? null);
  const arrived = first.data?.arrived === true;
  useTitle(text.t("connect.title"));
  return (
    <div style={{ maxWidth: 760 }}>
      <PageHead back={{ to: "/devices", label: text.t("nav.devices") }} title={text.t("connect.title")} sub={text.t("connect.sub")} />
      <div className="stack" style={{ gap: 14 }}>
        <Step number={1} title={text.t("connect.step_name")} done={made !== null}>
          {made ? <div><span className="mono" style={{ fontWeight: 620 }}>{made.device.serial}</span>{made.device.model && <span className="muted"> · {made.device.model}</span>}</div> : <NameForm create={create} />}
        </Step>
        <Step number={2} title={text.t("connect.step_type")} waiting={made === null} done={arrived}>
          {made && (
            <div className="stack" style={{ gap: 12 }}>
              <div className="small muted">{text.t("connect.install")}</div>
              <Command line={made.install} />
              <div className="small muted">{text.t("connect.claim")}</div>
              <Command line={made.command} />
              <div className="tiny muted">{text.t("connect.expires", { at: text.moment(made.claim_expires_at) })}</div>
            </div>
          )}
        </Step>
        <Step number={3} title={text.t("connect.step_wait")} waiting={made === null} done={arrived}>
          {made && !arrived && (
            <div className="row" style={{ gap: 12 }} role="status"><Loader size="sm" /><span>{text.t("connect.waiting")}</span></div>
          )}
          {made && arrived && (
            <div className="stack" style={{ gap: 12 }}>
              <div className="row" style={{ color: "#1f7a4d", fontWeight: 620 }}><CheckCircle2 size={20} aria-hidden />{text.t("connect.arrived")} <Ago at={first.data?.at} /></div>
              <div className="row wrap" style={{ gap: 6 }}>{(first.data?.metrics ?? []).slice(0, 12).map((metric) => <span key={metric} className="chip small" style={{ background: "#eef1f4" }}>{metricLabel(metric, text.language)}</span>)}</div>
              <div>
                <Button component={Link} to={first.data?.asset_id ? `/assets/${first.data.asset_id}` : "/"} rightSection={<ChevronRight size={16} />}>{text.t("connect.see")}</Button>
              </div>
            </div>
          )}
        </Step>
      </div>
    </div>
  );
}

function Step(props: { number: number; title: string; children: ReactNode; waiting?: boolean; done?: boolean }) {
  return (
    <section className="card pad" style={{ opacity: props.waiting ? 0.55 : 1 }}>
      <div className="row" style={{ gap: 12, marginBottom: props.waiting ? 0 : 14 }}>
        <span className="num" style={{ width: 28, height: 28, borderRadius: "50%", display: "grid", placeItems: "center", fontWeight: 660, fontSize: 14, flex: "none", background: props.done ? "#ebf6ef" : "#0f2a33", color: props.done ? "#1f7a4d" : "#fff" }}>
          {props.done ? <CheckCircle2 size={18} aria-hidden /> : props.number}
        </span>
        <h2 style={{ margin: 0, fontSize: 16, fontWeight: 650 }}>{props.title}</h2>
      </div>
      {!props.waiting && <div style={{ paddingLeft: "min(40px, 4vw)" }}>{props.children}</div>}
    </section>
  );
}

function NameForm(props: { create: ReturnType<typeof useAct<NewDevice>> }) {
  const text = useText();
  const [serial, setSerial] = useState("");
  const [name, setName] = useState("");
  const [model, setModel] = useState("");
  const send = (event: FormEvent) => {
    event.preventDefault();
    props.create.mutate({ path: "/devices", body: { serial: serial.trim(), model: model.trim() || "generic", asset_name: name.trim() || serial.trim() } });
  };
  return (
    <form onSubmit={send} className="stack" style={{ gap: 14 }}>
      <TextInput required label={text.t("connect.machine_name")} placeholder={text.t("connect.machine_name_example")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={120} />
      <div className="row wrap top" style={{ gap: 14 }}>
        <TextInput required className="grow" style={{ flexBasis: 200 }} label={text.t("connect.serial")} description={text.t("connect.serial_hint")} placeholder="pump-7" value={serial} onChange={(event) => setSerial(event.currentTarget.value)} maxLength={64} pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" />
        <TextInput className="grow" style={{ flexBasis: 200 }} label={text.t("connect.model")} description={text.t("connect.model_hint")} placeholder="Raspberry Pi 5" value={model} onChange={(event) => setModel(event.currentTarget.value)} maxLength={80} />
      </div>
      {props.create.error && <Notice tone="trouble">{errorText(props.create.error, text)}</Notice>}
      <div><Button type="submit" loading={props.create.isPending} disabled={!serial.trim() || !name.trim()}>{text.t("connect.next")}</Button></div>
    </form>
  );
}
