/** Inspection rounds: machines in the order in which somebody walks past them. */
import { Pencil, Plus, Route } from "lucide-react";
import { useOutletContext } from "react-router";

import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import type { Field, Values } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import type { Chosen } from "../../ui/Pick";
import { ASSETS, SITES } from "../assets/look";
import { PROCEDURES } from "../work/look";
import { said, type Round } from "./look";
import { PlansTabs } from "./PlansTabs";

const FIELDS: Field[] = [
  { name: "code", label: "col.code", required: true, most: 80, example: "ROUND-01", half: true },
  { name: "site_id", label: "col.site", kind: "pick", of: SITES, half: true },
  { name: "name_en", label: "col.name_en", half: true, most: 200 },
  { name: "name_zh", label: "col.name_zh", half: true, most: 200 },
  { name: "stops", label: "plan.stops", hint: "plan.stops_hint", kind: "lines", add: "plan.add_stop", required: true, lines: [{ name: "asset_id", label: "col.asset", kind: "pick", of: ASSETS }, { name: "procedure_id", label: "plan.procedure", kind: "pick", of: PROCEDURES }, { name: "minutes", label: "plan.min", kind: "integer", min: 1, max: 1440 }] },
];
const idOf = (value: unknown) => (value as Chosen | null | undefined)?.id ?? null;
const body = (values: Values) => ({
  code: values.code, site_id: idOf(values.site_id),
  name: Object.fromEntries([["en", values.name_en], ["zh", values.name_zh]].filter(([, word]) => word)),
  stops: ((values.stops as Values[] | undefined) ?? []).filter((stop) => idOf(stop.asset_id)).map((stop) => ({ asset_id: idOf(stop.asset_id), procedure_id: idOf(stop.procedure_id), minutes: stop.minutes ? Number(stop.minutes) : null })),
});

export function RoundsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const manage = may(me, "maintenance_plan.manage");
  const add = manage ? <FormButton primary icon={Plus} label={text.t("plan.add_round")} form={{ path: "/inspection-rounds", fields: FIELDS, body, size: "xl", done: "form.saved" }} /> : undefined;
  return (
    <ListPage<Round>
      title={text.t("plan.tab.rounds")}
      sub={text.t("plan.rounds_sub")}
      tabs={<PlansTabs />}
      path="/inspection-rounds"
      columns={[
        { label: "col.name", cell: (row) => <span className="break">{said(row.name, text.language)}</span> },
        { label: "col.code", phone: "named", cell: (row) => <span className="mono">{row.code}</span> },
        { label: "plan.route", cell: (row) => <Way round={row} /> },
        { label: "plan.duration", phone: "named", num: true, cell: (row) => { const sum = row.stops.reduce((all, stop) => all + (stop.minutes ?? 0), 0); return sum ? text.t("plan.minutes", { count: sum }) : "–"; } },
        ...(manage ? [{ label: "plan.decide", cell: (row: Round) => <Edit round={row} /> }] : []),
      ]}
      right={add}
      empty={{ icon: Route, sentence: "plan.rounds_empty", action: add }}
    />
  );
}

const label = (stop: Record<string, unknown>) => String(stop.asset_name ?? stop.asset_id);

function Way(props: { round: Round }) {
  return <ol className="small break" style={{ margin: 0, paddingLeft: 18 }}>{props.round.stops.slice(0, 8).map((stop, index) => <li key={index}>{label(stop)}</li>)}{props.round.stops.length > 8 && <li>…</li>}</ol>;
}

function Edit(props: { round: Round }) {
  const text = useText();
  const { round } = props;
  const site = useOne<{ name: string }>(`/sites/${round.site_id}`, !!round.site_id);
  const chosen = (id: string | null | undefined, name: unknown): Chosen | null => (id ? { id, label: String(name ?? id) } : null);
  const stops = round.stops.map((stop) => ({ asset_id: chosen(stop.asset_id, label(stop)), procedure_id: chosen(stop.procedure_id, (stop as Record<string, unknown>).procedure_code), minutes: stop.minutes }));
  const initial = { code: round.code, site_id: chosen(round.site_id, site.data?.name), name_en: round.name.en, name_zh: round.name.zh, stops };
  return <FormButton key={site.data ? 1 : 0} small icon={Pencil} label={text.t("action.edit")} form={{ path: `/inspection-rounds/${round.id}`, method: "PUT", version: round.version, fields: FIELDS, body, initial, size: "xl", done: "form.saved" }} />;
}
