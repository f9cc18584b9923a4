/** A plan while somebody writes it, and what of it is sent. */
import type { Chosen } from "../../ui/Pick";
import type { Machine, Plan, Trigger } from "./look";

export type DraftPackage = { code: string; name: Record<string, string>; hierarchy: number; trigger: Trigger; procedure_id: string | null; duration_minutes: number | null };
export type Draft = {
  code: string;
  name: Record<string, string>;
  whom: "model" | "assets" | "round";
  asset_model_id: string | null;
  round_id: string | null;
  assets: Chosen[];
  effectivity: Record<string, unknown>;
  service_type_id: string | null;
  procedure_id: string | null;
  team_id: string | null;
  skills: { skill: string; level: number }[];
  priority: string;
  duration_minutes: number | null;
  lead_days: number;
  horizon_days: number;
  tolerance_before: Record<string, number>;
  tolerance_after: Record<string, number>;
  scheduling: string;
  shift: Record<string, unknown>;
  calendar_id: string | null;
  when_closed: string;
  seasons: string[];
  blackouts: string[][];
  near_days: number;
  when_missed: string;
  starts: string;
  starts_on: string | null;
  at_minute: number;
  note: string | null;
  packages: DraftPackage[];
};

export const FRESH_PLAN: Draft = {
  code: "", name: {}, whom: "model", asset_model_id: null, round_id: null, assets: [], effectivity: {}, service_type_id: null, procedure_id: null, team_id: null,
  skills: [], priority: "normal", duration_minutes: 60, lead_days: 14, horizon_days: 365, tolerance_before: { days: 3 }, tolerance_after: { days: 7 }, scheduling: "fixed", shift: {},
  calendar_id: null, when_closed: "keep", seasons: [], blackouts: [], near_days: 0, when_missed: "close", starts: "commissioned", starts_on: null, at_minute: 480, note: null,
  packages: [{ code: "A", name: {}, hierarchy: 1, trigger: { kind: "calendar", rrule: "FREQ=MONTHLY;INTERVAL=3" }, procedure_id: null, duration_minutes: null }],
};

export function draftOf(plan: Plan, held: Machine[]): Draft {
  const labels = new Map(held.map((one) => [one.asset_id, `${one.asset_name} · ${one.serial}`]));
  const known = Object.fromEntries(Object.keys(FRESH_PLAN).filter((name) => name in plan).map((name) => [name, plan[name as keyof Plan]]));
  return {
    ...FRESH_PLAN,
    ...(structuredClone(known) as Partial<Draft>),
    whom: plan.round_id ? "round" : plan.asset_model_id ? "model" : "assets",
    assets: (plan.asset_ids ?? []).map((id) => ({ id, label: labels.get(id) ?? id })),
  };
}

export function bodyOf(draft: Draft): Record<string, unknown> {
  const { whom, assets, ...rest } = draft;
  const clean = (told: Record<string, unknown>) => Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined && value !== ""));
  return {
    ...rest,
    name: clean(draft.name),
    effectivity: clean(draft.effectivity),
    asset_model_id: whom === "model" ? draft.asset_model_id : null,
    round_id: whom === "round" ? draft.round_id : null,
    asset_ids: whom === "assets" ? assets.map((one) => one.id) : [],
    shift: draft.scheduling === "fixed" ? draft.shift : {},
    starts_on: draft.starts === "on" ? draft.starts_on : null,
    packages: draft.packages.map((each) => ({ ...each, trigger: clean(each.trigger) })),
  };
}
