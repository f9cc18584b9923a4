/** What the warranty's API gives, as the pages use it. */
export type AssetRef = { id: string; name: string; serial: string };
export type Named = { id: string; name: string };
export type Meters = { meter: string; limit: number }[];
export type Start = { fact: string; plus_months?: number; plus_days?: number };
export type Clause = {
  id: string;
  kind: "cover" | "exclusion" | "remedy";
  scope: string[];
  components: string[];
  part_items: string[];
  regions: string[];
  causes: string[];
  causes_excluded: string[];
  begins: Start[];
  at_latest: Start | null;
  months: number | null;
  days: number | null;
  meters: Meters;
  share_percent: number;
  replacement: { rule: string; months: number | null; days: number | null; paid?: boolean } | null;
  remedies: string[];
  extended_by_repair: boolean;
  entitlement: string | null;
  text_en: string | null;
  text_zh: string | null;
};
/** Clauses travel as their own JSON: the rules read them, the pages show them. */
export type Said = { [key: string]: unknown };
export type Terms = { id: string; code: string; version: number; name_en: string; name_zh: string; kind: string; asset_model: { id: string; name_en: string; name_zh: string } | null; regions: string[]; sold_from: string | null; sold_to: string | null; precedence: number; payer: string; clauses: Said[]; created_at: string; withdrawn_at: string | null };
export type Card = { id: string; number: string; asset: AssetRef; customer: Named | null; state: string; starts_on: string | null; purchased_on: string | null; ends_on: string | null; proof: string | null; issued_at: string; version: number; legal: string[] };
export type ClauseSaid = { id: string; text_en: string | null; text_zh: string | null; scope?: string[]; components?: string[]; share_percent?: number; remedies?: string[] };
export type Cover = { source: string; terms_id: string; code: string; version: number; kind: string; clause: ClauseSaid; begins_on: string | null; ends_on: string | null; meters: Meters; state: string; missing: string[] };
export type Facts = Record<string, string | null> & { sources?: Record<string, string>; version?: number };
export type AssetWarranty = { card: Card | null; cover: Cover[]; remedies: Cover[]; replacements: Replacement[]; facts: unknown };
export type Replacement = { id: string; component?: string | null; part_item?: string | null; serial?: string | null; replaced_serial?: string | null; at: string; covered?: boolean | null };
export type Verdict = {
  line_id: string;
  kind: string;
  verdict: string;
  payers: { payer: string; share_percent: number }[];
  decided_by: { source: string; id: string; code: string; version: number; text_en: string; text_zh: string; begins_on: string | null; ends_on: string | null; meters: Meters; share_percent: number } | null;
  computed: string | null;
  reason: string | null;
  reason_params: Record<string, unknown> | null;
  missing: string[];
  remedies: string[];
  considered: { code: string; version: number; clause_id: string; result: string; reason: string | null; missing: string[] }[];
  override: { verdict: string; reason: string; payer: string | null } | null; // approved; what was computed stands beside it
};
export type Coverage = { asset_id: string; fault_at?: string | null; region?: string | null; lines: (Verdict & { description?: string | null; component?: string | null; part_item?: string | null })[]; checked_at?: string | null; current?: boolean };

export const FACTS = ["produced_on", "invoiced_on", "purchased_on", "delivered_on", "installed_on", "commissioned_on", "registered_on"];
