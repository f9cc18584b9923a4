/** The places around a page: one row of links. */
import { useEffect, useRef } from "react";
import { NavLink, useLocation, useOutletContext } from "react-router";

import { may } from "../api/rows";
import type { Me } from "../api/types";

export type Tab = { to: string; label: string; tally?: number; action?: string }; // action: who may not do it does not see the place

export function Tabs(props: { tabs: Tab[]; label: string }) {
  const bar = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const me = useOutletContext<Me>();
  useEffect(() => {
    const here = bar.current?.querySelector<HTMLElement>("a.active");
    // On a phone the row is longer than the screen; the page itself must not move.
    if (here && bar.current) bar.current.scrollLeft = here.offsetLeft - bar.current.offsetLeft - 40;
  }, [pathname]);
  return (
    <nav className="tabs" aria-label={props.label} ref={bar}>
      {props.tabs.filter((tab) => !tab.action || may(me, tab.action)).map((tab) => (
        <NavLink key={tab.to} to={tab.to} end>{tab.label}{!!tab.tally && <span className="muted num"> {tab.tally}</span>}</NavLink>
      ))}
    </nav>
  );
}
