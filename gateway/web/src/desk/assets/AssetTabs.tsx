/** The places around machines: list, tree, positions, map, documents, labels. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function AssetTabs() {
  const { t } = useText();
  const tabs = [
    { to: "/assets", label: t("assets.tab.list") },
    { to: "/assets/tree", label: t("assets.tab.tree") },
    { to: "/assets/map", label: t("assets.tab.map") },
    { to: "/positions", label: t("assets.tab.positions") },
    { to: "/documents", label: t("nav.documents") },
    { to: "/labels", label: t("assets.tab.labels") },
  ];
  return <Tabs tabs={tabs} label={t("nav.assets")} />;
}
