/** Service levels' clocks as chips: what is due next, what is late, what is paused. */
import { AlarmClock, AlarmClockOff, CheckCircle2, CirclePause, OctagonAlert, TriangleAlert, XCircle, type LucideIcon } from "lucide-react";

import type { Schema } from "../../api/rows";
import { duration } from "../../i18n/format";
import { useText, type Text } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import type { Tone } from "../../ui/theme";

export type ClockItem = Schema["ClockItem"];

const LOOK: Record<string, { tone: Tone; icon: LucideIcon }> = {
  running: { tone: "learning", icon: AlarmClock },
  at_risk: { tone: "watch", icon: TriangleAlert },
  breached: { tone: "trouble", icon: OctagonAlert },
  paused: { tone: "quiet", icon: CirclePause },
  met: { tone: "ok", icon: CheckCircle2 },
  missed: { tone: "trouble", icon: XCircle },
  cancelled: { tone: "quiet", icon: AlarmClockOff },
};
const URGENCY = ["breached", "at_risk", "running", "paused", "missed", "met", "cancelled"];

/** Time left or late, as working time. */
export function leftText(clock: Pick<ClockItem, "state" | "left_s">, text: Text): string {
  if (clock.state === "breached") return text.t("sla.late_by", { time: duration(-clock.left_s, text.language) });
  if (clock.state === "running" || clock.state === "at_risk" || clock.state === "paused") return text.t("sla.left", { time: duration(Math.max(0, clock.left_s), text.language) });
  return text.code("sla_state", clock.state);
}

export function ClockChip(props: { clock: ClockItem; small?: boolean; named?: boolean }) {
  const text = useText();
  const { clock } = props;
  const due = clock.due_at ? text.t("sla.due_at", { at: text.moment(clock.due_at) }) : text.t("sla.never_due");
  return (
    <Chip {...(LOOK[clock.state] ?? LOOK.running!)} small={props.small ?? true} title={`${text.code("sla_clock", clock.clock)}: ${text.code("sla_state", clock.state)}, ${due}`}>
      {props.named === false ? "" : `${text.code("sla_clock", clock.clock)} · `}{leftText(clock, text)}
    </Chip>
  );
}

export function StateChip(props: { state: string }) {
  const { code } = useText();
  return <Chip {...(LOOK[props.state] ?? LOOK.running!)} small>{code("sla_state", props.state)}</Chip>;
}

/** In a list: the most pressing clock, and how many others are late. */
export function SlaChips(props: { clocks?: ClockItem[]; all?: boolean }) {
  const clocks = [...(props.clocks ?? [])].sort((one, other) => URGENCY.indexOf(one.state) - URGENCY.indexOf(other.state) || one.left_s - other.left_s);
  const shown = props.all ? clocks : clocks.slice(0, 1).concat(clocks.slice(1).filter((one) => one.state === "breached"));
  if (shown.length === 0) return <span className="faint">–</span>;
  return <span className="row wrap" style={{ gap: 4 }}>{shown.map((clock) => <ClockChip key={clock.clock} clock={clock} />)}</span>;
}
