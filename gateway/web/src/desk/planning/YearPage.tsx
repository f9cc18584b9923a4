/** Twelve months of planned and predicted work by week, skill or site; drag it to other weeks and see what that does. */
import { Button, SegmentedControl } from "@mantine/core";
import { CalendarRange } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { useOutletContext, useSearchParams } from "react-router";

import { may, useOne } from "../../api/rows";
import { query } from "../../api/client";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Filters } from "../../ui/Filters";
import { PageHead, useTitle } from "../../ui/parts";
import { Pick } from "../../ui/Pick";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { SITES } from "../assets/look";
import { SKILLS } from "../plans/look";
import { PlansTabs } from "../plans/PlansTabs";
import { cellWords, heat, mondayOf, shifted, weeksBetween, type Cell, type DraftDetail, type Move, type Row, type Work, type Year } from "./look";
import { TryOut } from "./TryOut";
import { WeekWork } from "./WeekWork";

export type Chosen = { week: string; row: Row | null };
const WIDTH = 24;

export function YearPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [params, setParams] = useSearchParams();
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [moves, setMoves] = useState<Move[]>([]);
  const [over, setOver] = useState<string | null>(null);
  const dragged = useRef<Work | null>(null);
  const by = params.get("by") === "site" ? "site" : "skill";
  const asked = { by, weeks: 53, from: params.get("from"), site_id: params.get("site"), skill: params.get("skill") };
  const year = useOne<Year>(`/planning/year${query(asked)}`);
  const draft = useOne<DraftDetail>(`/planning/drafts/${params.get("draft")}`, params.get("draft") !== null);
  useEffect(() => {
    if (draft.data?.state === "open") setMoves(draft.data.outcome.moves.map((one) => ({ work: { id: one.occurrence_id, asset: one.asset.name, plan: one.plan_code, at: one.from_at ?? one.to }, to: one.to })));
  }, [draft.data]);
  useTitle(text.t("planning.year"));
  const set = (more: Record<string, string | null>) => setParams((held) => {
    const next = new URLSearchParams(held);
    for (const [name, value] of Object.entries(more)) if (value) next.set(name, value); else next.delete(name);
    return next;
  }, { replace: true });
  const picked = (name: string) => (params.get(name) ? { id: params.get(name)!, label: params.get(`${name}.label`) ?? params.get(name)! } : null);
  const decides = may(me, "occurrence.decide");
  const put = (work: Work, to: string) => {
    if (!work.at) return;
    const one: Move = { work: { id: work.id, asset: work.asset.name, plan: work.plan_code ?? "", at: work.at }, to };
    setMoves((held) => [...held.filter((each) => each.work.id !== work.id), ...(to === work.at ? [] : [one])]);
  };
  const drop = (week: string) => {
    const work = dragged.current;
    setOver(null);
    dragged.current = null;
    if (work) put(work, shifted(work.at ?? work.on, 7 * weeksBetween(mondayOf(work.on), week)));
  };
  return (
    <>
      <PageHead title={text.t("planning.year")} sub={text.t("planning.year_sub")} />
      <PlansTabs />
      <Filters set={["site", "skill"].filter((name) => params.get(name)).length}>
        <SegmentedControl value={by} onChange={(value) => { setChosen(null); set({ by: value }); }} data={["skill", "site"].map((word) => ({ value: word, label: text.t(`planning.by.${word}`) }))} />
        <div className="filter"><Pick of={SITES} value={picked("site")} change={(one) => set({ site: one?.id ?? null, "site.label": one?.label ?? null })} placeholder={text.t("col.site")} /></div>
        <div className="filter"><Pick of={SKILLS} value={picked("skill")} change={(one) => set({ skill: one?.id ?? null, "skill.label": one?.label ?? null })} placeholder={text.t("planning.skill")} /></div>
      </Filters>
      {moves.length > 0 && <TryOut moves={moves} draft={draft.data?.state === "open" ? draft.data : null} change={setMoves} close={() => { setMoves([]); set({ draft: null }); }} />}
      <Loaded of={year} skeleton={<Bones rows={8} height={24} />}>
        {(found) => found.rows.length === 0 && found.total.every((cell) => cell.predicted === 0) ? (
          <Empty icon={CalendarRange} sentence={text.t("planning.empty")} example={text.t("planning.example")} />
        ) : (
          <>
            {found.waiting > 0 && <Notice tone="learning">{text.t("planning.waiting", { count: found.waiting })}</Notice>}
            <Heat year={found} chosen={chosen} choose={setChosen} over={over} enter={(week) => dragged.current && setOver(week)} drop={drop} />
            <Legend />
            {found.more_rows > 0 && <div className="small muted">{text.t("planning.more_rows", { count: found.more_rows })}</div>}
          </>
        )}
      </Loaded>
      {chosen && <WeekWork key={`${chosen.week}${chosen.row?.key ?? ""}`} chosen={chosen} by={by} site={params.get("site")} skill={params.get("skill")} moves={moves} decides={decides} drag={(work) => { dragged.current = work; }} put={put} close={() => setChosen(null)} />}
      {!chosen && year.data && <p className="small muted">{text.t(decides ? "planning.hint_drag" : "planning.hint")}</p>}
    </>
  );
}

function Heat(props: { year: Year; chosen: Chosen | null; choose: (one: Chosen | null) => void; over: string | null; enter: (week: string) => void; drop: (week: string) => void }) {
  const text = useText();
  const { year } = props;
  const months = useMemo(() => {
    const found: { label: string; count: number }[] = [];
    for (const week of year.weeks) {
      const label = new Date(`${week}T12:00:00`).toLocaleDateString(text.language === "zh" ? "zh-CN" : "en-GB", { month: "short", year: "2-digit" });
      if (found.at(-1)?.label === label) found.at(-1)!.count += 1; else found.push({ label, count: 1 });
    }
    return found;
  }, [year.weeks, text.language]);
  const all: Row = { key: "*", name: null, name_zh: null, cells: year.total };
  const name = (row: Row) => (row === all ? text.t("planning.all") : row.key === "any" ? text.t("planning.any_skill") : (text.language === "zh" && row.name_zh) || row.name || row.key || text.t("planning.no_site"));
  return (
    <div className="card scroll" style={{ padding: 12 }}>
      <table className="small" style={{ borderCollapse: "separate", borderSpacing: 2 }} onDragLeave={() => props.enter("")}>
        <thead>
          <tr><th style={HEAD} />{months.map((month, index) => <th key={index} colSpan={month.count} className="tiny muted" style={{ textAlign: "left", fontWeight: 560, whiteSpace: "nowrap", overflow: "hidden", maxWidth: WIDTH * month.count }}>{month.count > 1 ? month.label : ""}</th>)}</tr>
        </thead>
        <tbody>
          {[all, ...year.rows].map((row) => {
            const busiest = Math.max(...row.cells.map((cell) => cell.minutes));
            return (
              <tr key={row.key ?? "none"}>
                <th style={HEAD}><div title={name(row)} style={{ maxWidth: 142, overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" }}>{name(row)}</div></th>
                {row.cells.map((cell) => {
                  const mine = props.chosen?.week === cell.week && (props.chosen.row?.key ?? "*") === (row.key ?? "none");
                  return (
                    <td key={cell.week} style={{ padding: 0 }}>
                      <button type="button" className="plainbutton num" title={cellWords(cell, text)} aria-label={`${name(row)}: ${cellWords(cell, text)}`} aria-pressed={mine}
                        onClick={() => props.choose(mine ? null : { week: cell.week, row: row === all ? null : row })}
                        onDragOver={(event) => { event.preventDefault(); props.enter(cell.week); }}
                        onDrop={(event) => { event.preventDefault(); props.drop(cell.week); }}
                        style={{ ...heat(cell, busiest), width: WIDTH, height: 30, borderRadius: 5, fontSize: 10.5, textAlign: "center", outline: mine ? "2px solid var(--ink)" : props.over === cell.week ? "2px dashed #1d7470" : undefined, boxShadow: cell.predicted > 0 && (row === all || year.by === "site") ? "inset 0 -3px 0 #8e44ad" : undefined }}>
                        {label(cell)}
                      </button>
                    </td>
                  );
                })}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

const HEAD = { position: "sticky" as const, left: 0, zIndex: 1, background: "var(--card)", textAlign: "left" as const, fontWeight: 600, minWidth: 96, maxWidth: 150, paddingRight: 8 };
const label = (cell: Cell): string => (cell.jobs === 0 ? (cell.predicted > 0 ? "·" : "") : cell.jobs > 999 ? `${Math.round(cell.jobs / 1000)}k` : String(cell.jobs));

function Legend() {
  const text = useText();
  const parts: [string, string][] = [["rgba(29,116,112,.5)", "planning.legend.load"], ["#f0b429", "planning.legend.near"], ["#c0392b", "planning.legend.over"], ["#8e44ad", "planning.legend.predicted"]];
  return (
    <div className="row wrap tiny muted" style={{ gap: "4px 16px", margin: "8px 2px 14px" }}>
      {parts.map(([colour, key]) => <span key={key} className="row" style={{ gap: 6 }}><i style={{ width: 12, height: key.endsWith("predicted") ? 4 : 12, borderRadius: 3, background: colour, display: "inline-block" }} />{text.t(key)}</span>)}
    </div>
  );
}

export const CloseButton = (props: { close: () => void }) => { const text = useText(); return <Button size="compact-sm" variant="default" onClick={props.close}>{text.t("planning.close")}</Button>; };
