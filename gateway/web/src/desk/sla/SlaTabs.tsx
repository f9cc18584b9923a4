/** The places around service levels: what is late, who was warned, what is promised, and how well it was kept. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function SlaTabs() {
  const { t } = useText();
  const tabs = [
    { to: "/service-levels", label: t("sla.tab.late"), action: "sla.read" },
    { to: "/service-levels/warnings", label: t("sla.tab.warnings"), action: "sla.read" },
    { to: "/service-levels/policies", label: t("sla.tab.policies"), action: "sla.read" },
    { to: "/service-levels/figures", label: t("sla.tab.figures"), action: "figure.read" },
  ];
  return <Tabs tabs={tabs} label={t("nav.service_levels")} />;
}
