/** One kind of machine: metrics with limits, failure modes, parts list, own fields, checklist, meters, documents. */
import { ClipboardList, Pencil } from "lucide-react";
import type { ReactNode } from "react";
import { Link, useOutletContext, useParams } from "react-router";

import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { duration } from "../../i18n/format";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import type { Field, Values } from "../../ui/Form";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Empty, Loaded } from "../../ui/states";
import { Tabs } from "../../ui/Tabs";
import { MODELS } from "../assets/look";
import { DocumentList } from "../files/DocumentList";
import { modelFields, type ModelRow } from "./AssetModelsPage";
import { FailureModes } from "./FailureModesPage";

export type Metric = { unit?: string | null; label_en?: string | null; label_zh?: string | null; low_low?: number | null; low?: number | null; high?: number | null; high_high?: number | null; rate_per_s?: number | null; expected_interval_s?: number | null; role?: string | null; position?: number | null };
export type Model = ModelRow & { metrics: Record<string, Metric>; custom_fields: Values[]; checklist: Values[]; meters: Values[] };
export type Line = { id: string; item_number: string | null; name_en: string | null; name_zh: string | null; quantity: number; unit: string; place: string | null; child_model_id: string | null; note: string | null };
const TABS = ["metrics", "failure-modes", "bom", "fields", "documents"];

export function AssetModelPage() {
  const { id = "" } = useParams();
  const model = useOne<Model>(`/asset-models/${id}`);
  useTitle(model.data?.name_en);
  return <Loaded of={model} skeleton={<Bones rows={8} />}>{(data) => <One model={data} />}</Loaded>;
}

function One(props: { model: Model }) {
  const { model } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const { tab = "metrics" } = useParams();
  const manage = may(me, "asset.manage");
  const name = (text.language === "zh" && model.name_zh) || model.name_en;
  const edit = { path: `/asset-models/${model.id}`, method: "PATCH" as const, version: model.version, done: "form.saved", submit: text.t("action.save") };
  const rooms: Record<string, ReactNode> = {
    metrics: <Metrics model={model} edit={manage ? edit : null} />,
    "failure-modes": <FailureModes model={model.id} />,
    bom: <Bom model={model} manage={manage} />,
    fields: <Own model={model} edit={manage ? edit : null} />,
    documents: <DocumentList asked={{ asset_model_id: model.id }} owner={{ asset_model_id: model.id }} title={text.t("nav.documents")} />,
  };
  return (
    <>
      <PageHead back={{ to: "/asset-models", label: text.t("nav.asset_models") }} title={name} sub={<><span className="mono">{model.code}</span>{model.manufacturer && ` · ${model.manufacturer}`} · <Link className="link" to={`/assets?asset_model_id=${model.id}&asset_model_id.label=${encodeURIComponent(name)}`}>{text.t("asset_models.machines")}</Link></>} right={manage && <FormButton icon={Pencil} label={text.t("action.edit")} form={{ ...edit, title: name, fields: modelFields.slice(1), initial: { ...model } }} />} />
      <Tabs label={name} tabs={TABS.map((one) => ({ to: `/asset-models/${model.id}${one === "metrics" ? "" : `/${one}`}`, label: text.t(`asset_models.tab.${one.replace("-", "_")}`) }))} />
      {rooms[tab] ?? rooms.metrics}
    </>
  );
}

export type Edit = { path: string; method: "PATCH"; version: number | undefined; done: string; submit: string } | null;

const metricLines: Field[] = [
  { name: "metric", label: "asset_models.metric", required: true, most: 100, example: "bearing_temperature_celsius" },
  { name: "unit", label: "col.unit", half: true, most: 20, example: "Cel" },
  { name: "label_en", label: "col.name_en" },
  { name: "label_zh", label: "col.name_zh" },
  ...["low_low", "low", "high", "high_high"].map((name): Field => ({ name, label: `limit.${name}`, kind: "number", half: true })),
  { name: "expected_interval_s", label: "asset_models.interval", kind: "number", half: true, min: 0, suffix: "s" },
];

function Metrics(props: { model: Model; edit: Edit }) {
  const text = useText();
  const { metrics } = props.model;
  const rows = Object.entries(metrics ?? {}).map(([metric, about]) => ({ id: metric, metric, ...about })).sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
  const limit = (value: number | null | undefined) => (value === null || value === undefined ? <span className="faint">–</span> : text.number(value));
  const body = (values: Values) => ({ metrics: Object.fromEntries((values.rows as Values[]).filter((row) => String(row.metric ?? "").trim()).map((row, position) => { const { metric, id: _, ...about } = row; return [String(metric).trim(), { ...about, position }]; })) });
  return (
    <CardBlock title={text.t("asset_models.tab.metrics")} flush right={props.edit && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ ...props.edit, title: text.t("asset_models.tab.metrics"), size: "xl", fields: [{ name: "rows", label: "asset_models.tab.metrics", kind: "lines", lines: metricLines }], initial: { rows }, body }} />}>
      {rows.length === 0 ? <Empty bare icon={ClipboardList} sentence={text.t("asset_models.no_metrics")} /> : (
        <Table plain rows={rows} columns={[
          { label: "col.name", cell: (row) => <>{(text.language === "zh" ? row.label_zh : row.label_en) ?? row.metric}<div className="mono tiny muted break">{row.metric}</div></> },
          { label: "col.unit", cell: (row) => text.value(1, row.unit).replace(/^1\s?/, "") || "–" },
          { label: "limit.low_low", num: true, phone: "named", cell: (row) => limit(row.low_low) },
          { label: "limit.low", num: true, phone: "named", cell: (row) => limit(row.low) },
          { label: "limit.high", num: true, phone: "named", cell: (row) => limit(row.high) },
          { label: "limit.high_high", num: true, phone: "named", cell: (row) => limit(row.high_high) },
          { label: "asset_models.interval", num: true, phone: "named", cell: (row) => (row.expected_interval_s ? duration(row.expected_interval_s, text.language) : <span className="faint">–</span>) },
        ]} />
      )}
    </CardBlock>
  );
}

const bomLines: Field[] = [
  { name: "item_number", label: "built.item_number", most: 100, required: true },
  { name: "name_en", label: "col.name_en" },
  { name: "name_zh", label: "col.name_zh" },
  { name: "quantity", label: "col.quantity", kind: "number", min: 0, half: true },
  { name: "unit", label: "col.unit", half: true, most: 20 },
  { name: "place", label: "col.place", half: true, most: 100 },
  { name: "child_model_id", label: "asset_models.child", kind: "pick", of: MODELS },
];

function Bom(props: { model: Model; manage: boolean }) {
  const text = useText();
  const bom = useOne<{ lines: Line[] }>(`/asset-models/${props.model.id}/bom`);
  return (
    <Loaded of={bom} skeleton={<Bones rows={5} />}>
      {(data) => (
        <CardBlock title={text.t("asset_models.tab.bom")} flush right={props.manage && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: text.t("asset_models.tab.bom"), submit: text.t("action.save"), size: "xl", path: `/asset-models/${props.model.id}/bom`, method: "PUT", version: props.model.version, fields: [{ name: "lines", label: "asset_models.tab.bom", kind: "lines", lines: bomLines }], initial: { lines: data.lines.map((line) => ({ ...line, child_model_id: line.child_model_id ? { id: line.child_model_id, label: "…" } : null })) }, done: "form.saved" }} />}>
          {data.lines.length === 0 ? <Empty bare icon={ClipboardList} sentence={text.t("asset_models.no_bom")} example={text.t("asset_models.bom_example")} /> : (
            <Table plain rows={data.lines} columns={[
              { label: "built.item_number", cell: (line) => <span className="mono">{line.item_number ?? "–"}</span> },
              { label: "col.name", cell: (line) => (text.language === "zh" ? line.name_zh : line.name_en) ?? line.name_en ?? "" },
              { label: "col.quantity", num: true, phone: "side", cell: (line) => `${text.number(line.quantity)} ${line.unit ?? ""}` },
              { label: "col.place", cell: (line) => line.place ?? "" },
              { label: "asset_models.child", phone: "hide", cell: (line) => (line.child_model_id ? <Link className="link" to={`/asset-models/${line.child_model_id}`}>{text.t("asset_models.open_child")}</Link> : "") },
            ]} />
          )}
        </CardBlock>
      )}
    </Loaded>
  );
}

function Own(props: { model: Model; edit: Edit }) {
  const text = useText();
  const { model, edit } = props;
  const words = (family: string, all: string[]) => all.map((word) => ({ value: word, label: text.code(family, word) }));
  const kinds: Record<"custom_fields" | "checklist" | "meters", Field[]> = {
    custom_fields: [
      { name: "key", label: "col.code", required: true, half: true, most: 60 },
      { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: words("field_kind", ["text", "number", "date", "choice", "boolean"]) },
      { name: "label_en", label: "col.name_en", required: true }, { name: "label_zh", label: "col.name_zh", required: true },
      { name: "unit", label: "col.unit", half: true, most: 20, show: (row) => row.kind === "number" },
      { name: "choices", label: "asset_models.choices", kind: "lines", show: (row) => row.kind === "choice", lines: [{ name: "value", label: "col.code", half: true }, { name: "en", label: "col.name_en" }, { name: "zh", label: "col.name_zh" }] },
      { name: "required", label: "form.required", kind: "switch" },
    ],
    checklist: [
      { name: "key", label: "col.code", required: true, half: true, most: 60 },
      { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: words("field_kind", ["check", "number", "text"]) },
      { name: "en", label: "col.name_en", required: true }, { name: "zh", label: "col.name_zh", required: true },
      { name: "unit", label: "col.unit", half: true, show: (row) => row.kind === "number" }, { name: "minimum", label: "col.minimum", kind: "number", half: true, show: (row) => row.kind === "number" }, { name: "maximum", label: "col.maximum", kind: "number", half: true, show: (row) => row.kind === "number" },
      { name: "required", label: "form.required", kind: "switch" },
    ],
    meters: [
      { name: "name", label: "col.name", required: true, most: 100 },
      { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: words("meter_kind", ["counter", "gauge"]) },
      { name: "unit", label: "col.unit", required: true, half: true, most: 20 },
      { name: "metric", label: "meters.fed_by", most: 100 },
    ],
  };
  const label = (row: Values) => String((text.language === "zh" ? (row.label_zh ?? row.zh) : (row.label_en ?? row.en)) ?? (row.name ? text.code("meter", String(row.name)) : row.key));
  return (
    <div className="stack" style={{ gap: 16 }}>
      {(Object.keys(kinds) as (keyof typeof kinds)[]).map((kind) => (
        <CardBlock key={kind} title={text.t(`asset_models.${kind}`)} right={edit && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ ...edit, title: text.t(`asset_models.${kind}`), size: "xl", fields: [{ name: kind, label: `asset_models.${kind}`, kind: "lines", lines: kinds[kind] }], initial: { [kind]: model[kind] ?? [] } }} />}>
          {(model[kind] ?? []).length === 0 ? <div className="small muted">{text.t(`asset_models.no_${kind}`)}</div> : model[kind].map((row, index) => <div key={index} className="row wrap line small"><span className="grow break" style={{ fontWeight: 560 }}>{label(row)}{row.required === true && <span style={{ color: "#b3261e" }}> *</span>}</span><span className="muted">{text.code(kind === "meters" ? "meter_kind" : "field_kind", String(row.kind ?? ""))}{row.unit ? ` · ${row.unit}` : ""}</span></div>)}
        </CardBlock>
      ))}
    </div>
  );
}
