/** What work costs, as people enter it: from it follows what waiting costs. */
import { Coins, Pencil, Plus, Trash2 } from "lucide-react";
import { Link, useOutletContext } from "react-router";

import { may, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import type { Field, Values } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { ASSETS, MODELS } from "../assets/look";
import { money } from "./look";
import { PlannerTabs } from "./PlannerTabs";

type Cost = Schema["DeskCostItem"];
const AMOUNTS: Field[] = [
  { name: "currency", label: "planner.currency", required: true, most: 3, example: "planner.currency_example" },
  { name: "planned_cost", label: "planner.amount.planned_cost", hint: "planner.planned_hint", kind: "number", min: 0, decimals: 2 },
  { name: "planned_downtime_hours", label: "planner.amount.planned_downtime_hours", kind: "number", min: 0, decimals: 1, half: true },
  { name: "unplanned_downtime_hours", label: "planner.amount.unplanned_downtime_hours", kind: "number", min: 0, decimals: 1, half: true },
  { name: "unplanned_cost", label: "planner.amount.unplanned_cost", kind: "number", min: 0, decimals: 2, half: true },
  { name: "unplanned_factor", label: "planner.amount.unplanned_factor", hint: "planner.factor_hint", kind: "number", min: 1, decimals: 2, half: true },
  { name: "downtime_cost_per_hour", label: "planner.amount.downtime_cost_per_hour", kind: "number", min: 0, decimals: 2 },
  { name: "note", label: "planner.note", kind: "area", most: 1000 },
];
const WHOM: Field[] = [
  { name: "asset_model_id", label: "col.model", kind: "pick", of: MODELS, hint: "planner.whom_hint", show: (values: Values) => !values.asset_id },
  { name: "asset_id", label: "planner.machine", kind: "pick", of: ASSETS, show: (values: Values) => !values.asset_model_id },
];

export function CostsPage() {
  const text = useText();
  const edits = may(useOutletContext<Me>(), "policy.manage");
  return (
    <ListPage<Cost>
      title={text.t("planner.tab.costs")}
      sub={text.t("planner.costs_sub")}
      tabs={<PlannerTabs />}
      path="/desk-costs"
      right={edits && <FormButton primary icon={Plus} label={text.t("planner.add_costs")} form={{ path: "/desk-costs", initial: { currency: "CNY" }, fields: [...WHOM, ...AMOUNTS], done: "form.saved", size: "lg" }} />}
      columns={[
        { label: "planner.whom", cell: (one) => one.asset ? <Link className="plain break" to={`/assets/${one.asset.id}`}>{one.asset.name}</Link> : one.asset_model ? <Link className="plain break" to={`/asset-models/${one.asset_model.id}`}>{one.asset_model.name}</Link> : <>{text.t("planner.all_machines")}</> },
        { label: "planner.amount.planned_cost", num: true, phone: "named", cell: (one) => <span className="num">{money(one.planned_cost, one.currency, text)}</span> },
        { label: "planner.amount.unplanned_cost", num: true, phone: "named", cell: (one) => <span className="num">{one.unplanned_factor != null ? `× ${text.number(one.unplanned_factor, 2)}` : money(one.unplanned_cost, one.currency, text)}</span> },
        { label: "planner.amount.downtime_cost_per_hour", num: true, phone: "named", cell: (one) => <span className="num">{money(one.downtime_cost_per_hour, one.currency, text)}</span> },
        { label: "planner.hours_down", num: true, phone: "hide", cell: (one) => <span className="num">{text.number(one.planned_downtime_hours, 1)} / {text.number(one.unplanned_downtime_hours, 1)}</span> },
        { label: "planner.note", phone: "hide", cell: (one) => <span className="small muted break">{one.note}</span> },
        { label: "planner.change", cell: (one) => edits && <span className="row" style={{ gap: 6 }}>
          <FormButton small icon={Pencil} label={text.t("planner.change")} form={{ path: `/desk-costs/${one.id}`, now: undefined, method: "PUT", version: one.version, initial: one as unknown as Values, fields: AMOUNTS, done: "form.saved", size: "lg" }} />
          <ActButton small danger icon={Trash2} label={text.t("planner.remove")} path={`/desk-costs/${one.id}`} method="DELETE" version={one.version} />
        </span> },
      ]}
      empty={{ icon: Coins, sentence: "planner.no_costs", example: "planner.no_costs_example" }}
    />
  );
}
