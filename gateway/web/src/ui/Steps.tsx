/** A small curve of few points over time, with its first and last value said. */
import { useText } from "../i18n/useText";

const WIDE = 640;
const HIGH = 120;
const EDGE = 4;

export function Steps(props: { points: { at: string; value: number }[]; label: string; unit: string }) {
  const text = useText();
  const { points } = props;
  const times = points.map((point) => new Date(point.at).getTime());
  const values = points.map((point) => point.value);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (time: number) => EDGE + ((time - from) / Math.max(1, to - from)) * (WIDE - 2 * EDGE);
  const y = (value: number) => HIGH - EDGE - ((value - low) / Math.max(1e-9, high - low)) * (HIGH - 2 * EDGE);
  const line = points.map((point, index) => `${index ? "L" : "M"}${x(times[index]!).toFixed(1)} ${y(point.value).toFixed(1)}`).join("");
  return (
    <figure style={{ margin: "12px 0 0" }}>
      <svg viewBox={`0 0 ${WIDE} ${HIGH}`} preserveAspectRatio="none" style={{ width: "100%", height: 110, display: "block" }} role="img" aria-label={`${props.label}: ${text.value(low, props.unit)} – ${text.value(high, props.unit)}`}>
        <path d={`${line}L${x(to)} ${HIGH}L${x(from)} ${HIGH}Z`} fill="#e8f6f5" />
        <path d={line} fill="none" stroke="#1d7470" strokeWidth="2" vectorEffect="non-scaling-stroke" />
      </svg>
      <figcaption className="row tiny muted" style={{ justifyContent: "space-between", marginTop: 4 }}><span>{text.day(points[0]!.at)} · {text.value(values[0], props.unit)}</span><span>{text.day(points.at(-1)!.at)} · {text.value(values.at(-1), props.unit)}</span></figcaption>
    </figure>
  );
}
