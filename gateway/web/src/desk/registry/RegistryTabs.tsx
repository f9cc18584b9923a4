/** The places around whom the machines belong to: customers, sites, organisations, calendars. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function RegistryTabs() {
  const { t } = useText();
  const tabs = ["customers", "sites", "organisations", "calendars"].map((place) => ({ to: `/${place}`, label: t(`nav.${place}`) }));
  return <Tabs tabs={tabs} label={t("nav.customers")} />;
}
