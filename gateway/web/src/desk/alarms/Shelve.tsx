/** Put an alarm away for a while: how long, and why. */
import { Button, Modal, Select, Textarea } from "@mantine/core";
import { useState } from "react";

import type { Alarm } from "../../api/alarms";
import { useAct } from "../../api/hooks";
import { duration } from "../../i18n/format";
import { useText } from "../../i18n/useText";
import { say } from "../../ui/Providers";
import { errorText, Notice } from "../../ui/states";

const MINUTES = [30, 60, 240, 480, 1440, 4320, 10_080]; // a week at most: what is put away longer is forgotten

export function Shelve(props: { alarm: Alarm; close: () => void }) {
  const text = useText();
  const [minutes, setMinutes] = useState(480);
  const [reason, setReason] = useState("");
  const act = useAct();
  const send = () =>
    act.mutate({ path: `/episodes/${props.alarm.id}/shelve`, body: { minutes, reason: reason.trim() } }, { onSuccess: () => (say(text.t("alarms.done.shelve")), props.close()) });
  return (
    <Modal opened onClose={props.close} title={text.t("alarms.shelve_title", { name: props.alarm.asset.name })}>
      <div className="stack" style={{ gap: 14 }}>
        <div className="small muted">{text.t("alarms.shelve_hint")}</div>
        <Select label={text.t("alarms.for")} value={String(minutes)} onChange={(value) => setMinutes(Number(value))} data={MINUTES.map((one) => ({ value: String(one), label: duration(one * 60, text.language) }))} />
        <Textarea label={text.t("order.reason")} placeholder={text.t("alarms.shelve_example")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} autosize minRows={2} maxLength={500} data-autofocus />
        {act.error && <Notice tone="trouble">{errorText(act.error, text)}</Notice>}
        <Button loading={act.isPending} disabled={!reason.trim()} onClick={send}>{text.t("alarms.shelve")}</Button>
        <Button variant="default" onClick={props.close}>{text.t("action.back")}</Button>
      </div>
    </Modal>
  );
}
