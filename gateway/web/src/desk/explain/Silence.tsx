/** A machine that is worked on or switched off raises no alarms: out of service, or a maintenance window. */
import { Button, Menu, Modal, Textarea, TextInput } from "@mantine/core";
import { BellOff, CalendarClock, ChevronDown, PowerOff } from "lucide-react";
import { useState } from "react";

import { useHolds } from "../../api/alarms";
import { useAct } from "../../api/hooks";
import { useWindows } from "../../api/policies";
import type { AssetDetail } from "../../api/types";
import { useText } from "../../i18n/useText";
import { say } from "../../ui/Providers";
import { errorText, Notice } from "../../ui/states";
import { HoldsCard } from "../alarms/HoldsCard";
import { WindowForm } from "../policies/WindowForm";

export function SilenceMenu(props: { asset: AssetDetail }) {
  const text = useText();
  const [form, setForm] = useState<"service" | "window" | null>(null);
  const close = () => setForm(null);
  return (
    <>
      <Menu position="bottom-end" width={250}>
        <Menu.Target><Button variant="default" leftSection={<BellOff size={16} />} rightSection={<ChevronDown size={15} />}>{text.t("silence.title")}</Button></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<PowerOff size={16} />} onClick={() => setForm("service")}>{text.t("silence.service")}</Menu.Item>
          <Menu.Item leftSection={<CalendarClock size={16} />} onClick={() => setForm("window")}>{text.t("windows.add")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {form === "service" && <OutOfService asset={props.asset} close={close} />}
      {form === "window" && <WindowForm asset={props.asset} close={close} />}
    </>
  );
}

function OutOfService(props: { asset: AssetDetail; close: () => void }) {
  const text = useText();
  const [reason, setReason] = useState("");
  const [until, setUntil] = useState("");
  const act = useAct();
  const body = { asset_id: props.asset.id, kind: "out_of_service", until: until ? new Date(until).toISOString() : null, reason: reason.trim() };
  return (
    <Modal opened onClose={props.close} title={text.t("silence.service_title", { name: props.asset.name })}>
      <div className="stack" style={{ gap: 14 }}>
        <div className="small muted">{text.t("silence.service_hint")}</div>
        <TextInput type="datetime-local" label={text.t("silence.until")} value={until} onChange={(event) => setUntil(event.currentTarget.value)} />
        <Textarea label={text.t("order.reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} autosize minRows={2} maxLength={500} data-autofocus />
        {act.error && <Notice tone="trouble">{errorText(act.error, text)}</Notice>}
        <Button loading={act.isPending} disabled={!reason.trim()} onClick={() => act.mutate({ path: "/alarm-holds", body }, { onSuccess: () => (say(text.t("silence.done")), props.close()) })}>{text.t("silence.service")}</Button>
      </div>
    </Modal>
  );
}

/** What holds the machine's alarms back right now. */
export function Silenced(props: { asset: string; manage: boolean }) {
  const text = useText();
  const holds = useHolds(props.asset).data?.items ?? [];
  const windows = (useWindows(props.asset).data?.items ?? []).filter((window) => window.active);
  if (holds.length === 0 && windows.length === 0) return null;
  return (
    <div className="stack" style={{ gap: 10, marginBottom: 16 }}>
      {windows.map((window) => (
        <Notice key={window.id} tone="quiet" icon={CalendarClock}>{window.ends_at && !window.hours ? text.t("silence.window_until", { name: window.name, at: text.moment(window.ends_at) }) : text.t("silence.window", { name: window.name })}</Notice>
      ))}
      {holds.length > 0 && <HoldsCard holds={holds} manage={props.manage} bare />}
    </div>
  );
}
