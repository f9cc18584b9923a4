/** A model's name, state and figures in words. */
import { Archive, Crown, Swords, XCircle, type LucideIcon } from "lucide-react";

import type { Figures, StoredModel, TrainedFor } from "../../api/models";
import { duration } from "../../i18n/format";
import { useText, type Text } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import type { Tone } from "../../ui/theme";

const LOOK: Record<string, { tone: Tone; icon: LucideIcon }> = {
  champion: { tone: "ok", icon: Crown },
  challenger: { tone: "model", icon: Swords },
  retired: { tone: "quiet", icon: Archive },
  rejected: { tone: "watch", icon: XCircle },
};

export function ModelChip(props: { state: string; small?: boolean }) {
  const { code } = useText();
  return <Chip {...(LOOK[props.state] ?? LOOK.retired!)} small={props.small}>{code("model_state", props.state)}</Chip>;
}

export const modelTitle = (model: Pick<StoredModel, "name" | "kind" | "version" | "failure_kind">, text: Text): string =>
  `${text.code("model_kind", model.kind)}${model.failure_kind ? ` ${model.failure_kind.replaceAll("_", " ")}` : ""} · ${text.t("models.version", { number: model.version })}`;

export const forNames = (models: Pick<TrainedFor, "name_en" | "name_zh">[], text: Text): string =>
  models.map((one) => (text.language === "zh" ? one.name_zh : one.name_en)).join(", ") || "–";

const SHARES = ["recall", "precision", "coverage", "share", "auc"];

/** The figures that are numbers, named and written as a person would. */
export function shownFigures(figures: Figures, text: Text): [string, string][] {
  return Object.entries(figures).flatMap(([name, value]): [string, string][] => {
    if (typeof value !== "number" || !Number.isFinite(value)) return [];
    const said = SHARES.some((word) => name.includes(word)) ? text.percent(value) : name.endsWith("_s") ? duration(value, text.language) : text.number(value);
    return [[text.code("figure", name), said]];
  });
}
