/** How verdicts, covers and cards look, and a clause in words. */
import { CheckCircle2, CircleDashed, CircleHelp, CircleSlash, Clock3, XCircle, type LucideIcon } from "lucide-react";

import { useText, type Text } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import type { Tone } from "../../ui/theme";
import type { Clause, ClauseSaid, Meters, Said } from "./types";

const VERDICT: Record<string, { tone: Tone; icon: LucideIcon }> = { in: { tone: "ok", icon: CheckCircle2 }, out: { tone: "trouble", icon: CircleSlash }, needs_check: { tone: "watch", icon: CircleHelp } };
const STATE: Record<string, { tone: Tone; icon: LucideIcon }> = {
  running: { tone: "ok", icon: CheckCircle2 },
  ending: { tone: "watch", icon: Clock3 },
  ended: { tone: "quiet", icon: XCircle },
  not_begun: { tone: "learning", icon: CircleDashed },
  needs_check: { tone: "watch", icon: CircleHelp },
  issued: { tone: "learning", icon: CircleDashed },
  confirmed: { tone: "ok", icon: CheckCircle2 },
  revoked: { tone: "quiet", icon: XCircle },
};

export function VerdictChip(props: { verdict: string; small?: boolean }) {
  const { code } = useText();
  return <Chip {...(VERDICT[props.verdict] ?? VERDICT.needs_check!)} small={props.small}>{code("verdict", props.verdict)}</Chip>;
}

export function CoverChip(props: { state: string }) {
  const { code } = useText();
  return <Chip {...(STATE[props.state] ?? STATE.needs_check!)} small>{code("cover_state", props.state)}</Chip>;
}

export const clauseText = (clause: ClauseSaid, text: Text): string => (text.language === "zh" ? clause.text_zh || clause.text_en : clause.text_en || clause.text_zh) ?? "";
export const metersText = (meters: Meters, text: Text): string => meters.map((one) => text.t("warranty.up_to", { meter: text.code("meter", one.meter), limit: text.number(one.limit) })).join(", ");
export const scopeText = (clause: ClauseSaid, text: Text): string => [...(clause.scope ?? []).map((word) => text.code("cover_scope", word)), ...(clause.components ?? []).map((word) => text.code("component", word))].join(text.language === "zh" ? "、" : ", ");
export const termsName = (one: { name_en: string; name_zh: string } | null | undefined, text: Text): string => (one ? (text.language === "zh" ? one.name_zh : one.name_en) : "");

export const clausesOf = (one: { clauses: Said[] }): Clause[] => one.clauses as unknown as Clause[];
