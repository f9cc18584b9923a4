/** The desk's frame: rail of pages, top bar, who is signed in. */
import { Burger, Drawer, Menu } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import {
  AlarmClock, BellRing, Boxes, BrainCircuit, Building2, CalendarRange, CalendarSync, CircleUserRound, ClipboardList, Cpu, FileUp, Gauge, Handshake, HeartPulse, LifeBuoy, ListChecks, LogOut, Megaphone, MessageSquareText, Package, Radar,
  Shapes, ShieldCheck, SlidersHorizontal, Smartphone, Truck, UsersRound, Warehouse, Wrench, type LucideIcon,
} from "lucide-react";
import { Suspense, useEffect } from "react";
import { Link, Navigate, NavLink, Outlet, useLocation } from "react-router";

import { useAlarms } from "../api/alarms";
import { ApiError, post } from "../api/client";
import { useMe, useOverview, useRequests } from "../api/hooks";
import { useLive } from "../api/live";
import { may } from "../api/rows";
import type { Me } from "../api/types";
import { remembered, setLanguage } from "../i18n";
import { useText } from "../i18n/useText";
import { Called } from "../ui/Called";
import mark from "../ui/mark.svg";
import { LanguageSwitch, LicencesLink } from "../ui/parts";
import { Bones, Failure } from "../ui/states";
import { CallPop } from "./calls/CallPop";
import { DemoBanner } from "./DemoBanner";
import { useFieldTally } from "./fieldwork/asked";
import { Bell } from "./notify/Bell";
import { SearchAll } from "./SearchAll";

type Place = { to: string; key: string; icon: LucideIcon; tally?: number; hot?: boolean; action?: string };
type Group = { key: string; places: Place[] };

function usePlaces(me: Me): Group[] {
  const counts = useOverview().data?.counts;
  const unseen = useAlarms(true, may(me, "finding.read")).data?.items.filter((alarm) => alarm.alarm_state === "unacknowledged").length ?? 0;
  const fresh = useRequests().data?.items.filter((request) => request.state === "new").length ?? 0;
  const field = useFieldTally(me);
  return [
    { key: "nav.group.operate", places: [
      { to: "/", key: "nav.overview", icon: Gauge, tally: counts?.in_trouble, hot: true, action: "asset.read" },
      { to: "/work-orders", key: "nav.work_orders", icon: ClipboardList, tally: counts?.open_work_orders, action: "work_order.read" },
      { to: "/dispatch", key: "nav.dispatch", icon: CalendarRange, action: "dispatch.read" },
      { to: "/field", key: "nav.field", icon: LifeBuoy, tally: field, hot: true, action: "help.read" },
      { to: "/alarms", key: "nav.alarms", icon: BellRing, tally: unseen, hot: true, action: "finding.read" },
      { to: "/planner", key: "nav.planner", icon: Radar, action: "finding.read" },
      { to: "/cases", key: "nav.cases", icon: MessageSquareText, tally: fresh, hot: true, action: "case.read" },
      { to: "/service-levels", key: "nav.service_levels", icon: AlarmClock, action: "sla.read" },
      { to: "/plans", key: "nav.plans", icon: CalendarSync, action: "maintenance_plan.read" },
      { to: "/reliability", key: "nav.reliability", icon: HeartPulse, action: "reliability.read" },
      { to: "/models", key: "nav.models", icon: BrainCircuit, action: "finding.read" },
    ] },
    { key: "nav.group.assets", places: [
      { to: "/assets", key: "nav.assets", icon: Boxes, action: "asset.read" },
      { to: "/asset-models", key: "nav.asset_models", icon: Shapes, action: "asset.read" },
      { to: "/customers", key: "nav.customers", icon: Building2, action: "asset.read" },
      { to: "/devices", key: "nav.devices", icon: Cpu, action: "device.read" },
    ] },
    { key: "nav.group.warranty", places: [
      { to: "/warranties", key: "nav.warranties", icon: ShieldCheck, action: "warranty.read" },
      { to: "/contracts", key: "nav.contracts", icon: Handshake, action: "contract.read" },
    ] },
    { key: "nav.group.stock", places: [
      { to: "/stock", key: "nav.stock", icon: Warehouse, action: "stock.read" },
      { to: "/parts", key: "nav.parts", icon: Package, action: "part.read" },
      { to: "/purchase-orders", key: "nav.purchasing", icon: Truck, action: "price.read" },
      { to: "/tools", key: "nav.tools", icon: Wrench, action: "stock.read" },
    ] },
    { key: "nav.group.settings", places: [
      { to: "/procedures", key: "nav.procedures", icon: ListChecks, action: "procedure.read" },
      { to: "/policies", key: "nav.policies", icon: SlidersHorizontal, action: "finding.read" },
      { to: "/people", key: "nav.people", icon: UsersRound, action: "people.read" },
      { to: "/imports", key: "nav.imports", icon: FileUp, action: "import.run" },
      { to: "/notifications/rules", key: "nav.notifications", icon: Megaphone, action: "notification.manage" },
    ] },
  ];
}

function Rail(props: { me: Me; done?: () => void }) {
  const { t, code } = useText();
  const groups = usePlaces(props.me).filter((group) => group.places.some((place) => !place.action || may(props.me, place.action)));
  return (
    <>
      <Link to="/" className="brand" onClick={props.done}><img src={mark} width={28} height={28} alt="" />Forewarn</Link>
      <nav aria-label={t("nav.pages")}>
        {groups.map((group) => (
          <div key={group.key} role="group" aria-label={t(group.key)}>
            <div className="group">{t(group.key)}</div>
            {group.places.filter((place) => !place.action || may(props.me, place.action)).map((place) => (
              <NavLink key={place.to} to={place.to} end={place.to === "/"} onClick={props.done}>
                <place.icon size={17} strokeWidth={1.9} aria-hidden />
                <span className="clamp1">{t(place.key)}</span>
                {!!place.tally && <span className={place.hot ? "tally hot" : "tally"}>{place.tally}</span>}
              </NavLink>
            ))}
          </div>
        ))}
      </nav>
      <div className="foot">
        <div className="clamp1" style={{ color: "#cfe0e4", fontWeight: 560 }}>{props.me.organisation.name}</div>
        <div className="row wrap" style={{ gap: "0 8px" }}><span>Forewarn {props.me.server.version}</span>{props.me.server.store_edition && <span>{code("edition", props.me.server.store_edition)}</span>}<LicencesLink /></div>
      </div>
    </>
  );
}

export function Shell() {
  const text = useText();
  const me = useMe();
  const [open, menu] = useDisclosure(false);
  const live = useLive(me.data !== undefined);
  const { pathname } = useLocation();
  useEffect(() => void window.scrollTo(0, 0), [pathname]); // void: newer browsers return a promise, no clean-up
  useEffect(() => {
    if (me.data && !remembered()) setLanguage(me.data.person.language === "zh" ? "zh" : "en");
  }, [me.data]);
  if (me.error instanceof ApiError && me.error.status === 401)
    return <Navigate to={`/sign-in?to=${encodeURIComponent(pathname)}`} replace />;
  if (me.error) return <div className="content" style={{ margin: "10vh auto" }}><Failure error={me.error} retry={() => void me.refetch()} /></div>;
  if (!me.data)
    return (
      <div className="frame">
        <aside className="rail desktop"><span className="brand"><img src={mark} width={28} height={28} alt="" />Forewarn</span></aside>
        <div><header className="topbar" /><div className="content"><Bones rows={8} /></div></div>
      </div>
    );
  return (
    <div className="frame">
      <aside className="rail desktop"><Rail me={me.data} /></aside>
      <Drawer opened={open} onClose={menu.close} size={260} withCloseButton={false} padding={0} styles={{ content: { background: "#0f2a33" }, body: { height: "100%" } }}>
        <div className="rail" style={{ height: "100%" }}><Rail me={me.data} done={menu.close} /></div>
      </Drawer>
      <div style={{ minWidth: 0 }}>
        <header className="topbar">
          <div className="only-phone row">
            <Burger size="sm" opened={open} onClick={menu.toggle} aria-label={text.t("nav.menu")} />
            <Link to="/" className="plain" style={{ fontWeight: 680 }}>Forewarn</Link>
          </div>
          <SearchAll />
          <div className="grow" />
          <span className={live ? "live hide-phone" : "live off hide-phone"} role="status"><i />{live ? text.t("live.on") : text.t("live.off")}</span>
          <Bell />
          <LanguageSwitch signedIn />
          <UserMenu me={me.data} />
        </header>
        <main className="content">
          {me.data.demo && <DemoBanner me={me.data} />}
          <Called />
          <Suspense fallback={<Bones rows={8} />}><Outlet context={me.data} /></Suspense>
          <CallPop me={me.data} />
        </main>
      </div>
    </div>
  );
}

async function forgetField(): Promise<void> {
  const { forgetKept } = await import("../field/store");
  await forgetKept().catch(() => undefined);
}

function UserMenu(props: { me: Me }) {
  const text = useText();
  const client = useQueryClient();
  const leave = async () => {
    await post("/sign-out").catch(() => undefined);
    client.clear();
    await forgetField(); // this browser may also hold the technician's view
    location.assign("/sign-in");
  };
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <button type="button" className="plainbutton row" style={{ minHeight: 36 }} aria-label={props.me.person.name}>
          <CircleUserRound size={22} strokeWidth={1.7} aria-hidden />
          <span className="small hide-phone clamp1" style={{ fontWeight: 560, maxWidth: 150 }}>{props.me.person.name}</span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <div style={{ color: "var(--ink)", fontWeight: 600, overflowWrap: "anywhere" }}>{props.me.person.name}</div>
          <div>{props.me.roles.map((role) => text.code("role", role)).join(", ")}</div>
        </Menu.Label>
        {may(props.me, "visit.perform") && <Menu.Item component="a" href="/m" leftSection={<Smartphone size={16} />}>{text.t("nav.technician_view")}</Menu.Item>}
        <Menu.Divider />
        <Menu.Item leftSection={<LogOut size={16} />} onClick={() => void leave()}>{text.t("action.sign_out")}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
