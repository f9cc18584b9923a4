/** The places around warranty: what is covered, cards, registrations to look at, terms, overrides to approve. */
import { useOutletContext } from "react-router";

import { may, useList } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function WarrantyTabs() {
  const { t } = useText();
  const me = useOutletContext<Me>();
  const waiting = useList<{ id: string }>("/warranty-registrations", { state: "review", limit: 50 }, may(me, "warranty.register")).data?.items.length;
  const asked = useList<{ id: string }>("/coverage-overrides", { state: "requested", limit: 50 }, may(me, "coverage.check")).data?.items.length;
  const tabs = [
    { to: "/warranties", label: t("warranty.tab.cover") },
    { to: "/warranties/cards", label: t("warranty.tab.cards") },
    { to: "/warranties/registrations", label: t("warranty.tab.registrations"), tally: waiting, action: "warranty.register" },
    { to: "/warranties/overrides", label: t("warranty.tab.overrides"), tally: asked, action: "coverage.check" },
    { to: "/warranties/terms", label: t("warranty.tab.terms") },
  ];
  return <Tabs tabs={tabs} label={t("nav.warranties")} />;
}
