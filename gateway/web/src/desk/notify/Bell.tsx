/** How many messages one has not read, beside one's name. */
import { BellDot, Bell as BellIcon } from "lucide-react";
import { Link } from "react-router";

import { useOne, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";

const EVERY_MS = 30_000;

export function Bell() {
  const { t } = useText();
  const unread = useOne<Schema["UnreadNotifications"]>("/notifications/unread", true, EVERY_MS).data?.unread ?? 0;
  const Icon = unread > 0 ? BellDot : BellIcon;
  return (
    <Link to="/notifications" className="plain row" style={{ minHeight: 36, gap: 4 }} aria-label={t("notify.unread", { count: unread })}>
      <Icon size={20} strokeWidth={1.7} aria-hidden />
      {unread > 0 && <span className="small" style={{ fontWeight: 650 }}>{unread > 99 ? "99+" : unread}</span>}
    </Link>
  );
}
