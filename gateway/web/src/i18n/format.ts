/** Numbers with units, moments and durations as each language writes them. */
import type { Language } from "../api/types";

export type Scaled = { factor: number; label: string };

export type Formats = {
  number: (value: number | null | undefined, digits?: number) => string;
  value: (value: number | string | boolean | null | undefined, unit?: string | null) => string;
  percent: (share: number | null | undefined) => string;
  moment: (iso: string | number | Date | null | undefined) => string;
  clock: (iso: string | number | Date | null | undefined) => string;
  day: (iso: string | number | Date | null | undefined) => string;
  ago: (iso: string | null | undefined, now?: number) => string;
  lasted: (from: string | null | undefined, to?: string | null) => string;
};

const LOCALES: Record<Language, string> = { en: "en-GB", zh: "zh-CN" };
const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const UNITS: Record<string, string> = { Cel: "°C", "/min": "rpm", "[g]": "g", "m3/s": "m³/s", "m3/h": "m³/h", "1": "" };
const PREFIXES: Record<string, [number, string][]> = {
  Pa: [
    [1e6, "MPa"],
    [1e3, "kPa"],
  ],
  B: [
    [2 ** 40, "TiB"],
    [2 ** 30, "GiB"],
    [2 ** 20, "MiB"],
    [2 ** 10, "KiB"],
  ],
  "B/s": [
    [2 ** 20, "MiB/s"],
    [2 ** 10, "KiB/s"],
  ],
};

/** The factor and unit in which a size is easiest to read. */
export function scaled(unit: string | null | undefined, size: number): Scaled {
  const label = unitLabel(unit);
  for (const [factor, name] of PREFIXES[label] ?? []) if (Math.abs(size) >= factor) return { factor, label: name };
  return { factor: 1, label };
}

export function unitLabel(unit: string | null | undefined): string {
  if (!unit) return "";
  if (unit === "By") return "B";
  if (unit === "By/s") return "B/s";
  return UNITS[unit] ?? unit;
}

function digitsFor(size: number): number {
  const magnitude = Math.abs(size);
  return magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 0.1 || magnitude === 0 ? 2 : 4;
}

const cache = new Map<Language, Formats>();

export function formats(language: Language): Formats {
  const held = cache.get(language);
  if (held) return held;
  const made = make(language);
  cache.set(language, made);
  return made;
}

function make(language: Language): Formats {
  const locale = LOCALES[language];
  const moment = new Intl.DateTimeFormat(locale, {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(locale, { year: "numeric", month: "short", day: "numeric" });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });
  const number = (value: number | null | undefined, digits?: number): string => {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const most = digits ?? digitsFor(value);
    return new Intl.NumberFormat(locale, { maximumFractionDigits: most }).format(value);
  };
  const dated = (format: Intl.DateTimeFormat) => (at: string | number | Date | null | undefined) => {
    if (at === null || at === undefined || at === "") return "–";
    const when = new Date(at);
    return Number.isNaN(when.getTime()) ? "–" : format.format(when);
  };
  return {
    number,
    value: (value, unit) => {
      if (value === null || value === undefined) return "–";
      if (typeof value !== "number") return String(value);
      const { factor, label } = scaled(unit, value);
      const text = number(value / factor);
      return label === "" ? text : label === "%" ? `${text}%` : `${text} ${label}`;
    },
    percent: (share) => (share === null || share === undefined ? "–" : percent.format(share)),
    moment: dated(moment),
    clock: dated(clock),
    day: dated(day),
    ago: (iso, now = Date.now()) => {
      if (!iso) return "–";
      // A clock that is a little off must not put what was measured into the future.
      const seconds = Math.min(0, (new Date(iso).getTime() - now) / 1000);
      if (Math.abs(seconds) < 1) return relative.format(0, "second");
      for (const [unit, size] of STEPS)
        if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
      return relative.format(0, "second");
    },
    lasted: (from, to) => {
      if (!from) return "–";
      const seconds = Math.max(0, ((to ? new Date(to).getTime() : Date.now()) - new Date(from).getTime()) / 1000);
      return duration(seconds, language);
    },
  };
}

const SHORT: Record<Language, string[]> = { en: [" d", " h", " min", " s"], zh: ["天", "小时", "分钟", "秒"] };

/** The two largest units of a duration, for instance '2 h 5 min'; seconds only below ten minutes. */
export function duration(seconds: number, language: Language): string {
  const amounts = [
    Math.floor(seconds / 86_400),
    Math.floor((seconds % 86_400) / 3_600),
    Math.floor((seconds % 3_600) / 60),
    seconds < 600 ? Math.floor(seconds % 60) : 0,
  ];
  const first = amounts.findIndex((amount) => amount > 0);
  if (first < 0) return `0${SHORT[language][3]}`;
  const parts = amounts.flatMap((amount, index) =>
    amount > 0 && index <= first + 1 ? [`${amount}${SHORT[language][index]}`] : [],
  );
  return parts.join(language === "zh" ? "" : " ");
}
