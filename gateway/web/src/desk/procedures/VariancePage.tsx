/** Finished orders against the norms of their procedures: in groups, down to each order, as a file. */
import { Button, Drawer, Menu, Select, TextInput } from "@mantine/core";
import { Download, Scale } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";

import { query } from "../../api/client";
import { rowsOf, useOne, useRows, type Asked, type Schema } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { Filters } from "../../ui/Filters";
import { PageHead, useTitle } from "../../ui/parts";
import { Pick } from "../../ui/Pick";
import { Bones, Empty, Failure, Loaded } from "../../ui/states";
import { MODELS } from "../assets/look";
import { useQuestion } from "../reliability/frame";
import { money } from "../stock/common";
import { duration, PROCEDURES, TECHNICIANS } from "../work/look";
import { ProcedureTabs } from "./ProcedureTabs";

const BY = ["procedure", "version", "technician", "asset_model", "site", "month", "none"];
type Group = Schema["VarianceGroup"];
type Drill = { key: string | null; name: string };

export const signed = (value: number, words: string): string => `${value > 0 ? "+" : ""}${words}`;
export const share = (value: number | null | undefined, text: Text): string => (value === null || value === undefined ? "–" : signed(value, `${text.number(value, 0)} %`));
const over = (ratio: number | null | undefined, text: Text): string => share(ratio === null || ratio === undefined ? null : (ratio - 1) * 100, text);

function groupName(one: Group, by: string, text: Text): string {
  if (by === "none") return text.t("norm.by.none");
  if (one.key === "several") return text.t("norm.several");
  return one.name ?? text.t("figures.nobody");
}

export function VariancePage() {
  const text = useText();
  useTitle(text.t("norm.tab.variance"));
  const { params, set, from, until, asked: span } = useQuestion();
  const [drill, show] = useState<Drill | null>(null);
  const by = params.get("by") ?? "procedure";
  const asked: Asked = { from: span.from, until: span.until, asset_model_id: params.get("model"), procedure_id: params.get("procedure"), technician_id: params.get("technician"), by };
  const groups = useOne<Schema["VarianceGroups"]>(`/norm-variances${query(asked)}`);
  const picked = (name: string) => (params.get(name) ? { id: params.get(name)!, label: params.get(`${name}.label`) ?? params.get(name)! } : null);
  const pick = (name: string, of: typeof MODELS, label: string) => <div className="filter"><Pick of={of} value={picked(name)} change={(one) => set({ [name]: one?.id ?? null, [`${name}.label`]: one?.label ?? null })} placeholder={text.t(label)} /></div>;
  return (
    <>
      <PageHead title={text.t("norm.tab.variance")} sub={text.t("norm.variance_sub")} right={<Files asked={asked} />} />
      <ProcedureTabs />
      <Filters set={["model", "procedure", "technician"].filter((name) => params.get(name)).length}>
        <TextInput type="date" aria-label={text.t("col.from")} value={from} max={until} onChange={(event) => event.currentTarget.value && set({ from: event.currentTarget.value })} />
        <TextInput type="date" aria-label={text.t("col.to")} value={until} min={from} onChange={(event) => event.currentTarget.value && set({ until: event.currentTarget.value })} />
        <Select className="filter" aria-label={text.t("figures.by")} value={by} onChange={(value) => set({ by: value })} data={BY.map((word) => ({ value: word, label: text.t(`norm.by.${word}`) }))} />
        {pick("procedure", PROCEDURES, "sop.one")}{pick("technician", TECHNICIANS, "work.person")}{pick("model", MODELS, "col.model")}
      </Filters>
      <Loaded of={groups} skeleton={<Bones rows={8} height={24} />}>
        {(data) => data.total.n === 0 ? <Empty icon={Scale} sentence={text.t("norm.no_orders")} example={text.t("norm.no_orders_example")} /> : (
          <div className="stack" style={{ gap: 14 }}>
            <Tiles of={data} />
            <div className="card scroll">
              <table className="grid">
                <thead><tr><th>{text.t(`norm.by.${by}`)}</th><th className="num">{text.t("norm.orders")}</th><th className="num">{text.t("norm.planned")}</th><th className="num">{text.t("norm.actual")}</th><th className="num" title={data.formulas.ratio}>{text.t("norm.difference")}</th><th className="num">{text.t("norm.travel")}</th><th className="num" title={data.formulas.parts}>{text.t("norm.parts_off")}</th>{data.total.n_cost > 0 && <th className="num" title={data.formulas.cost}>{text.t("norm.cost_difference")}</th>}</tr></thead>
                <tbody>
                  {data.items.map((one) => (
                    <tr key={one.key ?? "none"}>
                      <td className="break" style={{ minWidth: 120 }}><button type="button" className="plainbutton link" onClick={() => show({ key: one.key ?? "", name: groupName(one, by, text) })}>{groupName(one, by, text)}</button></td>
                      <td className="num">{text.number(one.n, 0)}</td>
                      <td className="num">{duration(one.norm_minutes, text)}</td>
                      <td className="num">{duration(one.minutes, text)}</td>
                      <td className="num" title={text.t("figures.n", { n: one.n_labour })}>{over(one.ratio, text)}</td>
                      <td className="num muted">{duration(one.travel_minutes, text)}</td>
                      <td className="num" title={text.t("norm.parts_said", { not_used: one.parts.not_used ?? 0, extra: one.parts.extra ?? 0 })}>{text.number((one.parts.more ?? 0) + (one.parts.less ?? 0) + (one.parts.not_used ?? 0) + (one.parts.extra ?? 0), 0)}</td>
                      {data.total.n_cost > 0 && <td className="num" title={text.t("figures.n", { n: one.n_cost })}>{one.n_cost > 0 && one.cost !== null && one.standard_cost !== null ? <>{signed(one.cost - one.standard_cost, money(one.cost - one.standard_cost, one.currency, text))} <span className="tiny muted">{over(one.cost_ratio, text)}</span></> : "–"}</td>}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            <Formulas of={data.formulas} />
          </div>
        )}
      </Loaded>
      {drill && <Behind asked={asked} drill={drill} close={() => show(null)} />}
    </>
  );
}

function Tiles(props: { of: Schema["VarianceGroups"] }) {
  const text = useText();
  const { total, formulas } = props.of;
  const tiles: [string, string, string, string][] = [
    ["labour", over(total.ratio, text), text.t("figures.n", { n: total.n_labour }), formulas.ratio ?? ""],
    ["parts", text.t("norm.parts_said", { not_used: total.parts.not_used ?? 0, extra: total.parts.extra ?? 0 }), text.t("figures.n", { n: total.n }), formulas.parts ?? ""],
    ...(total.n_cost > 0 ? [["cost", over(total.cost_ratio, text), `${text.t("figures.n", { n: total.n_cost })} · ${money(total.cost, total.currency, text)} / ${money(total.standard_cost, total.currency, text)}`, formulas.cost ?? ""] as [string, string, string, string]] : []),
  ];
  return (
    <div className="figures">
      {tiles.map(([name, value, more, formula]) => (
        <div key={name} className="figure"><div className="what">{text.t(`norm.figure.${name}`)}</div><div className="big">{value}</div><div className="more">{more}</div><code className="tiny muted break">{formula}</code></div>
      ))}
    </div>
  );
}

export function Formulas(props: { of: Record<string, string> }) {
  const text = useText();
  return <details className="small muted"><summary>{text.t("norm.formulas")}</summary>{Object.entries(props.of).map(([name, formula]) => <div key={name} className="break"><b>{text.t(`norm.formula.${name}`)}</b>: {text.language === "zh" ? text.t(`norm.formula_said.${name}`) : formula}</div>)}</details>;
}

function Files(props: { asked: Asked; small?: boolean }) {
  const text = useText();
  return (
    <Menu>
      <Menu.Target><Button variant="default" size={props.small ? "compact-sm" : "sm"} leftSection={<Download size={15} />}>{text.t("figures.export")}</Button></Menu.Target>
      <Menu.Dropdown>{["csv", "xlsx"].map((format) => <Menu.Item key={format} component="a" href={`/api/v1/norm-variances/export${query({ ...props.asked, format })}`} download>{format.toUpperCase()}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}

/** The orders that a group was counted from. */
function Behind(props: { asked: Asked; drill: Drill; close: () => void }) {
  const text = useText();
  const asked = { ...props.asked, group: props.drill.key };
  const rows = useRows<Schema["VarianceOrder"]>("/norm-variances/orders", asked);
  return (
    <Drawer opened onClose={props.close} position="right" size="xl" title={props.drill.name}>
      <div className="stack" style={{ gap: 12 }}>
        <div><Files asked={asked} small /></div>
        {!rows.data ? rows.isPending ? <Bones rows={6} /> : <Failure error={rows.error} retry={() => void rows.refetch()} /> : rowsOf(rows).map((row) => (
          <div key={row.work_order_id} className="line">
            <div className="row wrap" style={{ gap: "2px 10px" }}>
              <Link className="link mono-num" to={`/work-orders/${row.work_order_id}/norm`}>{row.number}</Link>
              <span className="grow break">{row.asset}</span>
              <b className="num">{share(row.percent, text)}</b>
            </div>
            <div className="tiny muted break">{[text.day(row.done_at), row.technician, row.procedures.join(", "), `${duration(row.minutes, text)} / ${duration(row.norm_minutes, text)}`, row.difference_cost !== null ? signed(row.difference_cost, money(row.difference_cost, row.currency, text)) : ""].filter(Boolean).join(" · ")}</div>
          </div>
        ))}
        {rows.hasNextPage && <Button variant="default" loading={rows.isFetchingNextPage} onClick={() => void rows.fetchNextPage()}>{text.t("list.more")}</Button>}
      </div>
    </Drawer>
  );
}
