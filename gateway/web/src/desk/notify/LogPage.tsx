/** The log of all that was written: to whom, by which way, how it went, and sending it once more. */
import { RotateCcw, ScrollText } from "lucide-react";
import { useState } from "react";
import { Select } from "@mantine/core";

import { useList, useRows, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { Ago, PageHead, useTitle } from "../../ui/parts";
import { Rows } from "../../ui/Rows";
import { Empty } from "../../ui/states";
import { NotifyTabs } from "./NotifyTabs";
import { ruleName } from "./rules";

type Row = Schema["NotificationDelivery"];
const TONE = { waiting: "watch", sent: "ok", failed: "trouble", cancelled: "quiet" } as const;
const WAYS = ["page", "email", "sms", "push", "chat"];

export function LogPage() {
  const text = useText();
  const [state, setState] = useState<string | null>(null);
  const [channel, setChannel] = useState<string | null>(null);
  const [rule, setRule] = useState<string | null>(null);
  const rules = useList<Schema["NotificationRuleItem"]>("/notification-rules").data?.items ?? [];
  const rows = useRows<Row>("/notification-deliveries", { state, channel, rule_id: rule });
  useTitle(text.t("notify.tab.log"));
  const words = (prefix: string, values: readonly string[]) => values.map((value) => ({ value, label: text.t(`${prefix}.${value}`) }));
  const whom = (row: Row) => row.person?.name ?? row.address ?? row.channel_name ?? "–";
  return (
    <>
      <PageHead title={text.t("notify.tab.log")} sub={text.t("notify.log_sub")} />
      <NotifyTabs />
      <div className="row wrap" style={{ gap: 8, marginBottom: 12 }}>
        <Select aria-label={text.t("col.state")} placeholder={text.t("col.state")} data={words("notify.state", Object.keys(TONE))} value={state} onChange={setState} clearable w={170} />
        <Select aria-label={text.t("notify.way")} placeholder={text.t("notify.way")} data={words("notify.way", WAYS)} value={channel} onChange={setChannel} clearable w={170} />
        <Select aria-label={text.t("notify.rule")} placeholder={text.t("notify.rule")} data={rules.map((one) => ({ value: one.id, label: ruleName(one, text) }))} value={rule} onChange={setRule} clearable searchable w={260} />
      </div>
      <Rows of={rows} empty={<Empty icon={ScrollText} sentence={text.t("notify.log_empty")} />} columns={[
        { label: "notify.message", cell: (row) => <span className="break">{row.subject[text.language] ?? row.subject.en}</span> },
        { label: "notify.whom", phone: "named", cell: (row) => <span className="break">{whom(row)}</span> },
        { label: "notify.way", phone: "named", cell: (row) => text.t(`notify.way.${row.channel}`) },
        { label: "col.state", phone: "side", cell: (row) => <Chip small tone={TONE[row.state as keyof typeof TONE] ?? "quiet"}>{text.t(row.read_at ? "notify.state.read" : row.seen_at ? "notify.state.seen" : `notify.state.${row.state}`)}</Chip> },
        { label: "col.at", cell: (row) => <Ago at={row.sent_at ?? row.tried_at ?? row.at} /> },
        { label: "notify.tries", num: true, phone: "named", cell: (row) => <span className="break">{row.tries}{row.state === "waiting" && row.next_try_at && <span className="small muted"> · <Ago at={row.next_try_at} /></span>}</span> },
        { label: "notify.reason", cell: (row) => <span className="small break">{row.error ?? ""}</span> },
        { label: "col.act", cell: (row) => row.channel !== "page" && (row.state !== "waiting" || row.tries > 0) ? <ActButton small icon={RotateCcw} label={text.t("notify.resend")} path={`/notification-deliveries/${row.id}/resend`} done="webhooks.queued" /> : null },
      ]} />
    </>
  );
}
