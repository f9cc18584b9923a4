/** The phone's frame: what waits to be sent on top, three places at the bottom. */
import { Briefcase, CircleUserRound, ListChecks, Package } from "lucide-react";
import { useEffect } from "react";
import { Link, NavLink, Outlet, useLocation } from "react-router";

import { ApiError } from "../api/client";
import { useLive } from "../api/live";
import { may } from "../api/rows";
import type { Me, Page } from "../api/types";
import { remembered, setLanguage } from "../i18n";
import { useText } from "../i18n/useText";
import { isOpen } from "../ui/chips";
import { Called } from "../ui/Called";
import mark from "../ui/mark.svg";
import { LanguageSwitch, useTitle } from "../ui/parts";
import { Bones, Failure } from "../ui/states";
import { useAhead } from "./ahead";
import { POOL, type Pool } from "./AvailablePage";
import { Banners } from "./Banners";
import { useChanges } from "./changes";
import type { Job } from "./jobs";
import { useKept } from "./kept";
import { applied, useOutbox, useSender } from "./outbox";
import { FREE, LISTS_MS, MINE } from "./store";

const MANIFEST = { en: "/m/manifest.webmanifest", zh: "/m/manifest.zh.webmanifest" };

const APART_MS = 20_000; // hundreds of phones hear of every change: a first one is read at once, more of them together

export function FieldShell() {
  const text = useText();
  const { t } = text;
  const me = useKept<Me>(["me"], "/me", 60_000);
  const { pathname } = useLocation();
  useLive(me.data !== undefined, APART_MS);
  useSender();
  useTitle(t("field.title"));
  useEffect(() => document.querySelector("link[rel=manifest]")?.setAttribute("href", MANIFEST[text.language]), [text.language]);
  useEffect(() => void window.scrollTo(0, 0), [pathname]); // void: newer browsers return a promise, no clean-up
  useEffect(() => {
    if (me.data?.person && !remembered()) setLanguage(me.data.person.language === "zh" ? "zh" : "en");
  }, [me.data]);
  const signedOut = me.error instanceof ApiError && me.error.status === 401;
  const nothingKept = signedOut && !me.data;
  useEffect(() => {
    if (nothingKept) location.assign(signInHere());
  }, [nothingKept]);
  const inJob = pathname.startsWith("/work/");
  return (
    <div className="field" style={inJob ? { paddingBottom: "calc(90px + env(safe-area-inset-bottom))" } : undefined}>
      <header>
        <Link to="/" style={{ textDecoration: "none", fontWeight: 660, gap: 9 }}><img src={mark} width={26} height={26} alt="" />Forewarn</Link>
        <span style={{ flex: 1 }} />
        <LanguageSwitch signedIn={!!me.data} />
      </header>
      <Banners me={me} signedOut={signedOut} />
      <main>{me.data ? <><Called /><Outlet context={me.data} /></> : me.error && !nothingKept ? <Failure error={me.error} retry={() => void me.refetch()} /> : <Bones rows={6} height={26} />}</main>
      {!inJob && me.data && <Bottom me={me.data} />}
      {me.data && <Ahead me={me.data} />}
    </div>
  );
}

/** The way to sign in and come back to where one was. */
export const signInHere = (): string => `/m/sign-in?to=${encodeURIComponent(location.pathname)}`;

/** Both lists and what belongs to my jobs are on the phone, whichever page is open. */
function Ahead(props: { me: Me }) {
  const mine = useKept<Page<Job>>(["work-orders"], MINE, LISTS_MS);
  useKept<Page<Job>>(["work-orders"], FREE, LISTS_MS);
  useChanges(props.me);
  useAhead(mine.data, props.me);
  return null;
}

function Bottom(props: { me: Me }) {
  const { t } = useText();
  const mine = useKept<Page<Job>>(["work-orders"], MINE, LISTS_MS);
  const free = useKept<Page<Job>>(["work-orders"], FREE, LISTS_MS);
  const pool = useKept<Pool>(["dispatch", "pool"], POOL, 60_000, may(props.me, "dispatch.claim"));
  const { entries } = useOutbox();
  const person = props.me.person;
  const open = [...(mine.data?.items ?? [])].map((order) => applied(order, entries, person)).filter(isOpen).length;
  const places = [
    { to: "/", label: t("field.mine"), icon: ListChecks, tally: open },
    { to: "/available", label: t("field.available"), icon: Briefcase, tally: (pool.data?.open ? pool.data.items.length : free.data?.items.length) ?? 0 },
    ...(may(props.me, "stock.use") ? [{ to: "/parts", label: t("field.parts"), icon: Package, tally: 0 }] : []),
    { to: "/me", label: t("field.me"), icon: CircleUserRound, tally: 0 },
  ];
  return (
    <div className="bottom">
      <nav aria-label={t("nav.pages")} style={{ gridTemplateColumns: `repeat(${places.length}, 1fr)` }}>
        {places.map((place) => (
          <NavLink key={place.to} to={place.to} end>
            <place.icon size={22} strokeWidth={1.9} aria-hidden />
            {place.label}
            {place.tally > 0 && <span className="tally">{place.tally}</span>}
          </NavLink>
        ))}
      </nav>
    </div>
  );
}
