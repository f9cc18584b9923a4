/** One metric over time: the spread and mean seen, what the model expected, limits, and what was noticed when. */
import { useElementSize } from "@mantine/hooks";
import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import type { Expected, MetricInfo, Readings } from "../api/types";
import { scaled } from "../i18n/format";
import { useText, type Text } from "../i18n/useText";
import { TONES } from "./theme";

export type Region = { from: string; to: string | null; tone: "trouble" | "watch"; label: string };
export type Marker = { at: string; tone: "trouble" | "quiet" | "model"; label: string };

type Props = {
  readings: Readings;
  expected?: Expected | null;
  limits?: Pick<MetricInfo, "low_low" | "low" | "high" | "high_high"> | null;
  regions?: Region[];
  markers?: Marker[];
  label: string;
  caption?: string;
  height?: number;
};

const SEEN = "#17699e";
const BAND = "rgba(23, 105, 158, 0.15)";
const MODEL = "#7b5cb0";
const MODEL_BAND = "rgba(123, 92, 176, 0.13)";
const GAP_BUCKETS = 3.5; // a pause this many times longer than usual is drawn as a hole

type Column = (number | null)[];

function seconds(iso: string): number {
  return new Date(iso).getTime() / 1000;
}

/** Columns t, min, max, mean, with a null where the line must break. */
function seenColumns(readings: Readings, factor: number): [number[], Column, Column, Column] {
  const t: number[] = [];
  const min: Column = [];
  const max: Column = [];
  const mean: Column = [];
  const times = readings.points.map((point) => seconds(point.t));
  const step = (index: number) => (index > 0 && index < times.length ? times[index]! - times[index - 1]! : 0);
  for (const [index, point] of readings.points.entries()) {
    const at = times[index]!;
    // Sparse readings are no holes: what counts is how far apart their neighbours are.
    const usual = Math.max(readings.bucket_s || 1, step(index - 1), step(index + 1));
    if (step(index) > usual * GAP_BUCKETS) {
      t.push(at - step(index) / 2);
      min.push(null);
      max.push(null);
      mean.push(null);
    }
    t.push(at);
    min.push(point.min === null ? null : point.min / factor);
    max.push(point.max === null ? null : point.max / factor);
    mean.push(point.mean === null ? null : point.mean / factor);
  }
  return [t, min, max, mean];
}

function columns(readings: Readings, expected: Expected | null | undefined, factor: number): uPlot.AlignedData {
  const seen = seenColumns(readings, factor);
  const points = expected?.points ?? [];
  if (points.length === 0) {
    const none = seen[0].map(() => null);
    return [...seen, none, none, none];
  }
  const part = (pick: (point: Expected["points"][number]) => number | null) =>
    points.map((point) => (pick(point) === null ? null : (pick(point) as number) / factor));
  const model: [number[], Column, Column, Column] = [
    points.map((point) => seconds(point.t)),
    part((point) => point.low),
    part((point) => point.high),
    part((point) => point.expected),
  ];
  return uPlot.join([seen, model] as unknown as uPlot.AlignedData[]);
}

function range(data: uPlot.AlignedData, limits: number[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const column of data.slice(1))
    for (const value of column as Column)
      if (value !== null && value !== undefined) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
  if (low > high) return [0, 1];
  const size = high - low || Math.abs(high) * 0.1 || 1;
  const data_low = low;
  const data_high = high;
  // A limit is drawn when it is near; a far one must not press the curve flat.
  for (const limit of limits) {
    if (limit > data_high && limit - data_high < size * 1.5) high = Math.max(high, limit);
    if (limit < data_low && data_low - limit < size * 1.5) low = Math.min(low, limit);
  }
  const room = (high - low || size) * 0.08;
  return [low - room, high + room];
}

function tickText(text: Text, span: number) {
  const zone = text.language === "zh" ? "zh-CN" : "en-GB";
  const options: Intl.DateTimeFormatOptions =
    span <= 1200
      ? { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }
      : span <= 172_800
        ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }
        : { month: "short", day: "numeric" };
  const format = new Intl.DateTimeFormat(zone, options);
  return (value: number) => format.format(new Date(value * 1000));
}

type Frame = { from: number; to: number; factor: number; unit: string };

function options(width: number, latest: { current: { props: Props; frame: Frame } }, text: Text): uPlot.Options {
  const { props, frame } = latest.current;
  const limitLines = limitsOf(props, frame.factor, text);
  const tick = tickText(text, frame.to - frame.from);
  const axis = {
    stroke: "#66747f",
    font: `12px "Inter Variable", "Noto Sans CJK SC", sans-serif`,
    grid: { stroke: "#edf1f4", width: 1 },
    ticks: { show: false },
  };
  const made: uPlot.Options = {
    width,
    height: props.height ?? 300,
    padding: [14, 22, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: () => [latest.current.frame.from, latest.current.frame.to] },
      y: { range: (plot) => range(plot.data, limitLines.map((line) => line.value)) },
    },
    axes: [
      { ...axis, size: 30, space: text.language === "zh" || frame.to - frame.from <= 1200 ? 90 : 70, values: (_plot, splits) => splits.map(tick) },
      { ...axis, size: 58, values: (_plot, splits) => splits.map((value) => text.number(value)) },
    ],
    series: [
      {},
      { stroke: "transparent", points: { show: false } },
      { stroke: "transparent", points: { show: false } },
      { stroke: SEEN, width: 1.8, points: { show: false } },
      { stroke: "transparent", points: { show: false } },
      { stroke: "transparent", points: { show: false } },
      { stroke: MODEL, width: 1.6, dash: [6, 4], points: { show: false } },
    ],
    bands: [
      { series: [2, 1], fill: BAND },
      { series: [5, 4], fill: MODEL_BAND },
    ],
    hooks: {
      drawClear: [(plot) => drawRegions(plot, latest.current.props.regions ?? [], latest.current.frame)],
      draw: [
        (plot) => {
          drawLimits(plot, limitLines);
          drawMarkers(plot, latest.current.props.markers ?? [], latest.current.frame);
        },
      ],
    },
  };
  return made;
}

type LimitLine = { value: number; hard: boolean; label: string };

function limitsOf(props: Props, factor: number, text: Text): LimitLine[] {
  const names = ["low_low", "low", "high", "high_high"] as const;
  return names.flatMap((name) => {
    const value = props.limits?.[name];
    if (value === null || value === undefined) return [];
    return [{ value: value / factor, hard: name.includes("_"), label: text.t(`limit.${name}`) }];
  });
}

function drawLimits(plot: uPlot, lines: LimitLine[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.textBaseline = "bottom";
  ctx.font = `${11 * devicePixelRatio}px "Inter Variable", "Noto Sans CJK SC", sans-serif`;
  for (const line of lines) {
    const y = plot.valToPos(line.value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = line.hard ? TONES.trouble.ink : TONES.watch.ink;
    ctx.globalAlpha = 0.8;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.textAlign = "left";
    ctx.fillText(line.label, bbox.left + 6 * devicePixelRatio, y - 2 * devicePixelRatio);
  }
  ctx.restore();
}

function drawRegions(plot: uPlot, regions: Region[], frame: { from: number; to: number }): void {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const region of regions) {
    const from = Math.max(seconds(region.from), frame.from);
    const to = Math.min(region.to ? seconds(region.to) : frame.to, frame.to);
    if (to <= from) continue;
    const left = plot.valToPos(from, "x", true);
    const width = Math.max(plot.valToPos(to, "x", true) - left, 2 * devicePixelRatio);
    ctx.fillStyle = region.tone === "trouble" ? "rgba(179, 38, 30, 0.075)" : "rgba(191, 127, 0, 0.09)";
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.fillStyle = region.tone === "trouble" ? TONES.trouble.ink : TONES.watch.ink;
    ctx.fillRect(left, bbox.top, width, 3 * devicePixelRatio);
  }
  ctx.restore();
}

function drawMarkers(plot: uPlot, markers: Marker[], frame: { from: number; to: number }): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `600 ${11.5 * devicePixelRatio}px "Inter Variable", "Noto Sans CJK SC", sans-serif`;
  let row = 0;
  for (const marker of markers) {
    const at = seconds(marker.at);
    if (at < frame.from || at > frame.to) continue;
    const x = plot.valToPos(at, "x", true);
    ctx.strokeStyle = TONES[marker.tone].ink;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const width = ctx.measureText(marker.label).width + 10 * devicePixelRatio;
    const left = x + width > bbox.left + bbox.width ? x - width : x;
    const top = bbox.top + (row % 3) * 20 * devicePixelRatio;
    ctx.fillStyle = TONES[marker.tone].ink;
    ctx.fillRect(left, top, width, 18 * devicePixelRatio);
    ctx.fillStyle = "#fff";
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillText(marker.label, left + 5 * devicePixelRatio, top + 9.5 * devicePixelRatio);
    row += 1;
  }
  ctx.restore();
}

export function TimeChart(props: Props) {
  const text = useText();
  const { ref, width } = useElementSize<HTMLDivElement>();
  const holder = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const { readings, expected } = props;
  const biggest = useMemo(
    () => Math.max(0, ...readings.points.map((point) => Math.abs(point.max ?? point.mean ?? 0))),
    [readings],
  );
  const scale = scaled(readings.unit_label ?? readings.unit, biggest);
  const data = useMemo(() => columns(readings, expected, scale.factor), [readings, expected, scale.factor]);
  const frame = { from: seconds(readings.from), to: seconds(readings.to), factor: scale.factor, unit: scale.label };
  const latest = useRef({ props, frame });
  latest.current = { props, frame };
  // New readings move an existing plot along; only another language, span, unit or set of limits needs a new one.
  const shape = JSON.stringify([Math.round((frame.to - frame.from) / 60), limitsOf(props, 1, text), props.height, text.language, frame.unit]);

  useEffect(() => {
    if (!holder.current || width < 40) return;
    const made = options(width, latest, text);
    made.hooks!.setCursor = [(shown) => showReadout(shown, readout.current, text, latest.current.frame.unit)];
    const drawn = new uPlot(made, data, holder.current);
    plot.current = drawn;
    return () => {
      drawn.destroy();
      plot.current = null;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [width, shape]);

  const marks = JSON.stringify([props.regions, props.markers]);
  useEffect(() => {
    if (plot.current) plot.current.setData(data);
  }, [data, marks, frame.from, frame.to]);

  return (
    <div className="chart" ref={ref}>
      <div className="tiny muted">{[props.caption, scale.label].filter(Boolean).join(" · ")}</div>
      <div role="img" aria-label={`${props.label}, ${scale.label}`} ref={holder} style={{ height: props.height ?? 300 }} />
      <div className="readout" ref={readout} hidden />
    </div>
  );
}

/** The seen and the expected have their own moments; the value shown is the nearest one's. */
function nearest(column: (number | null | undefined)[], index: number): number | null {
  for (let away = 0; away <= 6; away += 1) {
    const found = column[index - away] ?? column[index + away];
    if (found !== null && found !== undefined) return found;
  }
  return null;
}

function showReadout(plot: uPlot, box: HTMLDivElement | null, text: Text, unit: string): void {
  if (!box) return;
  const index = plot.cursor.idx;
  const t = index === null || index === undefined ? undefined : plot.data[0][index];
  if (index === null || index === undefined || t === undefined) {
    box.hidden = true;
    return;
  }
  const at = (column: number) => nearest(plot.data[column] as (number | null | undefined)[], index);
  const short = plot.scales.x!.max! - plot.scales.x!.min! < 7200;
  const lines = [short ? `${text.day(t * 1000)} ${text.clock(t * 1000)}` : text.moment(t * 1000)];
  const mean = at(3);
  if (mean !== null && mean !== undefined) {
    const spread = at(1) !== at(2) ? ` (${text.number(at(1))} – ${text.number(at(2))})` : "";
    lines.push(`${text.t("chart.seen")}: ${text.number(mean)} ${unit}${spread}`);
  }
  const model = at(6);
  if (model !== null && model !== undefined) lines.push(`${text.t("chart.expected")}: ${text.number(model)} ${unit}`);
  box.replaceChildren(...lines.map((line) => Object.assign(document.createElement("div"), { textContent: line })));
  box.hidden = lines.length < 2;
  const left = plot.cursor.left ?? 0;
  const right = left > plot.over.clientWidth / 2;
  box.style.top = "36px";
  box.style.left = right ? "auto" : `${left + plot.over.offsetLeft + 14}px`;
  box.style.right = right ? `${plot.over.clientWidth - left + 22}px` : "auto";
}

/** What each line and colour stands for, in words. */
export function ChartLegend(props: { model: boolean; trouble?: boolean; watch?: boolean; limits?: boolean; unit?: string }) {
  const { t } = useText();
  return (
    <div className="legend">
      <span><i style={{ color: SEEN }} />{t("chart.seen_mean")}</span>
      <span><i className="block" style={{ background: "rgba(23, 105, 158, 0.22)" }} />{t("chart.seen_band")}</span>
      {props.model && <span><i style={{ color: MODEL, borderTopStyle: "dashed" }} />{t("chart.model_line")}</span>}
      {props.model && <span><i className="block" style={{ background: "rgba(123, 92, 176, 0.22)" }} />{t("chart.model_band")}</span>}
      {props.limits && <span><i style={{ color: TONES.watch.ink, borderTopStyle: "dotted" }} />{t("chart.limits")}</span>}
      {props.trouble && <span><i className="block" style={{ background: "rgba(179, 38, 30, 0.2)" }} />{t("chart.trouble")}</span>}
    </div>
  );
}
