/** Why something was decided as it was: a stored code with its parameters, in words. */
import { duration } from "../i18n/format";
import type { Text } from "../i18n/useText";

export type Coded = { code: string; params: Record<string, unknown> };

const SHARES = ["confidence", "share", "similarity", "audit_share", "right_share"];
const MOMENT = /^\d{4}-\d\d-\d\dT/;

export function reasonText(reason: Coded, text: Text, family = "reason"): string {
  const said = Object.fromEntries(Object.entries(reason.params).map(([name, value]) => [name, spoken(name, value, text)]));
  const key = `${family}.${reason.code}`;
  if (!text.has(key)) return text.code(family, reason.code);
  // A reason that holds until somebody ends it names no time.
  const open = `${key}.open`;
  return "until" in reason.params && !reason.params.until && text.has(open) ? text.t(open, said) : text.t(key, said);
}

function spoken(name: string, value: unknown, text: Text): unknown {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") {
    if (MOMENT.test(value)) return text.moment(value);
    if (name === "of") return text.code("reason_name", value);
    return name === "regime" ? text.code("mode", value) : value;
  }
  if (typeof value === "object") return String((value as { number?: string }).number ?? (value as { name?: string }).name ?? "–");
  if (typeof value !== "number") return value;
  if (name.endsWith("_s")) return duration(Math.round(value), text.language);
  return SHARES.includes(name) ? text.percent(value) : text.number(value);
}
