/** The places around notifications: what came in, what one wishes, rules, channels, the log, and other systems. */
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

export function NotifyTabs() {
  const { t } = useText();
  const tabs = [
    { to: "/notifications", label: t("notify.tab.inbox") },
    { to: "/notifications/wishes", label: t("notify.tab.wishes") },
    { to: "/notifications/rules", label: t("notify.tab.rules"), action: "notification.manage" },
    { to: "/notifications/channels", label: t("notify.tab.channels"), action: "notification.manage" },
    { to: "/notifications/documents", label: t("docrules.tab"), action: "document.manage" },
    { to: "/notifications/log", label: t("notify.tab.log"), action: "notification.manage" },
    { to: "/webhooks", label: t("nav.webhooks"), action: "webhook.manage" },
  ];
  return <Tabs tabs={tabs} label={t("nav.notifications")} />;
}
