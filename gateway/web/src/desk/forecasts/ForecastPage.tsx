/** The forecast: hours by skill and parts by week, where people will be missing, and how good it was so far. */
import { Chip, Group } from "@mantine/core";
import { TrendingUp } from "lucide-react";
import { useState } from "react";

import { query } from "../../api/client";
import { rowsOf, useOne, useRows, type Schema } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { Bones, Empty, Failure, Loaded, Notice } from "../../ui/states";
import { BehindWeek } from "./BehindWeek";
import { Frame, hoursOf, hoursSaid, skillName, useQuestion, weekName } from "./frame";
import { PartsView } from "./PartsView";
import { WeekBars } from "./WeekBars";

type Skill = Schema["ForecastSkill"];

export function ForecastPage() {
  const { view } = useQuestion();
  const View = { parts: PartsView, gaps: GapsView, accuracy: AccuracyView }[view] ?? HoursView;
  return <Frame><View key={view} /></Frame>;
}

export const Nothing = (props: { what: string }) => {
  const text = useText();
  return <Empty icon={TrendingUp} sentence={text.t(`forecast.empty.${props.what}`)} example={text.t(`forecast.example.${props.what}`)} />;
};

const useHours = () => useOne<Schema["ForecastHours"]>(`/forecasts/hours${query(useQuestion().asked)}`);

function HoursView() {
  const text = useText();
  const { params, set } = useQuestion();
  const hours = useHours();
  const [open, show] = useState<number | null>(null);
  return (
    <Loaded of={hours} skeleton={<Bones rows={10} height={22} />}>
      {(data) => {
        if (data.skills.length === 0) return <Nothing what="hours" />;
        const chosen = params.get("skill") ?? "";
        const row: Skill = data.skills.find((one) => one.skill === chosen) ?? data.total;
        const missing = row.cells.reduce((sum, cell) => sum + (cell.missing ?? 0), 0);
        return (
          <div className="stack" style={{ gap: 14 }}>
            <Told data={data} row={row} />
            <Chip.Group value={row.skill} onChange={(value) => set({ skill: String(value) || null })}>
              <Group gap={8}>{[data.total, ...data.skills].map((one) => <Chip key={one.skill} value={one.skill} size="sm">{skillName(one.skill, text)} · {hoursOf(one.cells.reduce((sum, cell) => sum + cell.mean, 0), text)}</Chip>)}</Group>
            </Chip.Group>
            {missing > 0 && <Notice tone="watch">{text.t("forecast.missing_of", { value: hoursOf(missing, text), weeks: row.cells.filter((cell) => cell.missing).length })}</Notice>}
            <WeekBars weeks={data.weeks} cells={row.cells} label={text.t("forecast.view.hours")} choose={show} />
            <Weeks weeks={data.weeks} row={row} choose={show} />
            <div className="tiny muted break">{Object.entries(data.formulas).filter(([name]) => text.has(`forecast.formula.${name}`)).map(([name]) => <div key={name}><b>{text.t(`forecast.${name}`)}</b>: {text.t(`forecast.formula.${name}`)}</div>)}</div>
            {open !== null && <BehindWeek week={data.weeks[open]!} skill={row.skill} cell={row.cells[open]!} close={() => show(null)} />}
          </div>
        );
      }}
    </Loaded>
  );
}

/** What a reader has to know before the numbers: what is late, what nobody gave a time, what cannot be proven. */
function Told(props: { data: Schema["ForecastHours"]; row: Skill }) {
  const text = useText();
  const { data, row } = props;
  const { asked } = useQuestion();
  const said = [
    row.overdue_jobs > 0 && text.t("forecast.overdue", { count: row.overdue_jobs, value: hoursOf(row.overdue, text) }),
    row.unknown > 0 && text.t("forecast.unknown", { count: row.unknown }),
    !!asked.team_id && text.t("forecast.team_only"),
    !asked.team_id && data.history_weeks === 0 && text.t("forecast.no_history"),
    data.untimed_orders > 0 && text.t("forecast.untimed", { count: data.untimed_orders }),
    data.waiting > 0 && text.t("forecast.waiting", { count: data.waiting }),
    data.total.cells.every((cell) => cell.capacity === null) && text.t("forecast.no_people"),
    ...row.methods.map((method) => methodSaid(method, text)),
  ].filter(Boolean) as string[];
  if (said.length === 0) return null;
  return <div className="small muted stack" style={{ gap: 3 }}>{[...new Set(said)].map((line) => <div key={line}>{line}</div>)}</div>;
}

function methodSaid(method: Schema["ForecastMethod"], text: Text): string {
  if (method.method === "none") return text.t(`forecast.none.${method.reason ?? "nothing"}`, { weeks: method.weeks });
  if (!method.proven) return text.t("forecast.unproven", { weeks: method.weeks });
  return method.method === "naive" ? text.t("forecast.used_naive") : text.t("forecast.used_seasonal");
}

function Weeks(props: { weeks: string[]; row: Skill; choose: (place: number) => void }) {
  const text = useText();
  const { row } = props;
  const known = row.cells.some((cell) => cell.capacity !== null);
  return (
    <div className="card scroll">
      <table className="grid">
        <thead><tr><th>{text.t("forecast.week")}</th><th className="num">{text.t("forecast.expected")}</th><th className="num">{text.t("forecast.interval")}</th><th className="num">{text.t("forecast.planned")}</th><th className="num">{text.t("forecast.predicted")}</th><th className="num">{text.t("forecast.demand")}</th>{known && <><th className="num">{text.t("forecast.capacity")}</th><th className="num">{text.t("forecast.missing")}</th></>}</tr></thead>
        <tbody>
          {props.weeks.map((week, place) => {
            const cell = row.cells[place]!;
            return (
              <tr key={week}>
                <td style={{ whiteSpace: "nowrap" }}><button type="button" className="plainbutton link" onClick={() => props.choose(place)}>{weekName(week, text)}</button></td>
                <td className="num" style={{ fontWeight: 620 }}>{hoursOf(cell.mean, text)}</td>
                <td className="num muted" style={{ whiteSpace: "nowrap" }}>{cell.high - cell.low < 1 ? "·" : `${text.number(cell.low / 60, 1)} – ${text.number(cell.high / 60, 1)}`}</td>
                <td className="num">{hoursOf(cell.planned, text)}</td><td className="num">{hoursOf(cell.predicted, text)}</td><td className="num">{hoursOf(cell.demand, text)}</td>
                {known && <><td className="num">{hoursOf(cell.capacity, text)}</td><td className="num" style={{ color: cell.missing ? "#b3261e" : undefined, whiteSpace: "nowrap" }}>{cell.missing ? hoursOf(cell.missing, text) : cell.missing_high ? text.t("forecast.perhaps", { value: hoursOf(cell.missing_high, text) }) : "·"}</td></>}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function GapsView() {
  const text = useText();
  const gaps = useRows<Schema["GapItem"]>("/forecasts/gaps");
  if (!gaps.data) return gaps.isPending ? <Bones rows={6} /> : <Failure error={gaps.error} retry={() => void gaps.refetch()} />;
  const rows = rowsOf(gaps);
  if (rows.length === 0) return <Nothing what="gaps" />;
  return (
    <div className="stack" style={{ gap: 10 }}>
      {rows.map((gap) => (
        <div key={gap.id} className="card pad stack" style={{ gap: 4 }}>
          <div className="row wrap" style={{ gap: "2px 12px" }}>
            <b className="grow break">{text.t("forecast.week_of", { week: weekName(gap.week, text) })} · {skillName(gap.skill, text)}{gap.skill !== "any" && ` ≥ ${gap.level}`}{gap.team_name && ` · ${gap.team_name}`}</b>
            <b style={{ color: "#b3261e" }}>{text.t("forecast.missing_hours", { value: hoursOf(gap.missing_minutes, text) })}</b>
          </div>
          <div className="small">{text.t("forecast.gap_of", { needed: hoursSaid(gap.needed_minutes, text), capacity: hoursSaid(gap.capacity_minutes, text) })}{gap.missing_high_minutes > gap.missing_minutes && ` · ${text.t("forecast.perhaps", { value: hoursOf(gap.missing_high_minutes, text) })}`}</div>
          <div className="small muted">{Object.entries(gap.made_of).filter(([, minutes]) => minutes > 0).map(([source, minutes]) => `${text.t(`forecast.source.${source}`)} ${hoursOf(minutes, text)}`).join(" · ")} · {text.t("forecast.since", { at: text.moment(gap.opened_at) })}</div>
        </div>
      ))}
    </div>
  );
}

function AccuracyView() {
  const text = useText();
  const hours = useHours();
  const percent = (value: number | null | undefined) => (value === null || value === undefined ? "–" : `${text.number(100 * value, 0)} %`);
  return (
    <Loaded of={hours}>
      {(data) => {
        const rows = data.skills.flatMap((row) => row.methods.map((method) => ({ skill: row.skill, method })));
        if (rows.length === 0) return <Nothing what="accuracy" />;
        return (
          <div className="stack" style={{ gap: 12 }}>
            <div className="small muted">{text.t("forecast.tested", { share: percent(data.interval) })}</div>
            {rows.map(({ skill, method }) => (
              <div key={`${skill}${method.level}`} className="card pad stack" style={{ gap: 6 }}>
                <div className="row wrap" style={{ gap: "2px 12px" }}><b className="grow">{skillName(skill, text)}{skill !== "any" && ` ≥ ${method.level}`}</b><span className="small muted">{text.t("forecast.weeks_known", { count: method.weeks })}{method.origins > 0 && ` · ${text.t("forecast.origins", { count: method.origins, n: method.n })}`}</span></div>
                <div className="small">{methodSaid(method, text)}</div>
                {method.model && method.naive && (
                  <div className="scroll"><table className="grid">
                    <thead><tr><th /><th className="num">MASE</th><th className="num">WAPE</th><th className="num">{text.t("forecast.mae")}</th><th className="num">{text.t("forecast.coverage")}</th></tr></thead>
                    <tbody>{([["seasonal", method.model], ["naive", method.naive]] as const).map(([name, one]) => <tr key={name} style={{ fontWeight: name === method.method ? 620 : undefined }}><td style={{ whiteSpace: "nowrap" }}>{text.t(`forecast.method.${name}`)}{name === method.method && ` · ${text.t("forecast.used")}`}</td><td className="num">{one.mase === null ? "–" : text.number(one.mase, 2)}</td><td className="num">{percent(one.wape)}</td><td className="num">{hoursOf(one.mae, text)}</td><td className="num">{percent(one.coverage)}</td></tr>)}</tbody>
                  </table></div>
                )}
              </div>
            ))}
          </div>
        );
      }}
    </Loaded>
  );
}
