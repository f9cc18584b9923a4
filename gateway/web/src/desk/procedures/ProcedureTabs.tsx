/** The places around procedures: the library, orders against their norm, what an hour costs. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function ProcedureTabs() {
  const { t } = useText();
  const tabs = [
    { to: "/procedures", label: t("nav.procedures"), action: "procedure.read" },
    { to: "/procedures/norms", label: t("norm.tab.variance"), action: "figure.read" },
    { to: "/procedures/rates", label: t("norm.tab.rates"), action: "price.read" },
  ];
  return <Tabs tabs={tabs} label={t("nav.procedures")} />;
}
