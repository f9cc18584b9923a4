/** What was noticed, in one sentence. */
import type { Contribution } from "../api/types";
import type { Text } from "../i18n/useText";
import { metricLabel } from "./metrics";

type What = { signature: string; kind?: string | null; contributions?: Contribution[] | null; layer?: string | null };

// How a signature's ending reads: 'bearing_temperature_celsius:high@load'.
const ENDINGS: Record<string, string> = {
  high: "residual_high",
  low: "residual_low",
  high_high: "above_limit",
  low_low: "below_limit",
  rate: "rate_above_limit",
};
const LIMITS: Record<string, string> = { high: "above_limit", low: "below_limit" };
const WHOLE = ["machine", "sensor"];

/** 'Bearing temperature is higher than expected': from the strongest sensor or, without one, from the signature. */
export function noticed(what: What, text: Text): string {
  const top = what.contributions?.[0];
  const [first = "", ...rest] = what.signature.split(/[:@]/);
  const metric = top?.metric || (first === "sensor" && rest[0] ? rest[0] : first);
  const note = top?.note || rest.map((part) => (what.layer === "L1" && LIMITS[part]) || (ENDINGS[part] ?? part)).find((part) => text.has(`noticed.${part}`));
  if (what.kind === "connection" || note === "gap" || first === "connection") return text.t("noticed.whole.gap");
  if (!metric || metric === "all" || WHOLE.includes(metric)) return text.code("noticed.whole", metric === "sensor" ? "sensor" : "machine");
  const label = spaced(metricLabel(top?.metric ? top : metric, text.language), text.language);
  if (!top && first === "sensor") return text.t("noticed.sensor", { metric: label }).replace(" ：", "：");
  const said = text.t(note && text.has(`noticed.${note}`) ? `noticed.${note}` : "noticed.unusual", { metric: label });
  return said.replace(" ：", "：");
}

/** In Chinese a Latin tag at the end of a label stands apart from the characters after it. */
function spaced(label: string, language: string): string {
  return language === "zh" && /[\w)]$/.test(label) ? `${label} ` : label;
}
