/** Meters: what they show, how fast they move, when a value is reached, and every reading that made them. */
import { NumberInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { Gauge, Plus, RefreshCcw } from "lucide-react";
import { useMemo, useState } from "react";
import { useOutletContext } from "react-router";

import { query } from "../../api/client";
import { may, useList, useOne } from "../../api/rows";
import type { AssetDetail, Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { localMoment } from "../../ui/Form";
import { Ago, CardBlock } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { Steps } from "../../ui/Steps";

export type Meter = { id: string; name: string; kind: "counter" | "gauge"; unit: string; unit_label?: string | null; metric: string | null; rollover_at: number | null; value: number | null; total: number | null; at: string | null; refused: { value: number; at: string; reason: string } | null; archived_at: string | null; version: number };
export type MeterReading = { id: string; at: string; value: number; total: number; source: string; kind: string; reason: string | null; by: { name: string } | string | null; corrects_id: string | null; superseded_at: string | null };
export type Forecast = { value: number; estimate: { at: string; low: string; high: string | null } | null; reason: string | null; rate_per_day: number | null; rate_low: number | null; rate_high: number | null; readings: number; span_days: number };

export function MetersTab(props: { asset: AssetDetail }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const meters = useList<Meter>(`/assets/${props.asset.id}/meters`);
  const add = may(me, "asset.manage") ? <AddMeter asset={props.asset} /> : undefined;
  return (
    <Loaded of={meters} skeleton={<Bones rows={5} />}>
      {(page) => page.items.length === 0 ? <Empty icon={Gauge} sentence={text.t("meters.empty")} example={text.t("meters.example")} action={add} /> : (
        <div className="stack" style={{ gap: 16 }}>
          {page.items.filter((meter) => !meter.archived_at).map((meter) => <MeterCard key={meter.id} meter={meter} />)}
          {add && <div>{add}</div>}
        </div>
      )}
    </Loaded>
  );
}

function AddMeter(props: { asset: AssetDetail }) {
  const text = useText();
  const metrics = props.asset.metrics.map((one) => ({ value: one.metric, label: (text.language === "zh" ? one.label_zh : one.label_en) ?? one.metric }));
  return (
    <FormButton icon={Plus} label={text.t("meters.add")} form={{ path: `/assets/${props.asset.id}/meters`, done: "meters.added", initial: { kind: "counter", unit: "h" }, fields: [
      { name: "name", label: "col.name", required: true, example: "running_hours", most: 100 },
      { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: ["counter", "gauge"].map((word) => ({ value: word, label: text.code("meter_kind", word) })) },
      { name: "unit", label: "col.unit", required: true, half: true, example: "h", most: 20 },
      { name: "metric", label: "meters.fed_by", hint: "meters.fed_by_hint", kind: "select", options: metrics },
      { name: "rollover_at", label: "meters.rollover_at", hint: "meters.rollover_hint", kind: "number", min: 0, show: (values) => values.kind === "counter" },
    ] }} />
  );
}

export const readingForm = (meter: Meter, text: ReturnType<typeof useText>) => ({
  path: `/meters/${meter.id}/readings`,
  title: meter.name,
  done: "meters.entered",
  initial: { at: localMoment(Date.now()) },
  note: meter.value !== null ? text.t("meters.last_was", { value: text.value(meter.value, meter.unit_label ?? meter.unit), at: text.moment(meter.at) }) : undefined,
  fields: [
    { name: "value", label: "col.value", kind: "number" as const, required: true, suffix: meter.unit_label ?? meter.unit, decimals: 3 },
    { name: "at", label: "col.at", kind: "moment" as const },
    { name: "rolled_over", label: "meters.rolled_over", kind: "switch" as const, show: () => meter.kind === "counter" && meter.rollover_at !== null },
    { name: "reason", label: "meters.why_lower", kind: "area" as const, most: 500, show: (values: Record<string, unknown>) => meter.kind === "counter" && meter.value !== null && values.value !== "" && values.value !== undefined && Number(values.value) < meter.value && !values.rolled_over },
  ],
});

function MeterCard(props: { meter: Meter }) {
  const { meter } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const unit = meter.unit_label ?? meter.unit;
  const readings = useList<MeterReading>(`/meters/${meter.id}/readings`, { limit: 200 });
  const points = useMemo(() => (readings.data?.items ?? []).filter((one) => !one.superseded_at).map((one) => ({ at: one.at, value: meter.kind === "counter" ? one.total : one.value })).reverse(), [readings.data, meter.kind]);
  const enter = may(me, "meter.read");
  return (
    <CardBlock
      title={<span className="break">{text.code("meter", meter.name)}</span>}
      right={<span className="row wrap">
        {enter && <FormButton small primary icon={Plus} label={text.t("meters.enter")} form={readingForm(meter, text)} />}
        {may(me, "asset.manage") && <FormButton small icon={RefreshCcw} label={text.t("meters.replaced")} form={{ path: `/meters/${meter.id}/replacement`, note: text.t("meters.replaced_note"), initial: { initial_value: 0, final_value: meter.value ?? undefined, at: localMoment(Date.now()) }, fields: [{ name: "final_value", label: "meters.final_value", kind: "number", required: true, half: true }, { name: "initial_value", label: "meters.initial_value", kind: "number", required: true, half: true }, { name: "at", label: "col.at", kind: "moment" }, { name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }] }} />}
      </span>}
    >
      <div className="row wrap" style={{ gap: "4px 14px", alignItems: "baseline" }}>
        <span style={{ fontSize: 28, fontWeight: 680 }} className="num">{meter.value === null ? "–" : text.number(meter.value, 1)} <span style={{ fontSize: 15 }} className="muted">{unit}</span></span>
        <Chip tone="quiet" small>{text.code("meter_kind", meter.kind)}</Chip>
        {meter.metric && <span className="small muted">{text.t("meters.by_telemetry")}</span>}
        {meter.at && <span className="small muted"><Ago at={meter.at} /></span>}
        {meter.total !== null && meter.total !== meter.value && <span className="small muted">{text.t("meters.total", { total: text.value(meter.total, unit) })}</span>}
      </div>
      {meter.refused && <div style={{ marginTop: 10 }}><Notice tone="watch">{text.t("meters.refused", { value: text.value(meter.refused.value, unit), at: text.moment(meter.refused.at) })}</Notice></div>}
      {points.length > 1 && <Steps points={points} label={meter.name} unit={unit} />}
      <Reaches meter={meter} />
      <details style={{ marginTop: 12 }}>
        <summary className="small link" style={{ cursor: "pointer" }}>{text.t("meters.readings")}</summary>
        <Table
          plain
          rows={(readings.data?.items ?? []).slice(0, 100)}
          columns={[
            { label: "col.at", cell: (one) => text.moment(one.at) },
            { label: "col.value", num: true, cell: (one) => <span style={one.superseded_at ? { textDecoration: "line-through" } : undefined}>{text.value(one.value, unit)}</span>, phone: "side" },
            { label: "col.kind", cell: (one) => text.code("meter_reading", one.kind) },
            { label: "col.source", cell: (one) => [text.code("source", one.source), typeof one.by === "object" ? one.by?.name : one.by].filter(Boolean).join(" · ") },
            { label: "order.reason", cell: (one) => one.reason ?? "" },
            { label: "col.act", phone: "hide", cell: (one) => may(me, "asset.manage") && !one.superseded_at && one.source !== "telemetry" ? <FormButton small label={text.t("meters.correct")} form={{ path: `/meters/${meter.id}/readings/${one.id}/correction`, initial: { value: one.value }, fields: [{ name: "value", label: "col.value", kind: "number", required: true, suffix: unit }, { name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }] }} /> : null },
          ]}
        />
      </details>
    </CardBlock>
  );
}

function Reaches(props: { meter: Meter }) {
  const { meter } = props;
  const text = useText();
  const now = meter.total ?? meter.value;
  const [wanted, setWanted] = useState<number | string>(() => (now === null ? "" : nextRound(now)));
  const [asked] = useDebouncedValue(wanted, 400);
  const forecast = useOne<Forecast>(`/meters/${meter.id}/forecast${query({ value: asked })}`, asked !== "" && Number.isFinite(Number(asked)));
  const unit = meter.unit_label ?? meter.unit;
  const data = forecast.data;
  return (
    <div className="row wrap" style={{ gap: "8px 16px", marginTop: 14, alignItems: "flex-end" }}>
      <NumberInput label={text.t("meters.reaches")} value={wanted} onChange={setWanted} suffix={` ${unit}`} thousandSeparator="," style={{ width: 170 }} />
      <div className="grow" style={{ flexBasis: 240, paddingBottom: 4 }}>
        {data?.estimate ? (
          <>
            <div><b>{text.day(data.estimate.at)}</b> <span className="muted">{data.estimate.high ? text.t("meters.between", { low: text.day(data.estimate.low), high: text.day(data.estimate.high) }) : text.t("meters.not_before", { low: text.day(data.estimate.low) })}</span></div>
            <div className="tiny muted">{text.t("meters.rate", { rate: text.number(data.rate_per_day), unit, low: text.number(data.rate_low), high: text.number(data.rate_high), count: data.readings, days: text.number(data.span_days, 0) })}</div>
          </>
        ) : data ? <div className="small muted">{text.code("meters.no", data.reason)}</div> : null}
      </div>
    </div>
  );
}

/** The next value that a person would name: 1,234 → 1,500. */
export function nextRound(value: number): number {
  const size = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, Math.abs(value)))));
  return (Math.floor(value / (size / 2)) + 1) * (size / 2);
}
