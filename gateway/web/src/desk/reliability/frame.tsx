/** What the places of reliability share: the period, which machines, files, and the stops behind a number. */
import { Button, Drawer, Menu, Select, TextInput } from "@mantine/core";
import { Download } from "lucide-react";
import type { ReactNode } from "react";
import { Link, useSearchParams } from "react-router";

import { query } from "../../api/client";
import { rowsOf, useRows, type Asked, type Schema } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { Filters } from "../../ui/Filters";
import { PageHead, useTitle } from "../../ui/parts";
import { Pick } from "../../ui/Pick";
import { Bones, Empty, Failure } from "../../ui/states";
import { Tabs } from "../../ui/Tabs";
import { CUSTOMERS, MODELS } from "../assets/look";
import { ChartNoAxesCombined } from "lucide-react";

export type Drill = { group: string | null; name: string };
const DAY_MS = 86_400_000;

const dayOf = (at: number): string => { const when = new Date(at); return `${when.getFullYear()}-${String(when.getMonth() + 1).padStart(2, "0")}-${String(when.getDate()).padStart(2, "0")}`; };

/** The question in the address, so that it can be sent to somebody. */
export function useQuestion() {
  const [params, setParams] = useSearchParams();
  const set = (more: Record<string, string | null>) => setParams((held) => {
    const next = new URLSearchParams(held);
    for (const [name, value] of Object.entries(more)) if (value) next.set(name, value); else next.delete(name);
    return next;
  }, { replace: true });
  const from = params.get("from") ?? dayOf(Date.now() - 364 * DAY_MS);
  const until = params.get("until") ?? dayOf(Date.now());
  const asked: Asked = {
    from: new Date(`${from}T00:00:00`).toISOString(),
    until: new Date(new Date(`${until}T00:00:00`).getTime() + DAY_MS).toISOString(),
    asset_model_id: params.get("model"), customer_id: params.get("customer"),
  };
  return { params, set, from, until, asked };
}

const TABS = ["", "life", "bad-actors", "pareto", "compliance", "costs", "intervals"];
const ACTIONS: Record<string, string> = { costs: "price.read", intervals: "price.read" };

export function Frame(props: { tab: string; table?: string; more?: Asked; by?: string[]; byNow?: string; extra?: ReactNode; children: ReactNode }) {
  const text = useText();
  const { params, set, from, until, asked } = useQuestion();
  useTitle(text.t("nav.reliability"));
  const picked = (name: string) => (params.get(name) ? { id: params.get(name)!, label: params.get(`${name}.label`) ?? params.get(name)! } : null);
  const kept = ["from", "until", "model", "model.label", "customer", "customer.label"].flatMap((name) => (params.get(name) ? [[name, params.get(name)!]] : []));
  const search = kept.length ? `?${new URLSearchParams(kept as string[][])}` : "";
  const tabs = TABS.map((tab) => ({ to: `/reliability${tab && `/${tab}`}${search}`, label: text.t(`reliability.tab.${tab || "overview"}`), action: ACTIONS[tab] }));
  return (
    <>
      <PageHead title={text.t("nav.reliability")} sub={text.t(`reliability.sub.${props.tab || "overview"}`)} right={props.table ? <Files table={props.table} asked={{ ...asked, ...props.more }} /> : undefined} />
      <Tabs tabs={tabs} label={text.t("nav.reliability")} />
      <Filters set={["model", "customer", "by"].filter((name) => params.get(name)).length}>
        <TextInput type="date" aria-label={text.t("col.from")} value={from} max={until} onChange={(event) => event.currentTarget.value && set({ from: event.currentTarget.value })} />
        <TextInput type="date" aria-label={text.t("col.to")} value={until} min={from} onChange={(event) => event.currentTarget.value && set({ until: event.currentTarget.value })} />
        {props.by && <Select className="filter" aria-label={text.t("figures.by")} value={props.byNow} onChange={(value) => set({ by: value })} data={props.by.map((word) => ({ value: word, label: text.t(`reliability.by.${word}`) }))} />}
        <div className="filter"><Pick of={MODELS} value={picked("model")} change={(one) => set({ model: one?.id ?? null, "model.label": one?.label ?? null })} placeholder={text.t("col.model")} /></div>
        <div className="filter"><Pick of={CUSTOMERS} value={picked("customer")} change={(one) => set({ customer: one?.id ?? null, "customer.label": one?.label ?? null })} placeholder={text.t("col.customer")} /></div>
        {props.extra}
      </Filters>
      {props.children}
    </>
  );
}

export function Files(props: { table: string; asked: Asked; small?: boolean }) {
  const text = useText();
  return (
    <Menu>
      <Menu.Target><Button variant="default" size={props.small ? "compact-sm" : "sm"} leftSection={<Download size={15} />}>{text.t("figures.export")}</Button></Menu.Target>
      <Menu.Dropdown>{["csv", "xlsx"].map((format) => <Menu.Item key={format} component="a" href={`/api/v1/reliability/export${query({ ...props.asked, table: props.table, format })}`} download>{format.toUpperCase()}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}

export const Nothing = (props: { what: string }) => {
  const text = useText();
  return <Empty icon={ChartNoAxesCombined} sentence={text.t(`reliability.empty.${props.what}`)} example={text.t(`reliability.example.${props.what}`)} />;
};

/** Hours as people say them: below two days in hours, beyond in days. */
export function hours(value: number | null | undefined, text: Text): string {
  if (value === null || value === undefined) return "–";
  return value < 48 ? text.t("reliability.hours", { value: text.number(value, 1) }) : text.t("reliability.days", { value: text.number(value / 24, 1) });
}

export const percent = (value: number | null | undefined, text: Text, digits = 1): string => (value === null || value === undefined ? "–" : `${text.number(100 * value, digits)} %`);

export function groupName(group: Schema["GroupRef"] | null | undefined, text: Text): string {
  if (!group) return text.t("reliability.by.none");
  if (group.id === null) return text.t("figures.nobody");
  return (text.language === "zh" && group.name_zh) || group.name || group.id;
}

/** A formula in the reader's words; one that nobody has put into words stands as the server wrote it. */
export function Formula(props: { of: string }) {
  const text = useText();
  return <code className="tiny muted break">{formulaText(props.of, text)}</code>;
}

export function formulaText(of: string, text: Text): string {
  const word = of.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_|_$/g, "");
  return text.has(`reliability.formula.${word}`) ? text.t(`reliability.formula.${word}`) : of;
}

/** The stops that a number was counted from. */
export function Behind(props: { asked: Asked; drill: Drill; close: () => void }) {
  const text = useText();
  const asked = { ...props.asked, group: props.drill.group };
  const rows = useRows<Schema["StopRow"]>("/reliability/rows", asked);
  return (
    <Drawer opened onClose={props.close} position="right" size="xl" title={props.drill.name}>
      <div className="stack" style={{ gap: 12 }}>
        <div><Files table="rows" asked={asked} small /></div>
        {!rows.data ? rows.isPending ? <Bones rows={6} /> : <Failure error={rows.error} retry={() => void rows.refetch()} /> : rowsOf(rows).length === 0 ? <Nothing what="rows" /> : rowsOf(rows).map((row, index) => (
          <div key={index} className="line">
            <div className="row wrap" style={{ gap: "2px 10px" }}>
              <Link className="link break grow" style={{ fontWeight: 620 }} to={`/assets/${row.asset.id}`}>{row.asset.name}</Link>
              <span className="small muted">{row.counts ? row.failure_mode ? text.code("failure_mode", row.failure_mode) : text.t("reliability.failure") : text.t(`reliability.why.${row.why ?? "no_failure"}`)}</span>
              <b className="num">{hours(row.hours, text)}</b>
            </div>
            <div className="small">{text.moment(row.start)} → {row.end ? text.moment(row.end) : text.t("reliability.lasts")}{row.work_h !== null && <span className="muted"> · {text.t("reliability.worked", { value: text.number(row.work_h, 1) })}</span>}{row.components.length > 0 && <span className="muted"> · {row.components.join(", ")}</span>}</div>
            <div className="tiny muted break">
              {row.evidence.map((one) => one.kind === "work_order" ? <Link key={one.id} className="link" style={{ marginRight: 8 }} to={`/work-orders/${one.id}`}>{one.number ?? text.t("reliability.evidence.work_order")}</Link> : <span key={one.id} style={{ marginRight: 8 }}>{text.t(`reliability.evidence.${one.kind}`)}</span>)}
              {row.events.map((one) => <span key={one.event_id} className="mono" style={{ marginRight: 8 }} title={`${one.kind} · ${text.moment(one.at)}`}>#{one.event_id}</span>)}
            </div>
          </div>
        ))}
        {rows.hasNextPage && <Button variant="default" loading={rows.isFetchingNextPage} onClick={() => void rows.fetchNextPage()}>{text.t("sla.more")}</Button>}
      </div>
    </Drawer>
  );
}
