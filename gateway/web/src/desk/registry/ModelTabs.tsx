/** The places around kinds of machines: models, failure modes. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function KindTabs() {
  const { t } = useText();
  return <Tabs tabs={[{ to: "/asset-models", label: t("nav.asset_models") }, { to: "/failure-modes", label: t("nav.failure_modes") }]} label={t("nav.asset_models")} />;
}
