/** Planned maintenance kept, what machines cost, and how often it pays to maintain them. */
import { Button, Drawer, NumberInput } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { query } from "../../api/client";
import { rowsOf, useOne, useRows, type Asked, type Schema } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { Bones, Failure, Loaded, Notice } from "../../ui/states";
import { Files, Formula, formulaText, Frame, groupName, hours, Nothing, percent, useQuestion, type Drill } from "./frame";

const KEPT_BY = ["plan", "model", "asset", "site", "customer"];
const KINDS = ["labour", "travel", "parts", "expenses", "downtime"];

export function CompliancePage() {
  const text = useText();
  const { params, asked } = useQuestion();
  const [drill, show] = useState<Drill | null>(null);
  const by = params.get("by") ?? "plan";
  const kept = useOne<Schema["ComplianceAnswer"]>(`/reliability/compliance${query({ ...asked, by })}`);
  const out = (row: Schema["ComplianceRow"]) => Object.entries(row.by_verdict).filter(([, count]) => count > 0).map(([why, count]) => `${text.t(`reliability.verdict.${why}`)} ${count}`).join(" · ");
  return (
    <Frame tab="compliance" table="compliance" more={{ by }} by={KEPT_BY} byNow={by}>
      <Loaded of={kept}>
        {(data) => data.whole.due === 0 && Object.keys(data.whole.by_verdict).length === 0 ? <Nothing what="occurrences" /> : (
          <div className="stack" style={{ gap: 14 }}>
            <button type="button" className="plainbutton card pad hover" style={{ textAlign: "left" }} onClick={() => show({ group: null, name: text.t("reliability.tab.compliance") })}>
              <div style={{ fontSize: 26, fontWeight: 680 }}>{percent(data.whole.value, text)}</div>
              <div className="small">{text.t("figures.of", { part: data.whole.on_time, n: data.whole.due })} · {out(data.whole)}</div>
              <Formula of={data.formula} />
            </button>
            <div className="card scroll">
              <table className="grid">
                <thead><tr><th>{text.t(`reliability.by.${by}`)}</th><th className="num">{text.t("reliability.kept")}</th><th className="num">n</th><th>{text.t("reliability.verdicts")}</th></tr></thead>
                <tbody>{data.items.map((row) => <tr key={row.group?.id ?? "none"}><td className="break" style={{ minWidth: 120 }}>{groupName(row.group, text)}</td><td className="num"><button type="button" className="plainbutton link" onClick={() => show({ group: row.group?.id ?? "none", name: groupName(row.group, text) })}>{percent(row.value, text)}</button></td><td className="num">{row.due}</td><td className="small muted">{out(row)}</td></tr>)}</tbody>
              </table>
            </div>
          </div>
        )}
      </Loaded>
      {drill && <Turns asked={{ ...asked, by, group: drill.group }} title={drill.name} close={() => show(null)} />}
    </Frame>
  );
}

function Turns(props: { asked: Asked; title: string; close: () => void }) {
  const text = useText();
  const rows = useRows<Schema["OccurrenceRow"]>("/reliability/compliance/rows", props.asked);
  return (
    <Drawer opened onClose={props.close} position="right" size="xl" title={props.title}>
      <div className="stack" style={{ gap: 10 }}>
        <div><Files table="compliance_rows" asked={props.asked} small /></div>
        {!rows.data ? rows.isPending ? <Bones rows={6} /> : <Failure error={rows.error} retry={() => void rows.refetch()} /> : rowsOf(rows).map((row) => (
          <div key={row.id} className="line">
            <div className="row wrap" style={{ gap: "2px 10px" }}><Link className="link grow break" to={`/assets/${row.asset.id}`}>{row.asset.name}</Link><span className="small muted">{row.plan.name}</span><b className="small">{text.t(`reliability.verdict.${row.verdict}`)}</b></div>
            <div className="tiny muted">{text.t("reliability.due", { at: text.moment(row.due_at), from: text.moment(row.earliest_at), until: text.moment(row.latest_at) })}{row.done_at && ` · ${text.t("reliability.done", { at: text.moment(row.done_at) })}`}{row.work_order_id && <Link className="link" style={{ marginLeft: 8 }} to={`/work-orders/${row.work_order_id}`}>{text.t("reliability.evidence.work_order")}</Link>}</div>
          </div>
        ))}
        {rows.hasNextPage && <Button variant="default" loading={rows.isFetchingNextPage} onClick={() => void rows.fetchNextPage()}>{text.t("sla.more")}</Button>}
      </div>
    </Drawer>
  );
}

function Amount(props: { name: string; label: string }) {
  const { params, set } = useQuestion();
  return <NumberInput className="filter" aria-label={props.label} placeholder={props.label} min={0} hideControls defaultValue={params.get(props.name) ?? ""} onBlur={(event) => set({ [props.name]: Number(event.currentTarget.value.replaceAll(",", "")) > 0 ? event.currentTarget.value.replaceAll(",", "") : null })} />;
}

export function CostsPage() {
  const text = useText();
  const { params, asked } = useQuestion();
  const more: Asked = { ...asked, downtime_cost_per_hour: params.get("down"), price: params.get("price") };
  const costs = useOne<Schema["Costs"]>(`/reliability/costs${query(more)}`);
  return (
    <Frame tab="costs" table="costs" extra={<><Amount name="down" label={text.t("reliability.down_cost")} /><Amount name="price" label={text.t("reliability.price")} /></>}>
      <Loaded of={costs}>
        {(data) => data.items.length === 0 ? <Nothing what="costs" /> : (
          <div className="stack" style={{ gap: 10 }}>
            {Object.keys(data.left_out).length > 0 && <div className="small muted">{text.t("figures.left_out")}: {Object.entries(data.left_out).map(([why, count]) => `${text.t(`reliability.cost_left.${why}`)} (${count})`).join(", ")}</div>}
            {data.items.map((row) => <Account key={row.asset.id} row={row} data={data} text={text} asked={more} />)}
          </div>
        )}
      </Loaded>
    </Frame>
  );
}

function Account(props: { row: Schema["CostRow"]; data: Schema["Costs"]; text: Text; asked: Asked }) {
  const { row, data, text } = props;
  const [open, set] = useState<{ year: number; currency: string } | null>(null);
  const { choice } = row;
  return (
    <div className="card pad stack" style={{ gap: 8 }}>
      <div className="row wrap"><Link className="link grow break" style={{ fontWeight: 620 }} to={`/assets/${row.asset.id}`}>{row.asset.name}</Link><b>{text.t(`reliability.choice.${choice.verdict}`)}</b></div>
      <div className="small muted">{choice.reason ? text.t(`reliability.choice_why.${choice.reason}`) : text.t("reliability.choice_of", { keep: text.number(choice.keep ?? 0, 0), replace: text.number(choice.replace ?? 0, 0), years: choice.best_years ?? 0, currency: data.currency })}</div>
      <div className="scroll">
        <table className="grid">
          <thead><tr><th>{text.t("reliability.year")}</th>{KINDS.map((kind) => <th key={kind} className="num" title={formulaText(data.formulas[kind] ?? "", text)}>{text.t(`reliability.cost.${kind}`)}</th>)}<th className="num">{text.t("reliability.total")}</th></tr></thead>
          <tbody>{row.years.map((year) => <tr key={`${year.year}${year.currency}`}><td>{year.year} {year.currency}{!year.whole_year && <span className="tiny muted"> {text.t("reliability.part_year")}</span>}</td>{KINDS.map((kind) => <td key={kind} className="num">{year.by_kind[kind] ? text.number(year.by_kind[kind], 2) : "–"}</td>)}<td className="num"><button type="button" className="plainbutton link" onClick={() => set({ year: year.year, currency: year.currency })}>{text.number(year.total, 2)}</button></td></tr>)}</tbody>
        </table>
      </div>
      <div className="tiny muted break">{data.formulas.keep} · {data.formulas.replace}</div>
      {open && <SpentRows asked={{ ...props.asked, asset_id: row.asset.id, year: open.year }} title={`${row.asset.name} · ${open.year}`} currency={open.currency} close={() => set(null)} />}
    </div>
  );
}

/** The amounts that a year is the sum of: whose order, which line, and the events that say so. */
function SpentRows(props: { asked: Asked; title: string; currency: string; close: () => void }) {
  const text = useText();
  const rows = useRows<Schema["SpentItem"]>("/reliability/costs/rows", props.asked);
  return (
    <Drawer opened onClose={props.close} position="right" size="xl" title={props.title}>
      <div className="stack" style={{ gap: 10 }}>
        {!rows.data ? rows.isPending ? <Bones rows={6} /> : <Failure error={rows.error} retry={() => void rows.refetch()} /> : rowsOf(rows).filter((row) => row.currency === props.currency).map((row) => (
          <div key={`${row.row_id}${row.at}`} className="line">
            <div className="row wrap" style={{ gap: "2px 10px" }}><span className="grow">{text.t(`reliability.cost.${row.kind}`)} {row.work_order_id && <Link className="link" to={`/work-orders/${row.work_order_id}`}>{row.work_order}</Link>}</span><b className="num">{text.number(row.amount, 2)} {row.currency}</b></div>
            <div className="tiny muted break">{text.moment(row.at)}{row.events.map((one) => <span key={one.event_id} className="mono" style={{ marginLeft: 8 }} title={`${one.kind} · ${text.moment(one.at)}`}>#{one.event_id}</span>)}</div>
          </div>
        ))}
        {rows.hasNextPage && <Button variant="default" loading={rows.isFetchingNextPage} onClick={() => void rows.fetchNextPage()}>{text.t("sla.more")}</Button>}
      </div>
    </Drawer>
  );
}

export function IntervalsPage() {
  const text = useText();
  const { params, asked } = useQuestion();
  const model = params.get("model");
  const path = `/reliability/intervals${query({ ...asked, planned_cost: params.get("planned"), failure_cost: params.get("failure"), now_days: params.get("now"), downtime_cost_per_hour: params.get("down") })}`;
  const found = useOne<Schema["IntervalAnswer"]>(path, !!model);
  const extra = <>{[["planned", "planned_cost"], ["failure", "failure_cost"], ["down", "down_cost"], ["now", "now_days"]].map(([name, label]) => <Amount key={name} name={name!} label={text.t(`reliability.${label}`)} />)}</>;
  return (
    <Frame tab="intervals" extra={extra}>
      {!model ? <Nothing what="model" /> : (
        <Loaded of={found}>
          {(data) => (
            <div className="stack" style={{ gap: 12 }}>
              {data.best ? <div style={{ fontSize: 22, fontWeight: 680 }}>{text.t("reliability.best", { value: hours(data.best.interval_h, text), saving: text.number(data.saving_per_year ?? 0, 0), currency: data.currency })}</div> : <Notice tone="quiet">{text.t(`reliability.no_interval.${data.reason ?? "no_gain"}`)}</Notice>}
              {data.trend.verdict === "worse" && <Notice tone="watch">{text.t("reliability.trend.worse", { p: percent(data.trend.p, text, 1) })}</Notice>}
              <Policies data={data} text={text} />
              <div className="small muted">{(["planned_cost", "failure_cost"] as const).map((name) => `${text.t(`reliability.${name}`)}: ${data[name].value === null ? "–" : text.number(data[name].value, 0)} (${text.t(`reliability.source.${data[name].source}`, { n: data[name].n })})`).join(" · ")} · {text.t("figures.n", { n: data.failures })} · <Formula of={data.formula} /></div>
            </div>
          )}
        </Loaded>
      )}
    </Frame>
  );
}

function Policies(props: { data: Schema["IntervalAnswer"]; text: Text }) {
  const { data, text } = props;
  const rows = (["best", "now", "to_failure"] as const).filter((name) => data[name]);
  if (rows.length === 0) return null;
  return (
    <div className="card scroll">
      <table className="grid">
        <thead><tr><th /><th className="num">{text.t("reliability.interval")}</th><th className="num">{text.t("reliability.cost_year")}</th><th className="num">{text.t("reliability.failures_year")}</th><th className="num">{text.t("reliability.services_year")}</th></tr></thead>
        <tbody>{rows.map((name) => <tr key={name}><td>{text.t(`reliability.policy.${name}`)}</td><td className="num">{hours(data[name]!.interval_h, text)}</td><td className="num">{text.number(data[name]!.cost_per_year, 0)} {data.currency}</td><td className="num">{text.number(data[name]!.failures_per_year, 2)}</td><td className="num">{text.number(data[name]!.services_per_year, 2)}</td></tr>)}</tbody>
      </table>
    </div>
  );
}
