/** The places around models: how good they are, which ones there are, what training said. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function ModelTabs() {
  const { t } = useText();
  const tabs = [
    { to: "/models", label: t("models.tab.performance") },
    { to: "/models/store", label: t("models.tab.store") },
    { to: "/models/training", label: t("models.tab.training") },
  ];
  return <Tabs tabs={tabs} label={t("nav.models")} />;
}
