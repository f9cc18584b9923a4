/** The places around devices: the list, mappings of foreign messages, Sparkplug nodes. */
import { useText } from "../i18n/useText";
import { Tabs } from "../ui/Tabs";

export function DeviceTabs() {
  const { t } = useText();
  const tabs = [
    { to: "/devices", label: t("nav.devices") },
    { to: "/devices/mappings", label: t("mappings.title") },
    { to: "/devices/sparkplug", label: t("sparkplug.title") },
  ];
  return <Tabs tabs={tabs} label={t("devices.tabs")} />;
}
