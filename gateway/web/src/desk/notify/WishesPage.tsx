/** What I wish: hours of quiet, ways that are off, my calendar's address, my telephones. */
import { CalendarDays, CalendarPlus, MoonStar, Pencil, Smartphone, Trash2 } from "lucide-react";
import { useState } from "react";

import { useList, useOne, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field, Values } from "../../ui/Form";
import { Ago, Command, Facts, PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { NotifyTabs } from "./NotifyTabs";

type Wishes = Schema["NotificationPreferences"];
type Feed = Schema["CalendarFeedItem"];
type Phone = Schema["PushSubscriptionItem"];
const WAYS = ["email", "sms", "push"] as const;
const H2 = { gap: 8, fontSize: 16, margin: "0 0 8px" };
const zoneHere = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export function WishesPage() {
  const text = useText();
  useTitle(text.t("notify.tab.wishes"));
  return (
    <>
      <PageHead title={text.t("notify.tab.wishes")} sub={text.t("notify.wishes_sub")} />
      <NotifyTabs />
      <div className="stack" style={{ gap: 16 }}><Quiet /><CalendarFeed /><Phones /></div>
    </>
  );
}

function Quiet() {
  const text = useText();
  const wishes = useOne<Wishes>("/notification-preferences");
  const fields: Field[] = [
    { name: "from", label: "notify.quiet_from", half: true, example: "22:00" },
    { name: "until", label: "notify.quiet_until", half: true, example: "07:00" },
    { name: "time_zone", label: "notify.time_zone", example: "Asia/Shanghai" },
    ...WAYS.map((way): Field => ({ name: way, label: `notify.way.${way}`, kind: "switch" })),
    { name: "digest", label: "notify.digest", kind: "select", options: ["hour", "day"].map((value) => ({ value, label: text.t(`notify.digest.${value}`) })) },
  ];
  const body = (values: Values) => ({
    quiet: values.from && values.until ? { from: values.from, until: values.until, time_zone: values.time_zone || zoneHere() } : null,
    muted: WAYS.filter((way) => !values[way]),
    digest: values.digest ? { every: values.digest, at: "08:00", time_zone: values.time_zone || zoneHere() } : null,
  });
  return (
    <section className="card pad">
      <Loaded of={wishes} skeleton={<Bones rows={3} />}>
        {(mine) => {
          const quiet = mine.quiet as { from: string; until: string; time_zone: string } | null;
          const digest = mine.digest as { every: string } | null;
          const muted = mine.muted ?? [];
          const initial: Values = { ...(quiet ?? { time_zone: zoneHere() }), digest: digest?.every ?? null, ...Object.fromEntries(WAYS.map((way) => [way, !muted.includes(way)])) };
          return (
            <>
              <div className="row wrap"><h2 className="row grow" style={H2}><MoonStar size={18} aria-hidden />{text.t("notify.when")}</h2>
                <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: text.t("notify.when"), submit: text.t("action.save"), path: "/notification-preferences", method: "PUT", version: mine.version || undefined, fields, initial, body, done: "form.saved" }} />
              </div>
              <Facts rows={[
                [text.t("notify.quiet"), quiet ? `${quiet.from} – ${quiet.until} (${quiet.time_zone})` : text.t("notify.never")],
                [text.t("notify.ways"), <span className="row wrap" style={{ gap: 6 }}>{WAYS.map((way) => <Chip key={way} small tone={muted.includes(way) ? "quiet" : "ok"}>{text.t(`notify.way.${way}`)}{muted.includes(way) ? ` · ${text.t("notify.off")}` : ""}</Chip>)}</span>],
                [text.t("notify.digest"), digest ? text.t(`notify.digest.${digest.every}`) : text.t("notify.digest.none")],
              ]} />
              <p className="small muted">{text.t("notify.critical_note")}</p>
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

function CalendarFeed() {
  const text = useText();
  const feeds = useList<Feed>("/calendar-feeds");
  const [url, setUrl] = useState<string | null>(null);
  const made = (answer: Schema["CalendarFeedMade"]) => setUrl(answer.url);
  return (
    <section className="card pad">
      <h2 className="row" style={H2}><CalendarDays size={18} aria-hidden />{text.t("notify.calendar")}</h2>
      <p className="small muted">{text.t("notify.calendar_sub")}</p>
      {url && <Notice tone="ok"><div className="small" style={{ marginBottom: 6 }}>{text.t("notify.calendar_once")}</div><Command line={url} /></Notice>}
      <Loaded of={feeds} skeleton={<Bones rows={2} />}>
        {(page) => {
          const feed = page.items[0];
          return (
            <div className="row wrap" style={{ gap: 10, marginTop: 10 }}>
              {feed && <span className="small muted grow">{feed.read_at ? <>{text.t("notify.calendar_read")} <Ago at={feed.read_at} /></> : text.t("notify.calendar_unread")}</span>}
              <ActButton small icon={CalendarPlus} label={text.t(feed ? "notify.calendar_renew" : "notify.calendar_make")} path="/calendar-feeds" after={made} />
              {feed && <ActButton small danger icon={Trash2} label={text.t("notify.calendar_end")} path={`/calendar-feeds/${feed.id}`} method="DELETE" after={() => setUrl(null)} />}
            </div>
          );
        }}
      </Loaded>
    </section>
  );
}

function Phones() {
  const text = useText();
  const phones = useList<Phone>("/push-subscriptions");
  return (
    <section className="card pad">
      <h2 className="row" style={H2}><Smartphone size={18} aria-hidden />{text.t("notify.phones")}</h2>
      <p className="small muted">{text.t("notify.phones_sub")}</p>
      <Loaded of={phones} skeleton={<Bones rows={2} />}>
        {(page) => page.items.length === 0 ? <Empty bare icon={Smartphone} sentence={text.t("notify.phones_none")} /> : (
          <div className="stack" style={{ gap: 8 }}>{page.items.map((phone) => (
            <div key={phone.id} className="row wrap" style={{ gap: 10 }}>
              <span className="grow break">{phone.device ?? text.t("notify.phone")}</span>
              <span className="small muted"><Ago at={phone.delivered_at ?? phone.created_at} /></span>
              <ActButton small danger icon={Trash2} label={text.t("action.delete")} path={`/push-subscriptions/${phone.id}`} method="DELETE" />
            </div>
          ))}</div>
        )}
      </Loaded>
    </section>
  );
}
