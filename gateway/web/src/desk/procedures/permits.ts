/** The rules of permits, as the server has them (ticketing/procedures/permits.py): where one stands, what is missing. */
import type { Named } from "../work/look";

export type Point = { code: string; name_en: string; name_zh: string; energy: string };
export type Permit = { code: string; kind: string; name_en: string; name_zh: string; lock_out: boolean; valid_hours: number | null; steps: string[]; points: Point[] };
export type PermitAction = "sign_on" | "lock" | "confirm" | "unlock" | "sign_off";
export type PermitEntry = { id: string; permit: string; action: string; point: string | null; lock_number: string | null; person: Named | null; of_person: Named | null; note: string | null; at: string };
export type Lock = { person: Named | null; at: string; number: string | null };
export type Standing = { on: { person: Named | null; at: string }[]; locks: Record<string, Lock[]>; confirmed: { at: string; person: Named | null } | null };

const same = (one: Named | null, other: Named | null): boolean => (one?.id ?? null) === (other?.id ?? null);

export function replay(permit: Permit, entries: PermitEntry[]): Standing {
  const stands: Standing = { on: [], locks: {}, confirmed: null };
  for (const one of [...entries].sort((a, b) => Date.parse(a.at) - Date.parse(b.at))) {
    if (one.permit !== permit.code) continue;
    const held = one.point ? (stands.locks[one.point] ?? []) : [];
    if (one.action === "sign_on") stands.on = [...stands.on.filter((each) => !same(each.person, one.person)), { person: one.person, at: one.at }];
    else if (one.action === "lock" && one.point) stands.locks[one.point] = [...held.filter((each) => !same(each.person, one.person)), { person: one.person, at: one.at, number: one.lock_number }];
    else if (one.action === "confirm") stands.confirmed = { at: one.at, person: one.person };
    else if (one.action === "unlock" && one.point) {
      const left = held.filter((each) => !same(each.person, one.of_person ?? one.person));
      stands.locks[one.point] = left;
      if (left.length === 0) stands.confirmed = null; // the point may be switched on again
    } else if (one.action === "sign_off") stands.on = stands.on.filter((each) => !same(each.person, one.person));
    if (!isOn(stands)) stands.confirmed = null;
  }
  return stands;
}

export const isOn = (stands: Standing): boolean => stands.on.length > 0 || Object.values(stands.locks).some((held) => held.length > 0);
export const unlocked = (permit: Permit, stands: Standing): string[] => permit.points.filter((point) => !stands.locks[point.code]?.length).map((point) => point.code);
export const neededBy = (permits: Permit[], step: string): Permit[] => permits.filter((permit) => permit.steps.length === 0 || permit.steps.includes(step));

/** What is missing before work may begin; `person`: who has to be signed on themselves. */
export function lacking(permit: Permit, stands: Standing, now: number, person: string | null): string[] {
  const signed = stands.on.filter((one) => person === null || one.person?.id === person);
  const fresh = signed.some((one) => permit.valid_hours === null || Date.parse(one.at) + permit.valid_hours * 3_600_000 >= now);
  const missing = fresh ? [] : [signed.length ? "expired" : "sign_on"];
  if (permit.lock_out && unlocked(permit, stands).length > 0) missing.push("lock");
  if (permit.lock_out && !stands.confirmed) missing.push("confirm");
  return missing;
}
