/** A length of time as a number with its unit. */
import { NumberInput, Select } from "@mantine/core";
import { useState } from "react";

import { useText } from "../../i18n/useText";

const UNITS: [string, number][] = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];

export function DurationInput(props: { label: string; seconds: number; low?: number | null; high?: number | null; change: (seconds: number) => void }) {
  const { t } = useText();
  const { seconds } = props;
  const [unit, setUnit] = useState(() => UNITS.find(([, size]) => seconds > 0 && seconds % size === 0)?.[0] ?? "min");
  const size = UNITS.find(([name]) => name === unit)![1];
  const most = props.high ?? null;
  const change = (typed: number | string) => {
    if (typed === "" || !Number.isFinite(Number(typed))) return;
    props.change(Math.min(Math.max(Math.round(Number(typed) * size), props.low ?? 0), most ?? Infinity));
  };
  return (
    <span className="row" style={{ gap: 6 }}>
      <NumberInput aria-label={props.label} value={Number((seconds / size).toFixed(4))} onChange={change} min={(props.low ?? 0) / size} max={most === null ? undefined : most / size} style={{ width: 96 }} hideControls />
      <Select aria-label={t("policies.unit")} value={unit} onChange={(word) => word && setUnit(word)} data={UNITS.map(([name]) => ({ value: name, label: t(`unit.${name}`) }))} style={{ width: 112 }} />
    </span>
  );
}
