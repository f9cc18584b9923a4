/** Triggers of plans as sentences that people read: "every 3 months on the first Monday". */
import type { Text } from "../../i18n/useText";
import type { Trigger } from "./look";

export const FREQUENCIES = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"] as const;
export const WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"] as const;
const KNOWN = new Set(["FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYMONTH", "COUNT", "UNTIL", "SKIP"]);

export type Parts = Record<string, string>;

export const partsOf = (rule: string): Parts => Object.fromEntries(rule.trim().replace(/^RRULE:/i, "").split(";").filter(Boolean).map((piece) => { const [name = "", value = ""] = piece.split("="); return [name.toUpperCase(), value.toUpperCase()]; }));
export const ruleOf = (parts: Parts): string => Object.entries(parts).filter(([, value]) => value !== "").map(([name, value]) => `${name}=${value}`).join(";");

const locale = (text: Text) => (text.language === "zh" ? "zh-CN" : "en-GB");
export const weekdayName = (word: string, text: Text, width: "long" | "short" = "long"): string => new Intl.DateTimeFormat(locale(text), { weekday: width }).format(new Date(2024, 0, 1 + WEEKDAYS.indexOf(word as (typeof WEEKDAYS)[number])));
export const monthName = (month: number, text: Text): string => new Intl.DateTimeFormat(locale(text), { month: "long" }).format(new Date(2024, month - 1, 1));
const listed = (words: string[], text: Text): string => new Intl.ListFormat(locale(text), { type: "conjunction" }).format(words);

function weekday(piece: string, text: Text): string {
  const found = /^([+-]?\d+)?([A-Z]{2})$/.exec(piece);
  if (!found) return piece;
  const name = weekdayName(found[2]!, text);
  return found[1] ? text.t("plan.nth_weekday", { nth: text.code("plan.nth", String(Number(found[1]))), weekday: name }) : name;
}

function days(parts: Parts, text: Text): string {
  const told: string[] = [];
  if (parts.BYMONTH) told.push(text.t("plan.in_months", { months: listed(parts.BYMONTH.split(",").map((one) => monthName(Number(one), text)), text) }));
  if (parts.BYDAY) told.push(text.t("plan.on_weekdays", { days: listed(parts.BYDAY.split(",").map((one) => weekday(one, text)), text) }));
  if (parts.BYMONTHDAY) told.push(parts.BYMONTHDAY === "-1" ? text.t("plan.on_last_day") : text.t("plan.on_monthdays", { days: listed(parts.BYMONTHDAY.split(","), text) }));
  return told.join(text.language === "zh" ? "" : " ");
}

export function ruleSentence(rule: string, text: Text): string {
  const parts = partsOf(rule);
  if (!parts.FREQ || Object.keys(parts).some((name) => !KNOWN.has(name))) return rule;
  const count = Number(parts.INTERVAL || 1);
  const every = count === 1 ? text.code("plan.each", parts.FREQ) : text.code("plan.every", parts.FREQ, { count });
  const told = [every, days(parts, text)];
  if (parts.COUNT) told.push(text.t("plan.so_often", { count: parts.COUNT }));
  if (parts.UNTIL) told.push(text.t("plan.until", { day: text.day(parts.UNTIL.replace(/^(\d{4})(\d\d)(\d\d).*$/, "$1-$2-$3T12:00:00")) }));
  return told.filter(Boolean).join(text.language === "zh" ? "，" : " ").replace("，", text.language === "zh" ? " " : "，");
}

export function triggerSentence(trigger: Trigger, text: Text): string {
  const number = (name: string) => text.number(Number(trigger[name]));
  switch (trigger.kind) {
    case "calendar":
      return ruleSentence(String(trigger.rrule ?? ""), text);
    case "meter":
      return trigger.at !== undefined && trigger.at !== null ? text.t("plan.says.meter_at", { meter: trigger.meter, at: number("at") }) : text.t("plan.says.meter_every", { meter: trigger.meter, every: number("every") });
    case "whichever_first":
      return text.t("plan.says.whichever_first", { parts: ((trigger.of as Trigger[]) ?? []).map((part) => triggerSentence(part, text)).join(text.t("plan.says.or")) });
    case "threshold":
      return text.t(trigger.at_most !== undefined && trigger.at_most !== null ? "plan.says.at_most" : "plan.says.at_least", { name: trigger.meter ?? trigger.metric, value: number(trigger.at_most !== undefined && trigger.at_most !== null ? "at_most" : "at_least") });
    case "finding":
      return text.t(trigger.key ? "plan.says.finding_of" : "plan.says.finding", { severity: text.code("severity", String(trigger.severity ?? "warning")), key: trigger.key });
    case "remaining_life":
      return text.t(trigger.cautious ? "plan.says.life_cautious" : "plan.says.life", { days: number("below_days") });
    case "expression":
      return text.t("plan.says.expression", { text: trigger.text });
    default:
      return trigger.kind;
  }
}
