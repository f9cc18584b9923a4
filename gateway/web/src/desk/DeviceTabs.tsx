/** The places around devices: the list, mappings of foreign messages, Sparkplug nodes. */
import { NavLink } from "react-router";

import { useText } from "../i18n/useText";

const TABS = [
  { to: "/devices", key: "nav.devices" },
  { to: "/devices/mappings", key: "mappings.title" },
  { to: "/devices/sparkplug", key: "sparkplug.title" },
];

export function DeviceTabs() {
  const { t } = useText();
  return (
    <nav className="tabs" aria-label={t("devices.tabs")}>
      {TABS.map((tab) => <NavLink key={tab.to} to={tab.to} end>{t(tab.key)}</NavLink>)}
    </nav>
  );
}
