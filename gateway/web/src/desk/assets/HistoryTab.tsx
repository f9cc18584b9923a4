/** Everything that happened to a machine: narrowed by kind and time, checked against tampering, printed and exported. */
import { Button, Chip as Choice, TextInput } from "@mantine/core";
import { CheckCircle2, History, ShieldCheck, TriangleAlert } from "lucide-react";
import { useState } from "react";

import { rowsOf, useOne, useRows } from "../../api/rows";
import type { AssetDetail, TimelineItem } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Exports } from "../../ui/ListPage";
import { CardBlock } from "../../ui/parts";
import { More } from "../../ui/Rows";
import { Bones, Empty, Failure, Notice } from "../../ui/states";
import { Timeline } from "../../ui/Timeline";

const GROUPS = ["work", "findings", "telemetry", "parts", "moves", "documents", "warranty", "other"];
const DAY_MS = 86_400_000;

export function HistoryTab(props: { asset: AssetDetail }) {
  const text = useText();
  const path = `/assets/${props.asset.id}/timeline`;
  const [groups, setGroups] = useState<string[]>([]);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [checking, setChecking] = useState(false);
  const asked = { group: groups.join(",") || undefined, from: from ? new Date(`${from}T00:00:00`).toISOString() : undefined, to: to ? new Date(new Date(`${to}T00:00:00`).getTime() + DAY_MS).toISOString() : undefined };
  const rows = useRows<TimelineItem>(path, asked);
  const items = rowsOf(rows);
  const check = useOne<{ events: number; broken: number[]; intact: boolean }>(`${path}/check`, checking);
  return (
    <CardBlock title={text.t("timeline.title")} right={<span className="row wrap">
      <Button variant="default" leftSection={<ShieldCheck size={16} />} loading={checking && check.isFetching} onClick={() => (checking ? void check.refetch() : setChecking(true))}>{text.t("timeline.check")}</Button>
      <Exports name="timeline" path={`${path}/export`} asked={asked} formats={["pdf", "csv"]} />
    </span>}>
      <div className="row wrap" style={{ gap: 6, marginBottom: 12 }}>
        <Choice.Group multiple value={groups} onChange={setGroups}>{GROUPS.map((group) => <Choice key={group} value={group} size="xs">{text.t(`timeline.group.${group}`)}</Choice>)}</Choice.Group>
        <span className="grow" />
        <TextInput size="xs" type="date" aria-label={text.t("col.from")} value={from} max={to || undefined} onChange={(event) => setFrom(event.currentTarget.value)} />
        <span className="muted">–</span>
        <TextInput size="xs" type="date" aria-label={text.t("col.to")} value={to} min={from || undefined} onChange={(event) => setTo(event.currentTarget.value)} />
      </div>
      {check.data && <div style={{ marginBottom: 14 }}><Notice tone={check.data.intact ? "ok" : "trouble"} icon={check.data.intact ? CheckCircle2 : TriangleAlert}>{check.data.intact ? text.t("timeline.intact", { count: check.data.events }) : text.t("timeline.broken", { count: check.data.broken.length, events: check.data.events })}</Notice></div>}
      {!rows.data ? (rows.isPending ? <Bones rows={6} /> : <Failure error={rows.error} retry={() => void rows.refetch()} />) : items.length === 0 ? <Empty bare icon={History} sentence={text.t(groups.length || from || to ? "list.none_match" : "timeline.empty")} /> : <Timeline items={items} />}
      <More of={rows} />
    </CardBlock>
  );
}
