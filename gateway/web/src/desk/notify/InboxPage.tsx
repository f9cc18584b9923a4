/** What I was told: newest first, unread ones stand out, a click reads and goes there. */
import { CheckCheck, Inbox } from "lucide-react";
import { useEffect, useState } from "react";
import { useNavigate } from "react-router";

import { post } from "../../api/client";
import { useRows, useSend, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { Ago, PageHead, useTitle } from "../../ui/parts";
import { Rows } from "../../ui/Rows";
import { Empty } from "../../ui/states";
import { NotifyTabs } from "./NotifyTabs";

type Told = Schema["NotificationItem"];

export function InboxPage() {
  const text = useText();
  const [unread, setUnread] = useState(false);
  const rows = useRows<Told>("/notifications", { mine: true, channel: "page", unread });
  const send = useSend();
  const go = useNavigate();
  useTitle(text.t("nav.notifications"));
  useEffect(() => void post("/notifications/seen").catch(() => undefined), []);
  const open = (row: Told) => {
    if (!row.read_at) send.mutate({ path: "/notifications/read", body: { ids: [row.id] } });
    if (row.path) void go(row.path);
  };
  const said = (row: Told) => row.said[text.language] ?? row.said.en;
  return (
    <>
      <PageHead title={text.t("nav.notifications")} sub={text.t("notify.sub")} right={<ActButton icon={CheckCheck} label={text.t("notify.read_all")} path="/notifications/read" body={{}} />} />
      <NotifyTabs />
      <div className="row" style={{ margin: "0 0 12px" }}>
        <label className="row small" style={{ gap: 8, minHeight: 32 }}><input type="checkbox" checked={unread} onChange={(event) => setUnread(event.currentTarget.checked)} />{text.t("notify.only_unread")}</label>
      </div>
      <Rows of={rows} pick={open} empty={<Empty icon={Inbox} sentence={text.t("notify.empty")} example={text.t("notify.empty_example")} />} columns={[
        { label: "notify.message", cell: (row) => (
          <span className="break" style={{ fontWeight: row.read_at ? 400 : 650 }}>
            {!row.read_at && <Chip small tone={row.critical ? "trouble" : "watch"}>{text.t("notify.new")}</Chip>} {said(row)?.subject}
          </span>
        ) },
        { label: "col.asset", phone: "hide", cell: (row) => <span className="break">{row.asset?.name ?? "–"}</span> },
        { label: "col.at", phone: "side", cell: (row) => <Ago at={row.at} /> },
      ]} />
    </>
  );
}
