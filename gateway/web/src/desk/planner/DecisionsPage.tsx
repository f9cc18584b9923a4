/** What planners decided about predicted jobs, and what can still be taken back. */
import { Undo2, History } from "lucide-react";
import { Link } from "react-router";

import { useText } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { Ago } from "../../ui/parts";
import type { Decision } from "./look";
import { PlannerTabs } from "./PlannerTabs";

export function DecisionsPage() {
  const text = useText();
  const became = (one: Decision): string => {
    if (one.undone_at) return text.t("planner.was_undone", { who: one.undone_by?.name ?? "–" });
    if (one.returned_why) return text.t(`planner.back.${one.returned_why}`);
    if (one.until) return text.t("planner.deferred_until", { day: text.day(one.until) });
    return "";
  };
  return (
    <ListPage<Decision>
      title={text.t("planner.tab.decisions")}
      sub={text.t("planner.decisions_sub")}
      tabs={<PlannerTabs />}
      path="/planner/decisions"
      columns={[
        { label: "planner.decided", cell: (one) => <span><Chip small tone={one.undone_at ? "quiet" : one.kind === "dismiss" ? "watch" : "ok"}>{text.t(`planner.kind.${one.kind}`)}</Chip></span>, phone: "side" },
        { label: "planner.machine", cell: (one) => <Link className="plain break" to={`/assets/${one.asset.id}`}>{one.asset.name}</Link> },
        { label: "order.reason", cell: (one) => <span className="break">{one.reason ?? "–"}{one.work_order && <> · <Link className="link" to={`/work-orders/${one.work_order.id}`}>{one.work_order.number}</Link></>}</span> },
        { label: "planner.became", cell: (one) => <span className="small muted">{became(one)}</span> },
        { label: "planner.by", cell: (one) => <span className="small">{one.by?.name ?? "–"} · <Ago at={one.at} /></span>, phone: "named" },
        { label: "planner.undo", cell: (one) => one.can_undo ? <ActButton small icon={Undo2} label={text.t("planner.undo")} path={`/planner/decisions/${one.id}/undo`} done="planner.undone" /> : <span className="tiny muted">{one.why_not && one.why_not !== "undone" ? text.t(`planner.why_not.${one.why_not}`) : ""}</span> },
      ]}
      empty={{ icon: History, sentence: "planner.no_decisions" }}
    />
  );
}
