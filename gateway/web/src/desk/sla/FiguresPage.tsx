/** Figures of service: each with its formula and n, by group and period; a press shows the orders and events behind it. */
import { Button, Drawer, Menu, Select, TextInput } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { ChartNoAxesCombined, Download } from "lucide-react";
import { Link, useSearchParams } from "react-router";

import { query } from "../../api/client";
import { rowsOf, useOne, useRows, type Asked, type Schema } from "../../api/rows";
import { duration } from "../../i18n/format";
import { useText, type Text } from "../../i18n/useText";
import { Filters } from "../../ui/Filters";
import { PageHead, useTitle } from "../../ui/parts";
import { Pick } from "../../ui/Pick";
import { Bones, Empty, Failure, Loaded } from "../../ui/states";
import { CUSTOMERS } from "../assets/look";
import { SlaTabs } from "./SlaTabs";

type Figures = Schema["ServiceFigures"];
type Value = Schema["FigureValue"];
type Drill = { figure: string; group: string | null; start: string | null };
const BY = ["none", "team", "technician", "customer", "model", "site", "priority", "origin"];
const PERIODS = ["none", "day", "week", "month", "quarter"];
const HEADS = ["reaction_time", "response_time", "execution_time", "total_time", "first_time_fix", "same_day", "same_day_record", "sla_response", "sla_arrival", "sla_restoration", "sla_closing", "backlog_orders", "backlog_weeks"];
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const DAY_MS = 86_400_000;

const dayOf = (at: number): string => { const when = new Date(at); return `${when.getFullYear()}-${String(when.getMonth() + 1).padStart(2, "0")}-${String(when.getDate()).padStart(2, "0")}`; };

export function valueText(value: number | null | undefined, unit: string, text: Text): string {
  if (value === null || value === undefined) return "–";
  if (unit === "%") return `${text.number(value, 1)} %`;
  if (unit === "h") return duration(value * 3600, text.language);
  return text.number(value, unit === "1" ? 0 : 2);
}

export function ServiceFiguresPage() {
  const text = useText();
  useTitle(text.t("sla.tab.figures"));
  const [params, setParams] = useSearchParams();
  const from = params.get("from") ?? dayOf(Date.now() - 29 * DAY_MS);
  const until = params.get("until") ?? dayOf(Date.now());
  const set = (more: Record<string, string | null>) => setParams((held) => {
    const next = new URLSearchParams(held);
    for (const [name, value] of Object.entries(more)) if (value) next.set(name, value); else next.delete(name);
    return next;
  }, { replace: true });
  const asked: Asked = {
    from: new Date(`${from}T00:00:00`).toISOString(),
    until: new Date(new Date(`${until}T00:00:00`).getTime() + DAY_MS).toISOString(),
    by: params.get("by") ?? "none", period: params.get("period") ?? "none", time_zone: ZONE,
    customer_id: params.get("customer_id"), priority: params.get("priority"),
  };
  const figures = useOne<Figures>(`/service-figures${query(asked)}`);
  const drill: Drill | null = params.get("figure") ? { figure: params.get("figure")!, group: params.get("group"), start: params.get("start") } : null;
  const show = (next: Drill) => set({ figure: next.figure, group: next.group, start: next.start });
  return (
    <>
      <PageHead title={text.t("sla.tab.figures")} sub={text.t("figures.sub")} right={<Export path="/service-figures/export" asked={asked} />} />
      <SlaTabs />
      <Filters set={["by", "period", "customer_id", "priority"].filter((name) => params.get(name)).length}>
        <TextInput type="date" aria-label={text.t("col.from")} value={from} max={until} onChange={(event) => event.currentTarget.value && set({ from: event.currentTarget.value })} />
        <TextInput type="date" aria-label={text.t("col.to")} value={until} min={from} onChange={(event) => event.currentTarget.value && set({ until: event.currentTarget.value })} />
        <Select className="filter" aria-label={text.t("figures.by")} value={params.get("by") ?? "none"} onChange={(value) => set({ by: value === "none" ? null : value })} data={BY.map((word) => ({ value: word, label: text.t(`figures.by.${word}`) }))} />
        <Select className="filter" aria-label={text.t("figures.period")} value={params.get("period") ?? "none"} onChange={(value) => set({ period: value === "none" ? null : value })} data={PERIODS.map((word) => ({ value: word, label: text.t(`figures.period.${word}`) }))} />
        <div className="filter"><Pick of={CUSTOMERS} value={params.get("customer_id") ? { id: params.get("customer_id")!, label: params.get("customer.label") ?? params.get("customer_id")! } : null} change={(one) => set({ customer_id: one?.id ?? null, "customer.label": one?.label ?? null })} placeholder={text.t("col.customer")} /></div>
      </Filters>
      <Loaded of={figures} skeleton={<Bones rows={8} height={24} />}>
        {(data) => data.items.length === 0 ? <Empty icon={ChartNoAxesCombined} sentence={text.t("figures.empty")} example={text.t("figures.example")} /> : data.items.length === 1 && data.by === "none" ? <Tiles data={data} show={show} /> : <Grid data={data} show={show} />}
      </Loaded>
      {drill && figures.data && <Behind asked={asked} drill={drill} data={figures.data} close={() => set({ figure: null, group: null, start: null })} />}
    </>
  );
}

function Tiles(props: { data: Figures; show: (drill: Drill) => void }) {
  const text = useText();
  const row = props.data.items[0]!;
  return (
    <div className="figures four">
      {row.values.map((one) => {
        const kind = props.data.kinds.find((each) => each.figure === one.figure)!;
        return (
          <button key={one.figure} type="button" className="plainbutton figure hover" onClick={() => props.show({ figure: one.figure, group: null, start: row.period })}>
            <div className="what">{text.t(`figure.${one.figure}`)}</div>
            <div className="big">{valueText(one.value, kind.unit, text)}</div>
            <div className="more">{madeOf(one, kind.unit, text)}</div>
          </button>
        );
      })}
    </div>
  );
}

function madeOf(one: Value, unit: string, text: Text): string {
  const parts = [one.numerator !== null && unit === "%" ? text.t("figures.of", { part: text.number(one.numerator, 0), n: one.n }) : text.t("figures.n", { n: one.n })];
  if (one.median !== null) parts.push(text.t("figures.median", { value: valueText(one.median, unit, text) }));
  if (one.p90 !== null) parts.push(text.t("figures.p90", { value: valueText(one.p90, unit, text) }));
  return parts.join(" · ");
}

const groupOf = (row: Schema["FigureRow"]): string | null => (row.group ? row.group.id ?? "none" : null);

function groupName(row: Schema["FigureRow"], by: string, text: Text): string {
  if (!row.group) return "";
  if (row.group.id === null) return text.t("figures.nobody");
  if (by === "priority" || by === "origin") return text.code(by, row.group.id);
  return row.group.name ?? row.group.id;
}

function Grid(props: { data: Figures; show: (drill: Drill) => void }) {
  const text = useText();
  const { data } = props;
  const phone = useMediaQuery("(max-width: 800px)", window.innerWidth <= 800);
  const shown = HEADS.filter((figure) => data.items.some((row) => row.values.some((one) => one.figure === figure && one.n > 0)));
  const unit = (figure: string) => data.kinds.find((kind) => kind.figure === figure)!.unit;
  const head = (row: Schema["FigureRow"]) => [row.period && text.day(row.period), data.by !== "none" && groupName(row, data.by, text)].filter(Boolean).join(" · ");
  const cell = (row: Schema["FigureRow"], figure: string) => {
    const one = row.values.find((each) => each.figure === figure)!;
    if (one.n === 0) return <span className="faint">–</span>;
    return <button type="button" className="plainbutton link" onClick={() => props.show({ figure, group: groupOf(row), start: row.period })} title={madeOf(one, unit(figure), text)}>{valueText(one.value, unit(figure), text)} <span className="tiny muted">({one.n})</span></button>;
  };
  if (phone)
    return (
      <div className="cards">
        {data.items.map((row, index) => (
          <div key={index} className="card pad">
            <div className="break" style={{ fontWeight: 640, marginBottom: 6 }}>{head(row)}</div>
            {shown.map((figure) => <div key={figure} className="row small" style={{ padding: "2px 0" }}><span className="grow muted">{text.t(`figure.${figure}`)}</span>{cell(row, figure)}</div>)}
          </div>
        ))}
      </div>
    );
  return (
    <div className="card scroll">
      <table className="grid">
        <thead><tr><th>{data.by === "none" ? text.t("figures.period") : text.t(`figures.by.${data.by}`)}</th>{shown.map((figure) => <th key={figure} className="num">{text.t(`figure.${figure}`)}</th>)}</tr></thead>
        <tbody>{data.items.map((row, index) => <tr key={index}><td className="break" style={{ fontWeight: 560, minWidth: 120 }}>{head(row)}</td>{shown.map((figure) => <td key={figure} className="num">{cell(row, figure)}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

function Behind(props: { asked: Asked; drill: Drill; data: Figures; close: () => void }) {
  const text = useText();
  const { drill } = props;
  const asked: Asked = { ...props.asked, group: drill.group, start: drill.start };
  const rows = useRows<Schema["CountedRow"] & { id: string }>(`/service-figures/${drill.figure}/rows`, asked);
  const kind = props.data.kinds.find((one) => one.figure === drill.figure);
  const of = props.data.items.find((row) => groupOf(row) === drill.group && row.period === drill.start) ?? (props.data.items.length === 1 ? props.data.items[0] : undefined);
  const value = of?.values.find((one) => one.figure === drill.figure);
  if (!kind) return null;
  return (
    <Drawer opened onClose={props.close} position="right" size="xl" title={text.t(`figure.${drill.figure}`)}>
      <div className="stack" style={{ gap: 12 }}>
        {value && <div><span style={{ fontSize: 26, fontWeight: 680 }}>{valueText(value.value, kind.unit, text)}</span> <span className="muted small">{madeOf(value, kind.unit, text)}</span></div>}
        <div className="small">{text.t(`figure_means.${drill.figure}`, { days: props.data.repeat_days, hours: text.number(props.data.week_hours) })}</div>
        <code className="small break">{kind.formula}</code>
        {value && Object.keys(value.left_out).length > 0 && <div className="small muted">{text.t("figures.left_out")}: {Object.entries(value.left_out).map(([why, count]) => `${text.code("figure_why", why)} (${count})`).join(", ")}</div>}
        <div><Export path={`/service-figures/${drill.figure}/export`} asked={asked} small /></div>
        {!rows.data ? rows.isPending ? <Bones rows={6} /> : <Failure error={rows.error} retry={() => void rows.refetch()} /> : rowsOf(rows).map((row, index) => (
          <div key={index} className="line">
            <div className="row wrap" style={{ gap: "2px 10px" }}>
              <Link className="link mono-num" style={{ fontWeight: 620 }} to={`/work-orders/${row.order.id}`}>{row.order.number}</Link>
              <span className="grow small break">{row.order.asset}{row.technicians.length > 0 && <span className="muted"> · {row.technicians.join(", ")}</span>}</span>
              <b className="num">{row.value === null ? <span className="muted small">{text.code("figure_why", row.why)}</span> : kind.unit === "%" ? text.t(row.value ? "figures.yes" : "figures.no") : valueText(row.value, kind.unit, text)}</b>
            </div>
            <div className="tiny muted">{row.moments.map((one, at) => <span key={at} title={`${one.kind} · #${one.event_id}`}>{at > 0 && " → "}{text.code("figure_moment", one.what)} {text.moment(one.at)} <span className="mono">#{one.event_id}</span></span>)}</div>
            {row.value === 0 && row.why && <div className="tiny muted">{text.code("figure_why", row.why)}</div>}
          </div>
        ))}
        {rows.hasNextPage && <Button variant="default" loading={rows.isFetchingNextPage} onClick={() => void rows.fetchNextPage()}>{text.t("sla.more")}</Button>}
      </div>
    </Drawer>
  );
}

function Export(props: { path: string; asked: Asked; small?: boolean }) {
  const text = useText();
  return (
    <Menu>
      <Menu.Target><Button variant="default" size={props.small ? "compact-sm" : "sm"} leftSection={<Download size={15} />}>{text.t("figures.export")}</Button></Menu.Target>
      <Menu.Dropdown>{["csv", "xlsx"].map((format) => <Menu.Item key={format} component="a" href={`/api/v1${props.path}${query({ ...props.asked, format })}`} download>{format.toUpperCase()}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}
