/** The places around maintenance plans. */
import { useText } from "../../i18n/useText";
import { Tabs, type Tab } from "../../ui/Tabs";

export function PlansTabs() {
  const { t } = useText();
  const tabs: Tab[] = [
    { to: "/plans", label: t("nav.plans"), action: "maintenance_plan.read" },
    { to: "/plans/calendar", label: t("plan.tab.calendar"), action: "maintenance_plan.read" },
    { to: "/plans/forecast", label: t("plan.tab.forecast"), action: "forecast.read" },
    { to: "/plans/year", label: t("planning.year"), action: "maintenance_plan.read" },
    { to: "/plans/groups", label: t("planning.groups"), action: "maintenance_plan.read" },
    { to: "/plans/changes", label: t("planning.changes"), action: "maintenance_plan.read" },
    { to: "/plans/rounds", label: t("plan.tab.rounds"), action: "maintenance_plan.read" },
  ];
  return <Tabs tabs={tabs} label={t("nav.plans")} />;
}
