/** The live chart of one metric, from the last quarter of an hour to a month. */
import { SegmentedControl, Select, Skeleton } from "@mantine/core";
import { useMemo, useState } from "react";

import { useEpisodes, useExpected, useReadings, useWorkOrders, type Span } from "../api/hooks";
import type { AssetDetail } from "../api/types";
import { useText } from "../i18n/useText";
import { metricLabel } from "../text/metrics";
import { Failure } from "../ui/states";
import { ChartLegend, TimeChart, type Marker, type Region } from "../ui/TimeChart";

const RANGES: [string, number][] = [
  ["m15", 900],
  ["h1", 3600],
  ["h24", 86_400],
  ["d7", 604_800],
  ["d30", 2_592_000],
];
const MARKERS = 6; // more labels than this hide the curve

export function MetricChart(props: { asset: AssetDetail; metric: string | null; onMetric: (metric: string) => void }) {
  const { asset, metric } = props;
  const text = useText();
  const [range, setRange] = useState("h1");
  const seconds = RANGES.find(([name]) => name === range)?.[1] ?? 3600;
  const end = asset.replayed ? asset.last_reading_at : null;
  const span: Span = useMemo(() => ({ seconds, end }), [seconds, end]);
  const readings = useReadings(asset.id, metric, span);
  const expected = useExpected(asset.id, metric, span);
  const episodes = useEpisodes(asset.id);
  const orders = useWorkOrders({ asset_id: asset.id, limit: 50 });
  const info = asset.metrics.find((one) => one.metric === metric) ?? null;
  const regions: Region[] = (episodes.data?.items ?? []).map((episode) => ({
    from: episode.opened_at,
    to: episode.cleared_at ?? episode.closed_at,
    tone: episode.severity === "info" ? "watch" : "trouble",
    label: "",
  }));
  const from = readings.data ? new Date(readings.data.from).getTime() : 0;
  const markers: Marker[] = (orders.data?.items ?? [])
    .filter((order) => new Date(order.opened_at).getTime() >= from)
    .slice(0, MARKERS)
    .map((order) => ({ at: order.opened_at, tone: order.origin === "finding" ? "model" : "quiet", label: order.number }));
  const shown = readings.data?.metric === metric ? readings.data : undefined;
  return (
    <section className="card">
      <div className="card-head" style={{ gap: 10 }}>
        <Select
          aria-label={text.t("chart.metric")}
          value={metric}
          onChange={(value) => value && props.onMetric(value)}
          data={asset.metrics.map((one) => ({ value: one.metric, label: metricLabel(one, text.language) }))}
          searchable={asset.metrics.length > 8}
          nothingFoundMessage="–"
          style={{ flex: "1 1 220px", maxWidth: 340 }}
          maxDropdownHeight={320}
        />
        <div className="grow hide-phone" />
        <SegmentedControl size="xs" value={range} onChange={setRange} data={RANGES.map(([name]) => ({ value: name, label: text.t(`range.${name}`) }))} />
      </div>
      <div className="card-body">
        {metric === null ? (
          <div className="muted small" style={{ padding: "60px 0", textAlign: "center" }}>{text.t("chart.no_metric")}</div>
        ) : shown ? (
          shown.points.length === 0 ? (
            <div className="muted small" style={{ padding: "120px 0", textAlign: "center" }}>{text.t("chart.empty")}</div>
          ) : (
            <>
              <TimeChart readings={shown} expected={expected.data?.metric === metric ? expected.data : null} limits={info} regions={regions} markers={markers} label={info ? metricLabel(info, text.language) : metric} height={320} />
              <ChartLegend model={(expected.data?.points.length ?? 0) > 0} trouble={regions.length > 0} limits={hasLimits(info)} />
            </>
          )
        ) : readings.error ? (
          <Failure error={readings.error} retry={() => void readings.refetch()} />
        ) : (
          <Skeleton height={340} radius="md" />
        )}
      </div>
    </section>
  );
}

function hasLimits(info: AssetDetail["metrics"][number] | null): boolean {
  return !!info && [info.low_low, info.low, info.high, info.high_high].some((limit) => limit !== null && limit !== undefined);
}
