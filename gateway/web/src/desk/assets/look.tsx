/** How lifecycle and operation look, and where machines, sites, customers and models are chosen from. */
import { Archive, CheckCircle2, CircleDashed, ClipboardCheck, Package, PackageX, PowerOff, TriangleAlert, Wrench, CircleHelp, type LucideIcon } from "lucide-react";

import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import type { Source } from "../../ui/Pick";
import type { Tone } from "../../ui/theme";

export const LIFECYCLE = ["planned", "in_stock", "installed", "commissioned", "in_service", "retired", "scrapped"];
export const OPERATION = ["up", "degraded", "down", "unknown"];

const LIFE: Record<string, { tone: Tone; icon: LucideIcon }> = {
  planned: { tone: "quiet", icon: CircleDashed },
  in_stock: { tone: "quiet", icon: Package },
  installed: { tone: "learning", icon: Wrench },
  commissioned: { tone: "learning", icon: ClipboardCheck },
  in_service: { tone: "ok", icon: CheckCircle2 },
  retired: { tone: "watch", icon: Archive },
  scrapped: { tone: "quiet", icon: PackageX },
};
const RUNS: Record<string, { tone: Tone; icon: LucideIcon }> = {
  up: { tone: "ok", icon: CheckCircle2 },
  degraded: { tone: "watch", icon: TriangleAlert },
  down: { tone: "trouble", icon: PowerOff },
  unknown: { tone: "quiet", icon: CircleHelp },
};

export function LifecycleChip(props: { state: string }) {
  const { code } = useText();
  return <Chip {...(LIFE[props.state] ?? LIFE.planned!)} small>{code("lifecycle", props.state)}</Chip>;
}

export function OperationChip(props: { state: string }) {
  const { code } = useText();
  return <Chip {...(RUNS[props.state] ?? RUNS.unknown!)} small>{code("operation", props.state)}</Chip>;
}

export const ASSETS: Source = { path: "/assets", label: (row) => `${row.name} · ${row.serial}` };
export const SITES: Source = { path: "/sites", label: (row) => row.name };
export const CUSTOMERS: Source = { path: "/customers", label: (row) => [row.number, row.name].filter(Boolean).join(" · ") };
export const MODELS: Source = { path: "/asset-models", label: (row, language) => (language === "zh" && row.name_zh) || row.name_en || row.name };
export const PEOPLE: Source = { path: "/people", local: true, label: (row) => row.name };
export const ORGANISATIONS: Source = { path: "/organisations", local: true, label: (row) => row.name };
