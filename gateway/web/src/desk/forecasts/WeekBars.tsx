/** A bar for each week: planned, predicted, unplanned; the interval as a line, and what people can work as steps. */
import { useElementSize } from "@mantine/hooks";

import type { Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { hoursOf, weekName } from "./frame";

type Cell = Schema["ForecastCell"];
export const PARTS = [["planned", "#17699e"], ["predicted", "#7b5cb0"], ["demand", "#c98a2b"]] as const;
const CAPACITY = "#2f7d4f";
const HEIGHT = 220;
const FOOT = 22;

export function WeekBars(props: { weeks: string[]; cells: Cell[]; label: string; choose: (place: number) => void }) {
  const text = useText();
  const { ref, width } = useElementSize<HTMLDivElement>();
  const { weeks, cells } = props;
  const top = Math.max(60, ...cells.flatMap((cell) => [cell.high, cell.capacity ?? 0])) * 1.06;
  const left = 44;
  const step = Math.max(4, (width - left) / Math.max(1, weeks.length));
  const y = (minutes: number) => (HEIGHT - FOOT) * (1 - minutes / top);
  const every = Math.max(1, Math.ceil(54 / step));
  const known = cells.some((cell) => cell.capacity !== null);
  const line = cells.map((cell, place) => `${place ? "L" : "M"}${left + place * step} ${y(cell.capacity ?? 0)}h${step}`).join(" ");
  return (
    <div className="card pad">
      <div ref={ref} style={{ overflow: "hidden" }}>
      {width > 0 && (
        <svg width={width} height={HEIGHT} role="img" aria-label={props.label} style={{ display: "block", maxWidth: "100%" }}>
          {[0, 0.5, 1].map((share) => <g key={share}><line x1={left} x2={width} y1={y(top * share / 1.06)} y2={y(top * share / 1.06)} stroke="#e4eaec" /><text x={left - 6} y={y(top * share / 1.06) + 4} textAnchor="end" fontSize={11} fill="#5b6b72">{text.t("forecast.h", { value: text.number(top * share / 1.06 / 60, 0) })}</text></g>)}
          {cells.map((cell, place) => {
            let at = 0;
            const x = left + place * step;
            return (
              <g key={weeks[place]} onClick={() => props.choose(place)} style={{ cursor: "pointer" }}>
                <title>{`${weekName(weeks[place]!, text)}: ${hoursOf(cell.mean, text)} (${hoursOf(cell.low, text)} – ${hoursOf(cell.high, text)})`}</title>
                <rect x={x} y={0} width={step} height={HEIGHT - FOOT} fill={cell.missing ? "rgba(196, 58, 49, 0.09)" : "transparent"} />
                {PARTS.map(([name, fill]) => { const from = at; at += cell[name]; return <rect key={name} x={x + step * 0.14} width={step * 0.72} y={y(at)} height={Math.max(0, y(from) - y(at))} fill={fill} />; })}
                {cell.high - cell.low > 1 && <line x1={x + step / 2} x2={x + step / 2} y1={y(cell.high)} y2={y(cell.low)} stroke="#22333b" strokeWidth={1.2} />}
                {place % every === 0 && <text x={x + 2} y={HEIGHT - 6} fontSize={11} fill="#5b6b72">{weekName(weeks[place]!, text)}</text>}
              </g>
            );
          })}
          {known && <path d={line} fill="none" stroke={CAPACITY} strokeWidth={2} />}
        </svg>
      )}
      </div>
      <div className="row wrap small muted" style={{ gap: "2px 14px", marginTop: 6 }}>
        {PARTS.map(([name, fill]) => <span key={name}><i style={{ display: "inline-block", width: 10, height: 10, background: fill, borderRadius: 2, marginRight: 5 }} />{text.t(`forecast.${name}`)}</span>)}
        <span><i style={{ display: "inline-block", width: 2, height: 12, background: "#22333b", marginRight: 6, verticalAlign: "middle" }} />{text.t("forecast.interval")}</span>
        {known && <span><i style={{ display: "inline-block", width: 14, height: 2, background: CAPACITY, marginRight: 5, verticalAlign: "middle" }} />{text.t("forecast.capacity")}</span>}
      </div>
    </div>
  );
}
