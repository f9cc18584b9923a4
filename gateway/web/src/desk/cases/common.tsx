/** What the pages of cases share: chips, names in the reader's language, and the generated types. */
import { CheckCircle2, CircleDashed, Clock3, GitMerge, Hand, Hourglass, MessageCircleReply, XCircle, type LucideIcon } from "lucide-react";

import type { Schema } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import type { Source } from "../../ui/Pick";
import type { Tone } from "../../ui/theme";

export type Case = Schema["CaseItem"];
export type CaseDetail = Schema["CaseDetail"];
export type Child = Schema["ChildItem"];
export type ServiceType = Schema["ServiceTypeItem"];

const LOOK: Record<string, { tone: Tone; icon: LucideIcon }> = {
  new: { tone: "watch", icon: CircleDashed },
  in_progress: { tone: "learning", icon: Clock3 },
  waiting_customer: { tone: "quiet", icon: MessageCircleReply },
  waiting_approval: { tone: "watch", icon: Hourglass },
  closed: { tone: "ok", icon: CheckCircle2 },
  rejected: { tone: "quiet", icon: XCircle },
  merged: { tone: "quiet", icon: GitMerge },
};
export const STATES = Object.keys(LOOK);

export function CaseChip(props: { state: string; small?: boolean }) {
  const { code } = useText();
  return <Chip {...(LOOK[props.state] ?? LOOK.new!)} small={props.small}>{code("case_state", props.state)}</Chip>;
}

export function ClaimChip(props: { of: Pick<Case, "claimed_by" | "claim_expires_at"> }) {
  const text = useText();
  const { claimed_by: person, claim_expires_at: until } = props.of;
  if (!person) return null;
  return <Chip tone="quiet" icon={Hand} small title={until ? text.t("cases.claimed_until", { at: text.moment(until) }) : undefined}>{person.name}</Chip>;
}

type Named = { name_en: string; name_zh: string };
export const nameOf = (thing: Named | null | undefined, text: Text): string => (thing ? (text.language === "zh" && thing.name_zh) || thing.name_en : "–");

export const TYPES: Source = { path: "/service-types", asked: { active: true }, local: true, label: (row, language) => (language === "zh" ? row.name_zh : row.name_en) };
export const ASSETS: Source = { path: "/assets" };
export const CUSTOMERS: Source = { path: "/customers" };
export const TEAMS: Source = { path: "/teams", local: true };
export const PRIORITIES = ["low", "normal", "high", "urgent"];
export const words = (family: string, list: string[], text: Text) => list.map((word) => ({ value: word, label: text.code(family, word) }));
