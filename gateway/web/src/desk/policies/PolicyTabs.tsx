/** The places around rules: policies, windows, who is called, what feedback holds back, and how it is set. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function PolicyTabs() {
  const { t } = useText();
  const places = ["policies", "windows", "on_call", "suppressors", "feedback"];
  const path = (place: string) => (place === "policies" ? "/policies" : `/policies/${place.replace("_", "-")}`);
  return <Tabs tabs={places.map((place) => ({ to: path(place), label: t(`policies.tab.${place}`) }))} label={t("nav.policies")} />;
}
