/** The last hour of one metric, small. */
import { TONES, type Tone } from "./theme";

export function Spark(props: { values: (number | null)[]; tone: Tone; width?: number; height?: number }) {
  const { values, tone, width = 64, height = 28 } = props;
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return <svg width={width} height={height} aria-hidden />;
  const low = Math.min(...known);
  const size = Math.max(...known) - low || 1;
  const x = (index: number) => (index / (values.length - 1)) * (width - 4) + 2;
  const y = (value: number) => height - 3 - ((value - low) / size) * (height - 6);
  // At this size a line across an empty bucket says more than a scatter of dots.
  const path = values
    .flatMap((value, index) => (value === null ? [] : [`${x(index).toFixed(1)},${y(value).toFixed(1)}`]))
    .join("L");
  const last = values.findLastIndex((value) => value !== null);
  const color = TONES[tone].ink;
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden preserveAspectRatio="none" style={{ display: "block", maxWidth: "100%" }}>
      <path d={`M${path}`} fill="none" stroke={color} strokeWidth="1.6" strokeLinejoin="round" strokeLinecap="round" vectorEffect="non-scaling-stroke" opacity="0.9" />
      <circle cx={x(last)} cy={y(values[last] as number)} r="2.4" fill={color} />
    </svg>
  );
}
