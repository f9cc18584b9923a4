/** What the API gives, as the pages use it. */

import type { Channel, Clock, Interval, Ledger, Reason } from "./devices";
import type { components } from "./schema";

export type Language = "en" | "zh";
export type AssetState = "trouble" | "watch" | "learning" | "ok" | "no_data";
export type Severity = "critical" | "warning" | "info";
export type Page<T> = { items: T[]; next: string | null };

export type Me = {
  person: { id: string; name: string; language: string; email: string | null };
  organisation: { id: string; name: string };
  roles: string[];
  actions: string[];
  demo: boolean;
  has_password: boolean;
  server: { version: string; store_edition: string };
};

export type WorkRef = { id: string; number: string; state?: string };

export type AssetCard = {
  id: string;
  serial: string;
  name: string;
  model: { code: string; name_en: string; name_zh: string } | null;
  site: { name: string } | null;
  customer: { name: string } | null;
  demo: boolean;
  replayed: boolean;
  state: AssetState;
  presence: string;
  operation: string;
  worst: { kind: string; severity: Severity; signature: string; since: string } | null;
  open_work_order: WorkRef | null;
  last_reading_at: string | null;
  spark: (number | null)[];
  headline: { metric: string; value: number | string | boolean | null; unit: string | null; unit_label?: string | null } | null;
};

export type Overview = {
  counted_at: string | null;
  counts: {
    assets: number;
    in_trouble: number;
    watching: number;
    learning: number;
    offline: number;
    open_work_orders: number;
    opened_by_models: number;
  };
  assets: AssetCard[];
};

export type MetricInfo = {
  metric: string;
  unit: string | null;
  unit_label: string | null;
  label_en: string | null;
  label_zh: string | null;
  role: string | null;
  low_low: number | null;
  low: number | null;
  high: number | null;
  high_high: number | null;
  latest: { t: string; value: number | string | boolean | null; quality: string | null } | null;
};

export type AssetDetail = AssetCard & {
  lifecycle: string;
  installed_at: string | null;
  code: string;
  customer_url: string;
  metrics: MetricInfo[];
  devices: { serial: string; presence: string; last_seen_at: string | null }[];
  learning: { state: string; progress: number; missing: string[]; waiting: string[] } | null;
  repair_codes: RepairCode[];
};

export type TimelineItem = {
  id: string | number;
  at: string;
  kind: string;
  actor: { kind: string; name: string | null } | null;
  payload: Record<string, unknown>;
  work_order: WorkRef | null;
};

export type Readings = {
  metric: string;
  unit: string | null;
  unit_label: string | null;
  from: string;
  to: string;
  bucket_s: number;
  points: { t: string; min: number | null; max: number | null; mean: number | null; count: number }[];
};

export type Expected = {
  metric: string;
  model_id: string | null;
  points: { t: string; expected: number | null; low: number | null; high: number | null }[];
};

export type Contribution = {
  metric: string;
  unit_label?: string | null;
  label_en?: string | null;
  label_zh?: string | null;
  expected: number | null;
  seen: number | null;
  deviation: number | null;
  share: number;
  note: string | null;
};

export type Finding = {
  id: string;
  asset: { id: string; name: string; serial: string };
  detector: string;
  layer: string;
  signature: string;
  kind: string;
  first_at: string;
  last_at: string;
  cleared_at: string | null;
  score: number;
  peak: number;
  confidence: number;
  limit_open: number;
  contributions: Contribution[];
  regime: string;
  model_id: string;
  severity: Severity;
  learning: boolean;
  replayed: boolean;
  decision?: Decision | null;
};

/** What was decided about a finding, and why. */
export type Decision = { action: string; reason: string; params: Record<string, unknown> };

export type Episode = {
  id: string;
  kind: string;
  severity: Severity;
  opened_at: string;
  last_seen_at: string | null;
  cleared_at: string | null;
  closed_at: string | null;
  state: string;
  count: number;
  recurrence_no: number;
  outcome: string | null;
  work_order: WorkRef | null;
};

export type PredictedJob = {
  id: string;
  asset: { id: string; name: string; serial: string };
  state: "watching" | "opened" | "dismissed" | "done";
  reason: { code: string; params: Record<string, unknown> };
  severity: Severity;
  score: number;
  confidence: number;
  first_at: string;
  last_at: string;
  finding: Finding | null;
  episode_id: string | null;
  work_order: WorkRef | null;
  dismiss_reason: string | null;
  replayed: boolean;
  demo?: boolean;
};

export type Noticed = {
  finding_id: string | null;
  signature: string;
  since: string | null;
  severity: Severity;
  regime: string | null;
  model_id: string | null;
  contributions: Contribution[];
  checks: { en: string; zh: string }[];
  score: number | null;
  confidence: number | null;
  evidence_count?: number;
  recurrence_of?: string | null;
  explanation?: { lines: Line[]; snapshot_ref: string | null } | null;
  similar?: PastOrder[] | null;
  failure_modes?: { key: string; code: string | null; name_en: string | null; name_zh: string | null }[] | null;
};

/** A sentence that the server renders in both languages. */
export type Line = { code: string; params: Record<string, unknown>; en: string; zh: string };

/** What was found when something alike was noticed before. */
export type PastOrder = {
  work_order_id: string;
  number: string;
  asset_id: string;
  asset_name: string;
  same_asset: boolean;
  opened_at: string;
  outcome: string | null;
  repair_code: string | null;
  note: string | null;
  similarity: number;
};

export type Visit = {
  id: string;
  state: string;
  technician?: { id: string; name: string } | null;
  scheduled_at: string | null;
  travelling_at?: string | null;
  started_at: string | null;
  finished_at: string | null;
};

export type WorkOrder = {
  sla?: components["schemas"]["ClockItem"][];
  id: string;
  number: string;
  origin: string;
  state: string;
  priority: "urgent" | "high" | "normal" | "low";
  kind: "machine" | "sensor" | "connection" | "general";
  asset: { id: string; name: string; serial: string; site_name: string | null; code?: string | null };
  title: { code: string; params: Record<string, unknown> } | null;
  title_text: string | null;
  opened_at: string;
  since: string | null;
  work_done_at: string | null;
  closed_at: string | null;
  assignee: { id: string; name: string } | null;
  outcome: string | null;
  outcome_note: string | null;
  repair_code: string | null;
  replayed: boolean;
  demo: boolean;
  noticed: Noticed | null;
  request: { id: string; number: string; text: string } | null;
  visits: Visit[];
  legal_moves: string[];
  events?: TimelineItem[];
};

export type RepairCode = { code: string; en?: string; zh?: string };

export type CustomerRequest = {
  id: string;
  number: string;
  asset: { id: string; name: string; serial: string } | null;
  case: { id: string; number: string; state: string } | null;
  channel: string;
  text: string;
  contact_name: string | null;
  state: "new" | "accepted" | "rejected" | "done";
  created_at: string;
  work_order: WorkRef | null;
  demo?: boolean;
};

export type Device = {
  id: string;
  serial: string;
  model: string | null;
  presence: string;
  presence_since: string | null;
  last_seen_at: string | null;
  claimed_at: string | null;
  assets: { id: string; name: string }[];
  spool: Record<string, unknown> | null;
  problems?: { [key: string]: unknown }[];
  demo: boolean;
  quarantined: number;
  gaps: number;
  presence_reason?: Reason | null;
};

export type BootRow = {
  boot: string;
  first_seen_at?: string | null;
  last_seen_at?: string | null;
  expected: number;
  stored: number;
  late: number;
  dropped: number;
  quarantined: number;
  missing: number;
  conflicting?: number;
};

export type QuarantineRow = {
  id: string;
  device: string | { id: string; serial: string } | null;
  topic: string;
  received_at: string;
  reason: string;
  detail: string | null;
  excerpt: string | null;
};

export type DeviceDetail = Device & {
  describe: Record<string, unknown> | null;
  boots: BootRow[];
  quarantine: QuarantineRow[];
  agent_version?: string | null;
  hostname?: string | null;
  expected_interval?: Interval | null;
  clock?: Clock | null;
  ledger?: Ledger | null;
  channels?: Channel[];
};

export type NewDevice = {
  device: Device;
  claim_code: string;
  claim_expires_at: string;
  command: string;
  install: string;
};

export type FirstReading = { arrived: boolean; at: string | null; metrics: string[]; asset_id: string | null };
export type Technician = { person_id: string; name: string; open_work_orders: number };
export type Person = { id: string; name: string; email: string | null; roles: string[]; organisation_id: string; disabled_at: string | null; demo: boolean; version: number };
export type PersonDetail = Omit<Person, "organisation_id"> & { phone: string | null; language: string; organisation: { id: string; name: string } | null };
export type SignInLink = { url: string };
