/** How patient the models are with this machine, and which counts made them so. */
import { useAlarmBudget } from "../../api/performance";
import { useText } from "../../i18n/useText";
import { reasonText } from "../../text/reasons";

export function BudgetLine(props: { asset: string }) {
  const text = useText();
  const budget = useAlarmBudget(props.asset).data;
  if (!budget) return null;
  const { orders, wrong, right, asset_months: months } = budget;
  return (
    <div style={{ borderTop: "1px solid var(--line-soft)", marginTop: 12, paddingTop: 10 }}>
      <div className="small">{reasonText({ code: budget.reason.code.replace(/^budget\./, ""), params: { level_factor: budget.level_factor, budget_per_month: budget.budget_per_month, ...budget.reason.params } }, text, "budget_said")}</div>
      <div className="tiny muted" style={{ marginTop: 4 }}>{text.t("budget.counts", { orders, right, wrong, months: text.number(months, 1) })}</div>
    </div>
  );
}
