/** What the places of the forecast share: weeks, whose work, files, and how minutes are written. */
import { Button, Menu, SegmentedControl, Select } from "@mantine/core";
import { Download } from "lucide-react";
import type { ReactNode } from "react";
import { useSearchParams } from "react-router";

import { query } from "../../api/client";
import type { Asked } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { Filters } from "../../ui/Filters";
import { PageHead, useTitle } from "../../ui/parts";
import { Pick } from "../../ui/Pick";
import { SITES } from "../assets/look";
import { TEAMS } from "../cases/common";
import { PlansTabs } from "../plans/PlansTabs";

export const SPANS = ["13", "26", "53"];
export const VIEWS = ["hours", "parts", "gaps", "accuracy"] as const;

/** The question in the address, so that it can be sent to somebody. */
export function useQuestion() {
  const [params, setParams] = useSearchParams();
  const set = (more: Record<string, string | null>) => setParams((held) => {
    const next = new URLSearchParams(held);
    for (const [name, value] of Object.entries(more)) if (value) next.set(name, value); else next.delete(name);
    return next;
  }, { replace: true });
  const asked: Asked = { weeks: Number(params.get("weeks") ?? 26), site_id: params.get("site"), team_id: params.get("team") };
  return { params, set, view: params.get("view") ?? "hours", asked };
}

export function Frame(props: { children: ReactNode }) {
  const text = useText();
  const { params, set, view, asked } = useQuestion();
  useTitle(text.t("forecast.title"));
  const picked = (name: string) => (params.get(name) ? { id: params.get(name)!, label: params.get(`${name}.label`) ?? params.get(name)! } : null);
  return (
    <>
      <PageHead title={text.t("nav.plans")} sub={text.t(`forecast.sub.${view}`)} right={<Files table={view} asked={asked} />} />
      <PlansTabs />
      <div className="scroll" style={{ marginBottom: 12 }}><SegmentedControl value={view} onChange={(next) => set({ view: next === "hours" ? null : next })} data={VIEWS.map((one) => ({ value: one, label: text.t(`forecast.view.${one}`) }))} /></div>
      {view !== "gaps" && (
        <Filters set={["site", "team"].filter((name) => params.get(name)).length}>
          <Select className="filter" aria-label={text.t("forecast.weeks")} value={params.get("weeks") ?? "26"} onChange={(value) => set({ weeks: value })} data={SPANS.map((count) => ({ value: count, label: text.t("forecast.next", { count: Number(count) }) }))} />
          <div className="filter"><Pick of={SITES} value={picked("site")} change={(one) => set({ site: one?.id ?? null, "site.label": one?.label ?? null })} placeholder={text.t("col.site")} /></div>
          {view === "hours" && <div className="filter"><Pick of={TEAMS} value={picked("team")} change={(one) => set({ team: one?.id ?? null, "team.label": one?.label ?? null })} placeholder={text.t("col.team")} /></div>}
        </Filters>
      )}
      {props.children}
    </>
  );
}

function Files(props: { table: string; asked: Asked }) {
  const text = useText();
  return (
    <Menu>
      <Menu.Target><Button variant="default" leftSection={<Download size={15} />}>{text.t("figures.export")}</Button></Menu.Target>
      <Menu.Dropdown>{["csv", "xlsx"].map((format) => <Menu.Item key={format} component="a" href={`/api/v1/forecasts/export${query({ ...props.asked, table: props.table, format })}`} download>{format.toUpperCase()}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}

/** Minutes as hours; nothing as a dash, so that a table is quiet where nothing is. */
export const hoursOf = (minutes: number | null | undefined, text: Text): string => (minutes === null || minutes === undefined ? "–" : minutes === 0 ? "·" : text.t("forecast.h", { value: text.number(minutes / 60, minutes < 600 ? 1 : 0) }));

/** In a sentence nothing is "0 h". */
export const hoursSaid = (minutes: number, text: Text): string => (minutes === 0 ? text.t("forecast.h", { value: 0 }) : hoursOf(minutes, text));

export const skillName = (skill: string, text: Text): string => (skill === "" ? text.t("forecast.all_skills") : skill === "any" ? text.t("forecast.any") : skill);

/** A Monday as "23 Nov"; with the year where it begins. */
export function weekName(week: string, text: Text): string {
  const day = new Date(`${week}T00:00:00`);
  return new Intl.DateTimeFormat(text.language === "zh" ? "zh-CN" : "en-GB", { day: "numeric", month: "short", ...(day.getMonth() === 0 && day.getDate() <= 7 ? { year: "numeric" } : {}) }).format(day);
}
