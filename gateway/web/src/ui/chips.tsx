/** States, severities, priorities and origins: always an icon, a word and a colour together. */
import {
  Activity, Ban, BrainCircuit, CheckCircle2, CircleDashed, CirclePause, Clock3, Eye, FileCheck2, FlaskConical,
  History, MessageSquareText, OctagonAlert, PlugZap, TriangleAlert, UserRound, Wifi, WifiOff, Wrench, type LucideIcon,
} from "lucide-react";
import type { ReactNode } from "react";

import type { AssetState, Severity, WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { TONES, type Tone } from "./theme";

export function Chip(props: { tone: Tone; icon?: LucideIcon; children: ReactNode; small?: boolean; plain?: boolean; title?: string }) {
  const tone = TONES[props.tone];
  const Icon = props.icon;
  return (
    <span
      className={props.small ? "chip small" : "chip"}
      title={props.title}
      style={{ color: tone.ink, background: props.plain ? "transparent" : tone.fill, borderColor: props.plain ? "transparent" : tone.line, paddingInline: props.plain ? 0 : undefined }}
    >
      {Icon && <Icon size={props.small ? 12 : 14} strokeWidth={2.2} aria-hidden />}
      <span className="clamp1">{props.children}</span>
    </span>
  );
}

export const STATE_LOOK: Record<AssetState, { tone: Tone; icon: LucideIcon }> = {
  trouble: { tone: "trouble", icon: OctagonAlert },
  watch: { tone: "watch", icon: Eye },
  learning: { tone: "learning", icon: BrainCircuit },
  ok: { tone: "ok", icon: CheckCircle2 },
  no_data: { tone: "quiet", icon: WifiOff },
};

export function StateChip(props: { state: AssetState; small?: boolean; plain?: boolean }) {
  const { code } = useText();
  const look = STATE_LOOK[props.state] ?? STATE_LOOK.no_data;
  return <Chip {...look} small={props.small} plain={props.plain}>{code("asset_state", props.state)}</Chip>;
}

const SEVERITY: Record<string, { tone: Tone; icon: LucideIcon }> = {
  critical: { tone: "trouble", icon: OctagonAlert },
  warning: { tone: "watch", icon: TriangleAlert },
  info: { tone: "quiet", icon: Activity },
};

export function SeverityChip(props: { severity: Severity; small?: boolean }) {
  const { code } = useText();
  return <Chip {...(SEVERITY[props.severity] ?? SEVERITY.info!)} small={props.small}>{code("severity", props.severity)}</Chip>;
}

const WORK: Record<string, { tone: Tone; icon: LucideIcon }> = {
  unscheduled: { tone: "watch", icon: CircleDashed },
  scheduled: { tone: "learning", icon: Clock3 },
  in_progress: { tone: "learning", icon: Wrench },
  on_hold: { tone: "watch", icon: CirclePause },
  completed: { tone: "ok", icon: CheckCircle2 },
  documented: { tone: "ok", icon: FileCheck2 },
  closed: { tone: "quiet", icon: CheckCircle2 },
  cannot_complete: { tone: "trouble", icon: Ban },
  cancelled: { tone: "quiet", icon: Ban },
};

export function WorkChip(props: { state: string; small?: boolean }) {
  const { code } = useText();
  return <Chip {...(WORK[props.state] ?? WORK.unscheduled!)} small={props.small}>{code("state", props.state)}</Chip>;
}

const PRIORITY: Record<string, Tone> = { urgent: "trouble", high: "watch", normal: "quiet", low: "quiet" };

export function PriorityChip(props: { priority: string; small?: boolean }) {
  const { code } = useText();
  const icon = props.priority === "urgent" ? OctagonAlert : props.priority === "high" ? TriangleAlert : undefined;
  return <Chip tone={PRIORITY[props.priority] ?? "quiet"} icon={icon} small={props.small}>{code("priority", props.priority)}</Chip>;
}

const ORIGIN: Record<string, { tone: Tone; icon: LucideIcon }> = {
  finding: { tone: "model", icon: BrainCircuit },
  request: { tone: "quiet", icon: MessageSquareText },
  plan: { tone: "quiet", icon: Clock3 },
  inspection: { tone: "quiet", icon: Eye },
  manual: { tone: "quiet", icon: UserRound },
};

export function OriginChip(props: { origin: string; small?: boolean }) {
  const { code } = useText();
  return <Chip {...(ORIGIN[props.origin] ?? ORIGIN.manual!)} small={props.small}>{code("origin", props.origin)}</Chip>;
}

const PRESENCE: Record<string, { tone: Tone; icon: LucideIcon }> = {
  online: { tone: "ok", icon: Wifi },
  degraded: { tone: "watch", icon: Wifi },
  stale: { tone: "watch", icon: Clock3 },
  offline: { tone: "trouble", icon: WifiOff },
  sleeping: { tone: "quiet", icon: CirclePause },
  unknown: { tone: "quiet", icon: PlugZap },
};

export function PresenceChip(props: { presence: string; small?: boolean }) {
  const { code } = useText();
  return <Chip {...(PRESENCE[props.presence] ?? PRESENCE.unknown!)} small={props.small}>{code("presence", props.presence)}</Chip>;
}

/** Demo and replayed rows are marked as such everywhere. */
export function Marks(props: { demo?: boolean; replayed?: boolean }) {
  const { t } = useText();
  return (
    <>
      {props.demo && <span className="tag" title={t("mark.demo_hint")}><FlaskConical size={11} aria-hidden />{t("mark.demo")}</span>}
      {props.replayed && <span className="tag" title={t("mark.replayed_hint")}><History size={11} aria-hidden />{t("mark.replayed")}</span>}
    </>
  );
}

export const isOpen = (order: Pick<WorkOrder, "state">): boolean =>
  !["completed", "documented", "closed", "cancelled", "cannot_complete"].includes(order.state);
