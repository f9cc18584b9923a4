/** What the pages of people share: hours as people read them, skills as chips, and visits that a change is in the way of. */
import { Modal } from "@mantine/core";
import { CalendarX2 } from "lucide-react";
import { Link } from "react-router";

import type { Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import type { Source } from "../../ui/Pick";
import { Notice } from "../../ui/states";
import type { Tone } from "../../ui/theme";

export type Technician = Schema["TechnicianItem"];
export type Held = Schema["HeldItem"];
export type Meanwhile = Schema["VisitMeanwhile"];

export const TECHNICIANS: Source = { path: "/technicians", local: true, label: (row) => row.name };
export const TEAMS: Source = { path: "/teams", label: (row) => row.name };
export const SHIFTS: Source = { path: "/shifts", label: (row) => row.name };
export const CENTRES: Source = { path: "/work-centres", local: true, label: (row) => `${row.code} · ${row.name}` };
export const SKILLS: Source = { path: "/skills", label: (row, language) => `${row.code} · ${language === "zh" ? row.name_zh : row.name_en}` };
export const CALENDARS: Source = { path: "/calendars", local: true, label: (row) => row.name };

export const VALIDITY: Record<string, Tone> = { valid: "ok", expires: "watch", expired: "trouble", not_yet: "quiet", no_certificate: "trouble" };

export const zones = (): { value: string; label: string }[] => Intl.supportedValuesOf("timeZone").map((zone) => ({ value: zone, label: zone.replaceAll("_", " ") }));
export const here = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A day of the reader's own calendar. */
export const dayOf = (at: Date): string => `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
export const plusDays = (day: string, days: number): string => {
  const at = new Date(`${day}T12:00:00`);
  at.setDate(at.getDate() + days);
  return dayOf(at);
};

export function useHours(): (minutes: number) => string {
  const text = useText();
  return (minutes) => text.t("people.hours", { hours: text.number(minutes / 60, 1) });
}

export function SkillChip(props: { held: Held }) {
  const text = useText();
  const { held } = props;
  const name = text.language === "zh" ? held.name_zh : held.name_en;
  return <Chip small tone={VALIDITY[held.validity] ?? "quiet"} title={`${name} · ${text.code("validity", held.validity)}${held.valid_until ? ` · ${text.t("people.until_day", { day: text.day(`${held.valid_until}T12:00:00`) })}` : ""}`}>{held.code} {held.level}</Chip>;
}

/** How full: a share of what is available; more than all of it is red. */
export function Load(props: { share: number | null | undefined }) {
  const text = useText();
  if (props.share === null || props.share === undefined) return <span className="faint">–</span>;
  const ink = props.share > 1 ? "#b3261e" : props.share > 0.85 ? "#8f5a00" : "#1d7470";
  return (
    <span className="row" style={{ gap: 8, minWidth: 110 }}>
      <span aria-hidden style={{ flex: 1, height: 6, borderRadius: 3, background: "#e7ecf0", overflow: "hidden" }}><span style={{ display: "block", height: "100%", width: `${Math.min(100, props.share * 100)}%`, background: ink }} /></span>
      <span className="num" style={{ color: ink, minWidth: 40, textAlign: "right" }}>{text.percent(props.share)}</span>
    </span>
  );
}

/** Visits that somebody else has to make now. */
export function Conflicts(props: { visits: Meanwhile[]; close: () => void }) {
  const text = useText();
  return (
    <Modal opened onClose={props.close} title={text.t("people.conflicts", { count: props.visits.length })}>
      <div className="stack" style={{ gap: 12 }}>
        <Notice tone="watch" icon={CalendarX2}>{text.t("people.conflicts_note")}</Notice>
        <div>
          {props.visits.map((visit) => (
            <Link key={visit.visit_id} to={`/work-orders/${visit.work_order_id}`} className="line row wrap" style={{ gap: "2px 12px" }}>
              <span className="mono">{visit.number}</span><span className="grow small">{text.moment(visit.planned_start)}</span><span className="small muted">{text.code("state", visit.state)}</span>
            </Link>
          ))}
        </div>
      </div>
    </Modal>
  );
}
