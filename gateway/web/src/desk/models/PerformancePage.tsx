/** How good the models are: each figure by model and month, and behind each figure the work orders that made it. */
import { SegmentedControl, Select } from "@mantine/core";
import { ChartNoAxesCombined, ChevronDown } from "lucide-react";
import { useState } from "react";
import { useSearchParams } from "react-router";

import { named, useAssetModels } from "../../api/policies";
import { usePerformance, type Counts, type Drilled, type ModelRow, type Performance } from "../../api/performance";
import { useText, type Text } from "../../i18n/useText";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import { Drill } from "./Drill";
import { FIGURES, figureText, type Figure } from "./figures";
import { ModelTabs } from "./ModelTabs";

const MONTHS = [3, 12, 24];

export function PerformancePage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const asked = { months: Number(params.get("months") ?? 12), model: params.get("asset_model") ?? "", replayed: params.get("replayed") === "true" };
  const performance = usePerformance(asked);
  const models = useAssetModels().data?.items ?? [];
  const set = (name: string, value: string) => setParams((now) => { value ? now.set(name, value) : now.delete(name); return now; }, { replace: true });
  const drilled: Drilled | null = params.get("figure") ? { figure: params.get("figure")!, model: params.get("of") ?? "all", month: params.get("month"), months: asked.months, replayed: asked.replayed } : null;
  const drill = (figure: string, model: string, month: string | null) =>
    setParams((now) => { now.set("figure", figure); now.set("of", model); month ? now.set("month", month) : now.delete("month"); return now; });
  const close = () => setParams((now) => { for (const name of ["figure", "of", "month"]) now.delete(name); return now; }, { replace: true });
  useTitle(text.t("models.tab.performance"));
  return (
    <>
      <PageHead title={text.t("nav.models")} sub={text.t("performance.sub")} />
      <ModelTabs />
      <div className="row wrap" style={{ gap: 10, marginBottom: 14 }}>
        <SegmentedControl size="xs" value={String(asked.months)} onChange={(value) => set("months", value)} data={MONTHS.map((one) => ({ value: String(one), label: text.t("performance.months", { count: one }) }))} />
        <SegmentedControl size="xs" value={asked.replayed ? "replayed" : "live"} onChange={(value) => set("replayed", value === "replayed" ? "true" : "")} data={["live", "replayed"].map((word) => ({ value: word, label: text.t(`performance.lane.${word}`) }))} />
        {models.length > 1 && <Select size="xs" aria-label={text.t("policies.for")} value={asked.model} onChange={(value) => set("asset_model", value ?? "")} data={[{ value: "", label: text.t("policies.all_models") }, ...models.map((one) => ({ value: one.id, label: named(one, text.language) }))]} style={{ width: 240 }} />}
      </div>
      <Loaded of={performance} skeleton={<Bones rows={8} height={24} />}>{(data) => <Figures data={data} drill={drill} />}</Loaded>
      {drilled && performance.data && <Drill asked={drilled} performance={performance.data} set={(figure) => drill(figure, drilled.model, drilled.month)} close={close} />}
    </>
  );
}

type DrillTo = (figure: string, model: string, month: string | null) => void;

function Figures(props: { data: Performance; drill: DrillTo }) {
  const text = useText();
  const { data, drill } = props;
  const overall = data.overall.figures;
  if (overall.orders === 0 && data.items.length === 0) return <Empty icon={ChartNoAxesCombined} sentence={text.t("performance.empty")} example={text.t("performance.example")} />;
  return (
    <div className="stack" style={{ gap: 16 }}>
      <div className="figures four">
        {FIGURES.map((figure) => (
          <button key={figure.name} type="button" className="plainbutton figure hover" onClick={() => drill(figure.drill, "all", null)}>
            <div className="what">{text.t(`performance.figure.${figure.name}`)}</div>
            <div className="big">{figureText(figure, overall, text)}</div>
            <div className="more">{text.t(`performance.made_of.${figure.name}`, { ...overall, asset_months: text.number(overall.asset_months) })}</div>
          </button>
        ))}
      </div>
      <div className="tiny muted">{text.t("performance.horizon", { horizon: text.number(data.horizon_s / 86_400, 0), lead: text.number(data.min_lead_s / 3600, 1), from: text.day(data.from), until: text.day(data.until) })}</div>
      {data.items.map((row) => <Row key={row.model} row={row} drill={drill} />)}
    </div>
  );
}

export function modelName(row: Pick<ModelRow, "detector" | "asset_model" | "model">, text: Text): string {
  const of = row.asset_model ? (text.language === "zh" ? row.asset_model.name_zh : row.asset_model.name_en) : text.t("performance.no_model");
  return row.model === "all" ? text.t("performance.all") : `${text.code("detector", row.detector)} · ${of}`;
}

function Row(props: { row: ModelRow; drill: DrillTo }) {
  const text = useText();
  const { row, drill } = props;
  const [open, setOpen] = useState(false);
  const months = [...row.months].reverse();
  return (
    <section className="card">
      <div className="card-head"><h2 className="grow break">{modelName(row, text)}</h2><Verdicts counts={row.figures} drill={(figure) => drill(figure, row.model, null)} /></div>
      <div className="row wrap inset" style={{ gap: "10px 28px", paddingTop: 10, paddingBottom: 14 }}>
        {FIGURES.map((figure) => <Small key={figure.name} figure={figure} counts={row.figures} open={() => drill(figure.drill, row.model, null)} />)}
        <Trend months={row.months} />
      </div>
      <button type="button" className="plainbutton small link row inset" style={{ gap: 4, paddingBottom: 12 }} aria-expanded={open} onClick={() => setOpen(!open)}>
        <ChevronDown size={15} aria-hidden style={{ transform: open ? "rotate(180deg)" : undefined }} />{text.t("performance.by_month")}
      </button>
      {open && (
        <div className="scroll" style={{ borderTop: "1px solid var(--line-soft)" }}>
          <table className="grid">
            <thead><tr><th>{text.t("performance.month")}</th><th className="num">{text.t("performance.orders")}</th>{FIGURES.map((figure) => <th key={figure.name} className="num">{text.t(`performance.figure.${figure.name}`)}</th>)}</tr></thead>
            <tbody>
              {months.map((month) => (
                <tr key={month.month}>
                  <td className="nowrap num" style={{ textAlign: "left" }}>{month.month}</td>
                  <td className="num"><Press label={text.number(month.orders, 0)} go={month.orders > 0 ? () => drill("orders", row.model, month.month) : undefined} /></td>
                  {FIGURES.map((figure) => <td key={figure.name} className="num"><Press label={figureText(figure, month, text)} go={figure.value(month) === null ? undefined : () => drill(figure.drill, row.model, month.month)} /></td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Press(props: { label: string; go?: () => void }) {
  return props.go ? <button type="button" className="plainbutton link num" onClick={props.go}>{props.label}</button> : <span className="faint">{props.label}</span>;
}

function Small(props: { figure: Figure; counts: Counts; open: () => void }) {
  const text = useText();
  return (
    <button type="button" className="plainbutton hover-text" onClick={props.open}>
      <div className="eyebrow">{text.t(`performance.figure.${props.figure.name}`)}</div>
      <div className="num" style={{ fontSize: 20, fontWeight: 660 }}>{figureText(props.figure, props.counts, text)}</div>
    </button>
  );
}

/** What planners said about predicted jobs. */
function Verdicts(props: { counts: Counts; drill: (figure: string) => void }) {
  const text = useText();
  const { accepted, dismissed, suppressed, audited } = props.counts;
  if (accepted + dismissed + suppressed + audited === 0) return null;
  return (
    <span className="row small">
      {accepted > 0 && <button type="button" className="plainbutton link" onClick={() => props.drill("accepted")}>{text.t("performance.accepted", { count: accepted })}</button>}
      {dismissed > 0 && <button type="button" className="plainbutton link" onClick={() => props.drill("dismissed")}>{text.t("performance.dismissed", { count: dismissed })}</button>}
      {suppressed + audited > 0 && <button type="button" className="plainbutton link" onClick={() => props.drill(suppressed > 0 ? "suppressed" : "audited")}>{text.t("performance.held", { count: suppressed })}</button>}
    </span>
  );
}

/** Right and wrong orders, month by month. */
function Trend(props: { months: ModelRow["months"] }) {
  const text = useText();
  const most = Math.max(1, ...props.months.map((month) => month.right + month.wrong));
  const height = (count: number) => (count / most) * 34;
  return (
    <svg className="trend" width={props.months.length * 12} height={38} role="img" aria-label={text.t("performance.trend")}>
      {props.months.map((month, index) => (
        <g key={month.month}>
          <title>{text.t("performance.trend_month", { month: month.month, right: month.right, wrong: month.wrong })}</title>
          <rect x={index * 12 + 1} y={36 - height(month.right)} width={9} height={height(month.right)} fill="#2c9a63" />
          <rect x={index * 12 + 1} y={36 - height(month.right + month.wrong)} width={9} height={height(month.wrong)} fill="#b3261e" />
          <rect x={index * 12 + 1} y={36} width={9} height={1.5} fill="#d5dce2" />
        </g>
      ))}
    </svg>
  );
}
