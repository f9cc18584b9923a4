/** Hours and days as a technician reads them: short, by the phone's clock. */
import type { Text } from "../../i18n/useText";

const LOCALES = { en: "en-GB", zh: "zh-CN" } as const;
const made = new Map<string, Intl.DateTimeFormat>();

function format(text: Text, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${text.language} ${name}`;
  const held = made.get(key) ?? new Intl.DateTimeFormat(LOCALES[text.language], options);
  made.set(key, held);
  return held;
}

/** 08:30 */
export const hour = (at: Date, text: Text): string => format(text, "hour", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at);

/** 08:30–10:00 */
export const hours = (from: Date, until: Date, text: Text): string => `${hour(from, text)}–${hour(until, text)}`;

/** Mon, 23 Nov */
export const weekday = (day: Date, text: Text): string => format(text, "weekday", { weekday: "short", day: "numeric", month: "short" }).format(day);

/** Monday, 23 November */
export const longDay = (day: Date, text: Text): string => format(text, "long", { weekday: "long", day: "numeric", month: "long" }).format(day);
