/** A rule as a form shows it, flat; and back into what the server takes. */
import type { Schema } from "../../api/rows";
import type { Text } from "../../i18n/useText";
import type { Values } from "../../ui/Form";

export type Rule = Schema["NotificationRuleItem"];
type Recipient = { to: string; id?: string; role?: string };
type Reminder = { on: string; minutes: number; clock?: string; time_zone?: string; calendar_id?: string };
export const CONDITIONS = ["priorities", "severities", "service_types", "teams", "customers", "asset_models", "regions"] as const;
const DAY = 1440;
const HOUR = 60;
export const zoneHere = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export const ruleName = (rule: { code?: string | null; name: string }, text: Text): string => (rule.code && text.has(`notify.code.${rule.code}`) ? text.t(`notify.code.${rule.code}`) : rule.name);

export const recipientWord = (each: Recipient): string => (each.id ? `${each.to}:${each.id}` : each.role ? `role:${each.role}` : each.to);

function recipientOf(word: string): Recipient {
  const [to = "", rest] = word.split(":");
  return rest === undefined ? { to } : to === "role" ? { to, role: rest } : { to, id: rest };
}

export function formOf(rule: Rule | null): Values {
  if (!rule) return { about: "event", enabled: true, ways: ["page"], recipients: [], kinds: [], time_zone: zoneHere(), amount: 1, unit: "days", side: "before", clock: "08:00" };
  const reminder = rule.reminder as Reminder | null;
  const minutes = Math.abs(reminder?.minutes ?? 0);
  const unit = minutes % DAY === 0 ? "days" : minutes % HOUR === 0 ? "hours" : "minutes";
  const quiet = rule.quiet as { from: string; until: string; time_zone: string } | null;
  const digest = rule.digest as { every: string; time_zone?: string } | null;
  const said = rule.templates as Record<string, { subject?: string; body?: string }>;
  return {
    ...rule.conditions,
    name: rule.name, enabled: rule.enabled, critical: rule.critical, delay_s: rule.delay_s, again_s: rule.again_s,
    about: reminder ? "date" : "event", kinds: rule.kinds, on: reminder?.on ?? null, clock: reminder?.clock ?? null,
    amount: unit === "days" ? minutes / DAY : unit === "hours" ? minutes / HOUR : minutes, unit, side: (reminder?.minutes ?? -1) < 0 ? "before" : "after", calendar_id: reminder?.calendar_id ?? null,
    recipients: (rule.recipients as Recipient[]).map(recipientWord), ways: rule.ways,
    subject_en: said.en?.subject, body_en: said.en?.body, subject_zh: said.zh?.subject, body_zh: said.zh?.body,
    quiet_from: quiet?.from, quiet_until: quiet?.until, digest: digest?.every ?? null,
    time_zone: quiet?.time_zone ?? digest?.time_zone ?? reminder?.time_zone ?? zoneHere(),
  };
}

export function bodyOfRule(values: Values): unknown {
  const zone = (values.time_zone as string) || zoneHere();
  const factor = values.unit === "days" ? DAY : values.unit === "hours" ? HOUR : 1;
  const minutes = Number(values.amount ?? 0) * factor * (values.side === "before" ? -1 : 1);
  const dated = values.about === "date";
  return {
    name: values.name, enabled: values.enabled ?? true, critical: values.critical ?? false,
    delay_s: Number(values.delay_s ?? 0), again_s: Number(values.again_s ?? 0),
    kinds: dated ? [] : (values.kinds ?? []),
    reminder: dated ? { on: values.on, minutes, clock: values.clock || null, time_zone: zone, calendar_id: values.calendar_id || null } : null,
    conditions: Object.fromEntries(CONDITIONS.map((name) => [name, values[name] ?? []])),
    recipients: ((values.recipients as string[]) ?? []).map(recipientOf),
    ways: values.ways ?? [],
    templates: { en: { subject: values.subject_en || null, body: values.body_en || null }, zh: { subject: values.subject_zh || null, body: values.body_zh || null } },
    quiet: values.quiet_from && values.quiet_until ? { from: values.quiet_from, until: values.quiet_until, time_zone: zone } : null,
    digest: values.digest ? { every: values.digest, at: "08:00", time_zone: zone } : null,
  };
}
