/** The places around predicted jobs. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function PlannerTabs() {
  const { t } = useText();
  return (
    <Tabs
      label={t("nav.planner")}
      tabs={[
        { to: "/planner", label: t("planner.title"), action: "finding.read" },
        { to: "/planner/decisions", label: t("planner.tab.decisions"), action: "finding.read" },
        { to: "/planner/costs", label: t("planner.tab.costs"), action: "price.read" },
      ]}
    />
  );
}
