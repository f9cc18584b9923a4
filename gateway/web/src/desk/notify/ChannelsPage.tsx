/** Group channels and the way to telephones: their addresses are written here and shown nowhere. */
import { Megaphone, Pencil, Plus, Send, Trash2 } from "lucide-react";
import { useOutletContext } from "react-router";

import { may, useList, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { Ago, PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { NotifyTabs } from "./NotifyTabs";

type Channel = Schema["NotificationChannelItem"];
const EXAMPLES = ["wecombot://KEY", "dingtalk://SECRET@TOKEN", "feishu://TOKEN", "slack://A/B/C/#channel", "jsons://host/path"];

export function ChannelsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const channels = useList<Channel>("/notification-channels");
  useTitle(text.t("notify.tab.channels"));
  const manage = may(me, "notification_channel.manage");
  const language: Field = { name: "language", label: "nav.language", kind: "select", required: true, half: true, options: [{ value: "en", label: "English" }, { value: "zh", label: "中文" }] };
  const purpose: Field = { name: "purpose", label: "notify.purpose", kind: "select", required: true, half: true, options: ["group", "sms"].map((value) => ({ value, label: text.t(`notify.purpose.${value}`) })) };
  const name: Field = { name: "name", label: "col.name", required: true, most: 200 };
  const url: Field = { name: "url", label: "notify.url", required: true, most: 2000, hint: "notify.url_hint", example: EXAMPLES[0] };
  const add = manage && <FormButton primary icon={Plus} label={text.t("notify.add_channel")} form={{ path: "/notification-channels", fields: [name, purpose, language, url], initial: { purpose: "group", language: text.language }, note: <span className="mono break">{EXAMPLES.join("  ")}</span> }} />;
  return (
    <>
      <PageHead title={text.t("notify.tab.channels")} sub={text.t("notify.channels_sub")} right={add} />
      <NotifyTabs />
      <Loaded of={channels} skeleton={<Bones rows={4} />}>
        {(page) => page.items.length === 0 ? <Empty icon={Megaphone} sentence={text.t("notify.no_channels")} example={text.t("notify.no_channels_example")} action={add} /> : (
          <div className="stack" style={{ gap: 12 }}>{page.items.map((row) => (
            <section key={row.id} className="card pad">
              <div className="row wrap" style={{ gap: "6px 10px" }}>
                <span className="break" style={{ fontSize: 16, fontWeight: 650 }}>{row.name}</span>
                <Chip small plain tone="quiet"><span className="mono">{row.service}</span></Chip>
                <Chip small tone={!row.enabled ? "quiet" : row.failing_since ? "trouble" : "ok"}>{text.t(!row.enabled ? "notify.off" : row.failing_since ? "webhooks.state.failing" : "webhooks.state.on")}</Chip>
                <span className="small muted">{text.t(`notify.purpose.${row.purpose}`)}</span>
                <span className="grow" />
                {manage && (
                  <>
                    {row.purpose === "sms"
                      ? <FormButton small icon={Send} label={text.t("webhooks.test")} form={{ path: `/notification-channels/${row.id}/test`, fields: [{ name: "phone", label: "people.phone", required: true, most: 40 }], done: "webhooks.queued" }} />
                      : <ActButton small icon={Send} label={text.t("webhooks.test")} path={`/notification-channels/${row.id}/test`} body={{}} disabled={!row.enabled} done="webhooks.queued" />}
                    <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: row.name, submit: text.t("action.save"), path: `/notification-channels/${row.id}`, method: "PATCH", version: row.version, now: "/notification-channels", fields: [name, language, { ...url, required: false, hint: "notify.url_keep" }, { name: "enabled", label: "webhooks.enabled", kind: "switch" }], initial: { ...row }, done: "form.saved" }} />
                    <FormButton small icon={Trash2} danger label={text.t("action.delete")} form={{ title: row.name, path: `/notification-channels/${row.id}`, method: "DELETE", version: row.version, fields: [], danger: true, note: text.t("notify.delete_channel"), body: () => undefined }} />
                  </>
                )}
              </div>
              <div className="small muted" style={{ marginTop: 6 }}>{row.delivered_at ? <>{text.t("webhooks.delivered")} <Ago at={row.delivered_at} /></> : text.t("webhooks.never")}</div>
              {row.error && <Notice tone="trouble"><span className="break">{row.error}</span></Notice>}
            </section>
          ))}</div>
        )}
      </Loaded>
    </>
  );
}
