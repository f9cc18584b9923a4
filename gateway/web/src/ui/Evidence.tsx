/** Seen against expected, sensor by sensor, and the same drawn on the chart. */
import { Skeleton } from "@mantine/core";
import { useEffect, useMemo, useState } from "react";

import { useExpected, useReadings, type Span } from "../api/hooks";
import type { Contribution, Expected, Readings } from "../api/types";
import { useText } from "../i18n/useText";
import { metricLabel } from "../text/metrics";
import { Failure } from "./states";
import { ChartLegend, TimeChart, type Marker, type Region } from "./TimeChart";

const MOST_ROWS = 6; // what is further down has next to no share

export function EvidenceTable(props: { contributions: Contribution[]; chosen?: string | null; choose?: (metric: string) => void }) {
  const text = useText();
  const rows = props.contributions.slice(0, MOST_ROWS);
  return (
    <>
    <EvidenceList rows={rows} choose={props.choose} chosen={props.chosen} />
    <div className="scroll hide-phone">
      <table className="grid">
        <thead>
          <tr>
            <th>{text.t("evidence.sensor")}</th>
            <th className="num">{text.t("evidence.expected")}</th>
            <th className="num">{text.t("evidence.seen")}</th>
            <th className="num hide-phone">{text.t("evidence.deviation")}</th>
            <th style={{ width: "24%", minWidth: 84 }}>{text.t("evidence.share")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={row.metric}
              className={`${props.choose ? "go" : ""} ${props.chosen === row.metric ? "on" : ""}`}
              onClick={() => props.choose?.(row.metric)}
            >
              <td>
                <div style={{ fontWeight: 560 }}>{metricLabel(row, text.language)}</div>
                {row.note && <div className="tiny muted">{text.code("note", row.note)}</div>}
              </td>
              <td className="num muted">{text.value(row.expected, row.unit_label)}</td>
              <td className="num" style={{ fontWeight: 620 }}>{text.value(row.seen, row.unit_label)}</td>
              <td className="num hide-phone">{deviation(row, text)}</td>
              <td>
                <div className="row">
                  <div className="bar grow"><i style={{ width: `${Math.max(2, Math.min(100, row.share * 100))}%` }} /></div>
                  <span className="tiny num muted">{text.percent(row.share)}</span>
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
    </>
  );
}

/** The same rows for a narrow screen. */
function EvidenceList(props: { rows: Contribution[]; chosen?: string | null; choose?: (metric: string) => void }) {
  const text = useText();
  return (
    <div className="only-phone" style={{ padding: "4px 0" }}>
      {props.rows.map((row) => (
        <div key={row.metric} className="inset" style={{ paddingTop: 9, paddingBottom: 9, background: props.chosen === row.metric ? "#edf6f5" : undefined }} onClick={() => props.choose?.(row.metric)}>
          <div className="row" style={{ alignItems: "baseline" }}>
            <span className="grow break" style={{ fontWeight: 580 }}>{metricLabel(row, text.language)}</span>
            <span className="num nowrap"><span className="muted small">{text.value(row.expected, row.unit_label)} → </span><b>{text.value(row.seen, row.unit_label)}</b></span>
          </div>
          <div className="row" style={{ marginTop: 5 }}>
            <span className="tiny muted grow">{row.note ? text.code("note", row.note) : ""}{row.deviation ? ` · ${deviation(row, text)}` : ""}</span>
            <div className="bar" style={{ width: 84 }}><i style={{ width: `${Math.max(2, Math.min(100, row.share * 100))}%` }} /></div>
            <span className="tiny num muted" style={{ minWidth: 30, textAlign: "right" }}>{text.percent(row.share)}</span>
          </div>
        </div>
      ))}
    </div>
  );
}

function deviation(row: Contribution, text: ReturnType<typeof useText>): string {
  if (!row.deviation) return "–";
  const sign = row.deviation > 0 ? "+" : "−";
  const size = text.number(Math.abs(row.deviation), 1);
  // A limit's excess is in the sensor's own unit, a model's in standard deviations.
  const limit = row.note === "above_limit" || row.note === "below_limit";
  return limit ? `${sign}${text.value(Math.abs(row.deviation), row.unit_label)}` : `${sign}${size} σ`;
}

type ChartProps = {
  asset: string;
  contributions: Contribution[];
  since: string | null;
  until: string | null;
  now?: string | null; // a replayed machine's own time
  markers?: Marker[];
  height?: number;
  metric?: string | null;
  onMetric?: (metric: string) => void;
  keeper?: ChartKeeper; // what was drawn last, for when there is no network
};

export type ChartData = { readings: Readings; expected: Expected | null };
export type ChartKeeper = {
  keep: (asset: string, metric: string, data: ChartData) => Promise<void>;
  read: (asset: string, metric: string) => Promise<(ChartData & { at: number }) | null>;
};

const LEAD_S = 1800; // what the machine did before it was noticed, at least
const MOST_S = 14 * 86_400;

/** The time around what was noticed: its beginning marked, the model's expectation beneath. */
export function EvidenceChart(props: ChartProps) {
  const text = useText();
  const choices = props.contributions.slice(0, 4);
  const [own, setOwn] = useState<string | null>(null);
  const metric = props.metric ?? own ?? choices[0]?.metric ?? null;
  const span = useMemo(() => around(props.since, props.until, props.now), [props.since, props.until, props.now]);
  const asked = useReadings(props.asset, metric, span, 500);
  const model = useExpected(props.asset, metric, span, 500);
  const kept = useLastDrawn(props, metric, asked.data, model.data);
  const readings = kept ? { ...asked, data: kept.readings } : asked;
  const expected = kept ? { data: kept.expected ?? undefined } : model;
  const chosen = choices.find((row) => row.metric === metric);
  const regions: Region[] = props.since ? [{ from: props.since, to: props.until, tone: "trouble", label: "" }] : [];
  const markers: Marker[] = [
    ...(props.since ? [{ at: props.since, tone: "trouble" as const, label: text.t("chart.since", { at: text.clock(props.since).slice(0, 5) }) }] : []),
    ...(props.markers ?? []),
  ];
  return (
    <div>
      {choices.length > 1 && (
        <div className="row wrap" style={{ gap: 6, marginBottom: 8 }} role="group">
          {choices.map((row) => (
            <button
              key={row.metric}
              type="button"
              className="chip plainbutton"
              aria-pressed={row.metric === metric}
              style={row.metric === metric ? { background: "#14202b", color: "#fff" } : { background: "#eef1f4", color: "#3a4855" }}
              onClick={() => {
                setOwn(row.metric);
                props.onMetric?.(row.metric);
              }}
            >
              {metricLabel(row, text.language)}
            </button>
          ))}
        </div>
      )}
      {readings.data ? (
        readings.data.points.length === 0 ? (
          <div className="muted small" style={{ padding: "32px 0", textAlign: "center" }}>{text.t("chart.empty")}</div>
        ) : (
          <>
            <TimeChart
              readings={readings.data}
              expected={expected.data?.metric === metric ? expected.data : null}
              regions={regions}
              markers={markers}
              label={metric ?? ""}
              caption={chosen ? metricLabel(chosen, text.language) : (metric ?? "")}
              height={props.height ?? 280}
            />
            <ChartLegend model={(expected.data?.points.length ?? 0) > 0} trouble />
            {kept && (asked.failureCount > 0 || asked.fetchStatus === "paused") && <div className="tiny muted" style={{ padding: "4px 4px 0" }}>{text.t("chart.kept", { at: text.moment(kept.at) })}</div>}
          </>
        )
      ) : readings.error ? (
        <Failure error={readings.error} retry={() => void readings.refetch()} />
      ) : (
        <Skeleton height={props.height ?? 280} radius="md" />
      )}
    </div>
  );
}

/** What was drawn last, when the question has failed. */
function useLastDrawn(props: ChartProps, metric: string | null, readings: Readings | undefined, expected: Expected | undefined) {
  const { keeper, asset } = props;
  const [last, setLast] = useState<(ChartData & { at: number; metric: string }) | null>(null);
  const fits = readings?.metric === metric && readings !== undefined;
  useEffect(() => {
    if (!keeper || !metric) return;
    if (fits) void keeper.keep(asset, metric, { readings, expected: expected?.metric === metric ? expected : null });
    else void keeper.read(asset, metric).then((found) => setLast(found && { ...found, metric }));
  }, [keeper, asset, metric, fits, readings, expected]);
  return !fits && last?.metric === metric ? last : null;
}

export function around(since: string | null, until: string | null, own?: string | null): Span & { from: string; to: string } {
  const now = own ? new Date(own).getTime() : Math.ceil(Date.now() / 10_000) * 10_000;
  const from = since ? new Date(since).getTime() : now - 3_600_000;
  const end = Math.min(now, until ? new Date(until).getTime() : now);
  const lasted = Math.max(end - from, 60_000);
  const lead = Math.min(Math.max(lasted * 1.2, LEAD_S * 1000), 7 * 86_400_000);
  const tail = until ? Math.min(lasted * 0.3, 3_600_000) : 0;
  const to = Math.min(now, end + tail);
  return {
    from: new Date(Math.max(from - lead, to - MOST_S * 1000)).toISOString(),
    to: new Date(to).toISOString(),
  };
}
