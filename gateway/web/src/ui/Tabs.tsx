/** The places around a page: one row of links. */
import { NavLink } from "react-router";

export type Tab = { to: string; label: string; tally?: number };

export function Tabs(props: { tabs: Tab[]; label: string }) {
  return (
    <nav className="tabs" aria-label={props.label}>
      {props.tabs.map((tab) => (
        <NavLink key={tab.to} to={tab.to} end>{tab.label}{!!tab.tally && <span className="muted num"> {tab.tally}</span>}</NavLink>
      ))}
    </nav>
  );
}
