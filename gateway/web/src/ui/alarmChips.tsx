/** The states of an alarm as ISA-18.2 names them. */
import { BellOff, BellRing, CheckCheck, Clock3, CornerDownLeft, PowerOff, type LucideIcon } from "lucide-react";

import type { AlarmState } from "../api/alarms";
import { useText } from "../i18n/useText";
import { Chip } from "./chips";
import type { Tone } from "./theme";

const LOOK: Record<AlarmState, { tone: Tone; icon: LucideIcon }> = {
  normal: { tone: "ok", icon: CheckCheck },
  unacknowledged: { tone: "trouble", icon: BellRing },
  acknowledged: { tone: "learning", icon: CheckCheck },
  returned_unacknowledged: { tone: "watch", icon: CornerDownLeft },
  shelved: { tone: "quiet", icon: Clock3 },
  suppressed_by_design: { tone: "quiet", icon: BellOff },
  out_of_service: { tone: "quiet", icon: PowerOff },
};

export function AlarmChip(props: { state: AlarmState; small?: boolean }) {
  const { code, t } = useText();
  return <Chip {...(LOOK[props.state] ?? LOOK.normal)} small={props.small} title={t(`alarm_state_hint.${props.state}`)}>{code("alarm_state", props.state)}</Chip>;
}
