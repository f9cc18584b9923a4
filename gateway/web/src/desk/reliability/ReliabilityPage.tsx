/** Reliability: how long machines run, how long they stand, who fails most, what was kept, what it costs. */
import { SegmentedControl } from "@mantine/core";
import { useState } from "react";
import { useParams } from "react-router";

import { query } from "../../api/client";
import { useOne, type Asked, type Schema } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { Bones, Loaded, Notice } from "../../ui/states";
import { NotFoundPage } from "../NotFoundPage";
import { LifePage } from "./LifePage";
import { Behind, Formula, formulaText, Frame, groupName, hours, Nothing, percent, useQuestion, type Drill } from "./frame";
import { CompliancePage, CostsPage, IntervalsPage } from "./PlannedPages";

const BY = ["model", "asset", "site", "customer", "batch", "failure_mode", "component"];
type Row = Schema["ReliabilityRow"];
type Interval = Schema["RateInterval"];

const PLACES: Record<string, () => React.ReactNode> = { "": Overview, life: LifePage, "bad-actors": BadActors, pareto: ParetoPage, compliance: CompliancePage, costs: CostsPage, intervals: IntervalsPage };

export function ReliabilityPage() {
  const { tab = "" } = useParams();
  const Place = PLACES[tab];
  return Place ? <Place key={tab} /> : <NotFoundPage />;
}

function Overview() {
  const text = useText();
  const { params, asked } = useQuestion();
  const [drill, show] = useState<Drill | null>(null);
  const by = params.get("by") ?? "model";
  const more: Asked = { ...asked, by };
  const figures = useOne<Schema["ReliabilityFigures"]>(`/reliability${query(more)}`);
  return (
    <Frame tab="" table="figures" more={{ by }} by={BY} byNow={by}>
      <Loaded of={figures} skeleton={<Bones rows={8} height={24} />}>
        {(data) => data.whole.machines === 0 ? <Nothing what="machines" /> : (
          <div className="stack" style={{ gap: 14 }}>
            {data.young_records > 0 && <Notice tone="watch">{text.t("reliability.young", { count: data.young_records })}</Notice>}
            <Tiles data={data} show={() => show({ group: null, name: text.t("reliability.by.none") })} />
            {Object.keys(data.left_out).length > 0 && <div className="small muted">{text.t("figures.left_out")}: {Object.entries(data.left_out).map(([why, count]) => `${text.code("reliability.left", why)} (${count})`).join(", ")}</div>}
            {data.items.length > 0 && <Groups data={data} by={by} show={show} />}
          </div>
        )}
      </Loaded>
      {drill && <Behind asked={more} drill={drill} close={() => show(null)} />}
    </Frame>
  );
}

const between = (one: Interval, text: Text): string => {
  if (one.value === null && one.low !== null) return text.t("reliability.at_least", { value: hours(one.low, text) });
  return one.low !== null && one.high !== null ? text.t("reliability.between", { low: hours(one.low, text), high: hours(one.high, text) }) : "";
};

function Tiles(props: { data: Schema["ReliabilityFigures"]; show: () => void }) {
  const text = useText();
  const { whole, formulas } = props.data;
  const tiles: [string, string, string][] = [
    ...(["mtbf", "mttr_clock", "mttr_work"] as const).map((name): [string, string, string] => [name, hours(whole[name].value, text), [text.t("figures.n", { n: whole[name].n }), between(whole[name], text)].filter(Boolean).join(" · ")]),
    ["availability", percent(whole.availability, text, 3), text.t("reliability.of_machines", { count: whole.machines, hours: text.number(whole.observed_h, 0) })],
  ];
  return (
    <div className="figures four">
      {tiles.map(([name, value, more]) => (
        <button key={name} type="button" className="plainbutton figure hover" onClick={props.show}>
          <div className="what">{text.t(`reliability.figure.${name}`)}</div>
          <div className="big">{value}</div>
          <div className="more">{more}</div>
          <Formula of={formulas[name] ?? ""} />
        </button>
      ))}
    </div>
  );
}

function Groups(props: { data: Schema["ReliabilityFigures"]; by: string; show: (drill: Drill) => void }) {
  const text = useText();
  const press = (row: Row) => () => props.show({ group: row.group?.id ?? "none", name: groupName(row.group, text) });
  const cell = (row: Row, value: string, more = "") => <button type="button" className="plainbutton link" onClick={press(row)} title={more}>{value}</button>;
  const bound = (one: Interval) => one.value === null && one.low !== null ? `≥ ${hours(one.low, text)}` : hours(one.value, text);
  return (
    <div className="card scroll">
      <table className="grid">
        <thead><tr><th>{text.t(`reliability.by.${props.by}`)}</th><th className="num">{text.t("reliability.machines")}</th><th className="num">{text.t("reliability.failures")}</th>{["mtbf", "mttr_clock", "mttr_work", "availability"].map((name) => <th key={name} className="num" title={formulaText(props.data.formulas[name] ?? "", text)}>{text.t(`reliability.figure.${name}`)}</th>)}</tr></thead>
        <tbody>
          {props.data.items.map((row) => (
            <tr key={row.group?.id ?? "none"}>
              <td className="break" style={{ fontWeight: 560, minWidth: 120 }}>{groupName(row.group, text)}</td>
              <td className="num">{text.number(row.machines, 0)}</td>
              <td className="num">{cell(row, text.number(row.failures, 0))}{row.open_failures > 0 && <span className="tiny muted"> {text.t("reliability.open", { n: row.open_failures })}</span>}</td>
              <td className="num">{cell(row, bound(row.mtbf), between(row.mtbf, text))}</td>
              <td className="num">{cell(row, hours(row.mttr_clock.value, text), between(row.mttr_clock, text))}</td>
              <td className="num">{cell(row, hours(row.mttr_work.value, text), `n = ${row.mttr_work.n}`)}</td>
              <td className="num">{cell(row, percent(row.availability, text, 2))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function BadActors() {
  const text = useText();
  const { asked } = useQuestion();
  const [drill, show] = useState<Drill | null>(null);
  const actors = useOne<Schema["BadActors"]>(`/reliability/bad-actors${query(asked)}`);
  return (
    <Frame tab="bad-actors" table="bad_actors">
      <Loaded of={actors}>
        {(data) => !data.items.some((each) => each.failures > 0) ? <Nothing what="failures" /> : (
          <div className="stack" style={{ gap: 10 }}>
            <div className="small muted">{text.t("figures.n", { n: data.n })} · <Formula of={data.formula} /></div>
            <div className="card scroll">
              <table className="grid">
                <thead><tr><th>{text.t("reliability.by.asset")}</th><th>{text.t("col.model")}</th><th className="num">{text.t("reliability.failures")}</th><th className="num">{text.t("reliability.expected")}</th><th className="num">{text.t("reliability.ratio")}</th><th className="num">{text.t("reliability.chance")}</th><th className="num">{text.t("reliability.down")}</th></tr></thead>
                <tbody>
                  {data.items.map((each) => (
                    <tr key={each.asset.id}>
                      <td className="break" style={{ minWidth: 140 }}><b>{each.asset.name}</b>{each.bad_actor && <span className="chip small" style={{ marginLeft: 8 }}>{text.t("reliability.bad_actor")}</span>}</td>
                      <td className="break">{each.model ?? "–"}</td>
                      <td className="num"><button type="button" className="plainbutton link" onClick={() => show({ group: each.asset.id, name: each.asset.name })}>{text.number(each.failures, 0)}</button></td>
                      <td className="num">{each.expected === null ? "–" : text.number(each.expected, 1)}</td>
                      <td className="num">{each.ratio === null ? "–" : text.number(each.ratio, 1)}</td>
                      <td className="num">{each.p === null ? "–" : percent(each.p, text, 1)}</td>
                      <td className="num">{hours(each.failed_h, text)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </div>
        )}
      </Loaded>
      {drill && <Behind asked={{ ...asked, by: "asset" }} drill={drill} close={() => show(null)} />}
    </Frame>
  );
}

function ParetoPage() {
  const text = useText();
  const { params, asked, set } = useQuestion();
  const [drill, show] = useState<Drill | null>(null);
  const by = params.get("by") ?? "failure_mode";
  const measure = params.get("measure") ?? "failures";
  const pareto = useOne<Schema["Pareto"]>(`/reliability/pareto${query({ ...asked, by, measure })}`);
  return (
    <Frame tab="pareto" table="pareto" more={{ by, measure }} by={BY} byNow={by} extra={<SegmentedControl value={measure} onChange={(value) => set({ measure: value })} data={["failures", "hours"].map((value) => ({ value, label: text.t(`reliability.measure.${value}`) }))} />}>
      <Loaded of={pareto}>
        {(data) => data.items.length === 0 ? <Nothing what="failures" /> : (
          <div className="card pad stack" style={{ gap: 10 }}>
            <div className="small muted">{text.t("figures.n", { n: data.n })} · <Formula of={data.formula} /></div>
            {data.items.map((bar) => (
              <button key={bar.group.id ?? "none"} type="button" className="plainbutton" style={{ textAlign: "left" }} onClick={() => show({ group: bar.group.id ?? "none", name: groupName(bar.group, text) })}>
                <div className="row small"><span className="grow break">{groupName(bar.group, text)}</span><b className="num">{measure === "hours" ? hours(bar.value, text) : text.number(bar.value, 0)}</b><span className="num muted" style={{ width: 130, textAlign: "right" }}>{percent(bar.share, text, 0)} · Σ {percent(bar.cumulative, text, 0)}</span></div>
                <div className="ledger-bar" style={{ height: 8 }}><i style={{ width: `${100 * bar.value / data.items[0]!.value}%` }} /></div>
              </button>
            ))}
          </div>
        )}
      </Loaded>
      {drill && <Behind asked={{ ...asked, by }} drill={drill} close={() => show(null)} />}
    </Frame>
  );
}
