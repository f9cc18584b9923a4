/** Why a device is present or not, in words. */
import type { Interval, Reason } from "../api/devices";
import { duration } from "../i18n/format";
import type { Text } from "../i18n/useText";
import { metricLabel } from "./metrics";

/** How often, with fractions of a second where they count. */
export function every(seconds: number | null | undefined, text: Text): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  return seconds < 1 ? `${text.number(seconds * 1000, 0)} ms` : duration(Math.round(seconds), text.language);
}

export function intervalText(interval: Interval | null | undefined, text: Text): string {
  if (!interval?.seconds) return "–";
  return text.t("devices.every", { time: every(interval.seconds, text), origin: text.code("interval_origin", interval.origin) });
}

export function presenceReason(reason: Reason | null | undefined, text: Text): string | null {
  if (!reason) return null;
  const key = `presence_reason.${reason.code}`;
  if (!text.has(key)) return null;
  const { params } = reason;
  const at = (name: string) => (typeof params[name] === "string" ? text.moment(params[name] as string) : "–");
  const list = (name: string, say: (word: string) => string) =>
    Array.isArray(params[name]) ? (params[name] as unknown[]).slice(0, 5).map((word) => say(String(word))).join(text.language === "zh" ? "、" : ", ") : "–";
  return text.t(key, {
    last: at("last_at"),
    due: at("due_at"),
    since: at("since"),
    every: every(Number(params.expected_s), text),
    gateway: String(params.gateway ?? "–"),
    problems: list("problems", (word) => text.code("device_problem", word)),
    metrics: list("metrics", (word) => metricLabel(word, text.language)),
  });
}
