/** Drafts of moves and what was applied: go on with one, look at it, undo it. */
import { History, Undo2 } from "lucide-react";
import { Link, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { Ago } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { PlansTabs } from "../plans/PlansTabs";
import type { Draft, DraftDetail } from "./look";

const TONES = { open: "learning", applied: "ok", undone: "quiet" } as const;

export function ChangesPage() {
  const text = useText();
  const decides = may(useOutletContext<Me>(), "occurrence.decide");
  const undone = (answer: DraftDetail) => {
    const back = answer.outcome.moves.filter((one) => one.result === "undone").length;
    const kept = answer.outcome.moves.filter((one) => one.result && one.result !== "undone");
    say(text.t("planning.undone", { count: back }) + (kept.length > 0 ? ` ${text.t("planning.kept_there", { count: kept.length, why: [...new Set(kept.map((one) => text.t(`planning.result.${one.result}`)))].join(", ") })}` : ""));
  };
  return (
    <ListPage<Draft>
      title={text.t("planning.changes")}
      sub={text.t("planning.changes_sub")}
      tabs={<PlansTabs />}
      path="/planning/drafts"
      filters={[{ name: "state", label: "planning.state_label", options: ["open", "applied", "undone"].map((word) => ({ value: word, label: text.t(`planning.state.${word}`) })) }]}
      columns={[
        { label: "planning.name", cell: (one) => one.state === "open" ? <Link className="plain break" to={`/plans/year?draft=${one.id}`}>{one.name}</Link> : <span className="break">{one.name}</span> },
        { label: "planning.state_label", phone: "side", cell: (one) => <Chip small tone={TONES[one.state as keyof typeof TONES] ?? "quiet"}>{text.t(`planning.state.${one.state}`)}</Chip> },
        { label: "planning.kind_label", phone: "named", cell: (one) => <>{text.t(`planning.kind.${one.kind}`)}</> },
        { label: "planning.moves", num: true, phone: "named", cell: (one) => <span className="num">{one.moves}</span> },
        { label: "order.reason", phone: "hide", cell: (one) => <span className="small muted break">{one.reason}</span> },
        { label: "planner.by", phone: "named", cell: (one) => <span className="small">{(one.applied_by ?? one.created_by)?.name ?? "–"} · <Ago at={one.undone_at ?? one.applied_at ?? one.created_at} /></span> },
        { label: "planner.undo", cell: (one) => one.can_undo ? <ActButton small icon={Undo2} label={text.t("planner.undo")} path={`/planning/drafts/${one.id}/undo`} after={undone} /> : one.state === "open" && decides ? <ActButton small danger label={text.t("planner.remove")} path={`/planning/drafts/${one.id}`} method="DELETE" version={one.version} /> : null },
      ]}
      empty={{ icon: History, sentence: "planning.no_changes" }}
    />
  );
}
