/** Service contracts: which machines, from when to when, what is included and how much of it is left. */
import { Handshake, Pencil, Plus } from "lucide-react";
import { Link, useNavigate, useOutletContext, useParams } from "react-router";

import { may, useList, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field, Values } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Loaded } from "../../ui/states";
import type { Tone } from "../../ui/theme";
import { ASSETS, CUSTOMERS } from "../assets/look";
import { clauseBody, clauseFields, ClauseRow, clauseRow } from "./TermsPage";
import { clausesOf } from "./look";
import type { AssetRef, Named, Said } from "./types";

export type Entitlement = { id: string; key: string; kind: string; unit: string | null; quantity: number; period: string; carries_over: boolean; name_en: string | null; name_zh: string | null };
export type Contract = { id: string; number: string; name: string; customer: Named | null; provider: Named | null; starts_on: string; ends_on: string | null; time_zone: string; state: string; running: boolean; assets: AssetRef[]; clauses: Said[]; response_times: { priority: string; respond_h?: number | null; arrive_h?: number | null; restore_h?: number | null; close_h?: number | null; calendar_id?: string | null }[]; entitlements: Entitlement[]; version: number; legal: string[] };
export type Balance = { entitlement: Pick<Entitlement, "id" | "key" | "kind" | "unit" | "name_en" | "name_zh">; period_start: string; period_end: string; granted: number; reserved: number; consumed: number; available: number };
export type Entry = { id: string; kind: string; quantity: number; at: string; reason: string | null; work_order: Named | null; entitlement: { key: string; name_en: string | null; name_zh: string | null } | null };
const TONE: Record<string, Tone> = { draft: "watch", active: "ok", cancelled: "quiet" };

export function ContractsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "contract.manage") ? <FormButton primary icon={Plus} label={text.t("contracts.add")} form={{ path: "/contracts", size: "xl", fields: fieldsOf(text), initial: { entitlements: [], clauses: [], response_times: [], time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone }, body: bodyOf, after: (made: { id: string }) => void navigate(`/contracts/${made.id}`) }} /> : undefined;
  return (
    <ListPage<Contract>
      title={text.t("nav.contracts")}
      sub={text.t("contracts.sub")}
      path="/contracts"
      search="contracts.search"
      exports="contracts"
      filters={[{ name: "customer_id", label: "col.customer", of: CUSTOMERS }, { name: "state", label: "col.state", options: ["draft", "active", "cancelled"].map((word) => ({ value: word, label: text.code("contract_state", word) })) }]}
      columns={[
        { label: "col.name", cell: (row) => row.name },
        { label: "col.number", cell: (row) => <span className="mono">{row.number}</span> },
        { label: "col.customer", cell: (row) => row.customer?.name ?? <span className="faint">–</span> },
        { label: "contracts.term", cell: (row) => `${text.day(row.starts_on)} – ${row.ends_on ? text.day(row.ends_on) : "…"}` },
        { label: "nav.assets", num: true, phone: "named", cell: (row) => row.assets.length },
        { label: "col.state", phone: "side", cell: (row) => <Chip tone={TONE[row.state] ?? "quiet"} small>{row.state === "active" && !row.running ? text.t("contracts.not_running") : text.code("contract_state", row.state)}</Chip> },
      ]}
      to={(row) => `/contracts/${row.id}`}
      right={add}
      empty={{ icon: Handshake, sentence: "contracts.empty", example: "contracts.example", action: add }}
    />
  );
}

const words = (family: string, all: string[], text: Text) => all.map((word) => ({ value: word, label: text.code(family, word) }));

const fieldsOf = (text: Text): Field[] => [
  { name: "name", label: "col.name", required: true },
  { name: "number", label: "col.number", half: true, most: 60 },
  { name: "customer_id", label: "col.customer", kind: "pick", of: CUSTOMERS, required: true, half: true },
  { name: "starts_on", label: "col.from", kind: "date", required: true, half: true },
  { name: "ends_on", label: "col.to", kind: "date", required: true, half: true },
  { name: "assets", label: "nav.assets", kind: "lines", add: "contracts.add_asset", lines: [{ name: "asset", label: "col.asset", kind: "pick", of: ASSETS }] },
  { name: "entitlements", label: "contracts.entitlements", kind: "lines", add: "contracts.add_entitlement", lines: [
    { name: "key", label: "col.code", required: true, half: true, example: "visits", most: 60 },
    { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: words("entitlement_kind", ["visits", "parts", "hours", "amount"], text) },
    { name: "quantity", label: "col.quantity", kind: "number", required: true, min: 0, half: true },
    { name: "unit", label: "col.unit", half: true, most: 20 },
    { name: "period", label: "contracts.period", kind: "select", required: true, options: words("period", ["contract", "year", "quarter", "month"], text) },
    { name: "name_en", label: "col.name_en" }, { name: "name_zh", label: "col.name_zh" },
    { name: "carries_over", label: "contracts.carries_over", kind: "switch" },
  ] },
  { name: "response_times", label: "contracts.response_times", kind: "lines", add: "contracts.add_response", lines: [
    { name: "priority", label: "orders.priority", kind: "select", required: true, half: true, options: words("priority", ["urgent", "high", "normal", "low"], text) },
    ...["respond_h", "arrive_h", "restore_h", "close_h"].map((name): Field => ({ name, label: `contracts.${name}`, kind: "number", min: 0, half: true, suffix: "h" })),
  ] },
  { name: "clauses", label: "terms.clauses", kind: "lines", add: "terms.add_clause", lines: clauseFields(text) },
];

function bodyOf(values: Values) {
  const number = (value: unknown) => (value === "" || value === null || value === undefined ? null : Number(value));
  return {
    name: values.name, number: values.number || undefined, customer_id: (values.customer_id as { id: string } | null)?.id ?? null, starts_on: values.starts_on, ends_on: values.ends_on || null, time_zone: values.time_zone,
    asset_ids: ((values.assets as { asset?: { id: string } }[] | undefined) ?? []).map((row) => row.asset?.id).filter(Boolean),
    entitlements: ((values.entitlements as Values[] | undefined) ?? []).filter((row) => row.key).map((row) => ({ ...row, quantity: number(row.quantity) ?? 0, carries_over: row.carries_over === true })),
    response_times: ((values.response_times as Values[] | undefined) ?? []).filter((row) => row.priority).map((row) => ({ priority: row.priority, respond_h: number(row.respond_h), arrive_h: number(row.arrive_h), restore_h: number(row.restore_h), close_h: number(row.close_h), calendar_id: row.calendar_id ?? null })),
    clauses: ((values.clauses as Values[] | undefined) ?? []).filter((row) => row.kind).map(clauseBody),
  };
}

export function ContractPage() {
  const { id = "" } = useParams();
  const contract = useOne<Contract>(`/contracts/${id}`);
  useTitle(contract.data?.name);
  return <Loaded of={contract} skeleton={<Bones rows={8} />}>{(data) => <One contract={data} />}</Loaded>;
}

function One(props: { contract: Contract }) {
  const { contract } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const manage = may(me, "contract.manage");
  const initial: Values = { ...contract, customer_id: contract.customer && { id: contract.customer.id, label: contract.customer.name }, assets: contract.assets.map((one) => ({ asset: { id: one.id, label: `${one.name} · ${one.serial}` } })), clauses: clausesOf(contract).map(clauseRow) };
  return (
    <>
      <PageHead
        back={{ to: "/contracts", label: text.t("nav.contracts") }}
        title={contract.name}
        marks={<Chip tone={TONE[contract.state] ?? "quiet"} small>{text.code("contract_state", contract.state)}</Chip>}
        sub={<span className="mono">{contract.number}</span>}
        right={manage && <>
          {contract.state === "draft" && <FormButton icon={Pencil} label={text.t("action.edit")} form={{ title: contract.name, submit: text.t("action.save"), size: "xl", path: `/contracts/${contract.id}`, method: "PUT", version: contract.version, fields: fieldsOf(text), initial, body: bodyOf, done: "form.saved" }} />}
          {contract.legal.map((to) => <FormButton key={to} primary={to === "active"} danger={to === "cancelled"} label={text.code("contracts.to", to)} form={{ path: `/contracts/${contract.id}/transitions`, version: contract.version, now: `/contracts/${contract.id}`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: to === "cancelled", most: 500 }], body: (values) => ({ to, reason: values.reason || null }) }} />)}
        </>}
      />
      <div className="two">
        <div>
          <Balances contract={contract} manage={may(me, "contract.consume")} />
          {contract.clauses.length > 0 && <CardBlock title={text.t("terms.clauses")}>{clausesOf(contract).map((clause) => <ClauseRow key={clause.id} clause={clause} />)}</CardBlock>}
          <Ledger contract={contract} />
        </div>
        <div>
          <CardBlock title={text.t("asset.about")}><Facts rows={[[text.t("col.customer"), contract.customer ? <Link className="link" to={`/customers/${contract.customer.id}`}>{contract.customer.name}</Link> : "–"], [text.t("contracts.provider"), contract.provider?.name ?? "–"], [text.t("col.from"), text.day(contract.starts_on)], [text.t("col.to"), text.day(contract.ends_on)]]} /></CardBlock>
          {contract.response_times.length > 0 && <CardBlock title={text.t("contracts.response_times")}>{contract.response_times.map((one) => <div key={one.priority} className="line small"><b style={{ fontWeight: 600 }}>{text.code("priority", one.priority)}</b><div className="muted">{(["respond_h", "arrive_h", "restore_h", "close_h"] as const).filter((name) => one[name] != null).map((name) => `${text.t(`contracts.${name}`)} ${text.number(one[name])} h`).join(" · ")}</div></div>)}</CardBlock>}
          <CardBlock title={text.t("nav.assets")}>{contract.assets.length === 0 ? <div className="small muted">{text.t("contracts.no_assets")}</div> : contract.assets.map((one) => <div key={one.id} className="line small"><Link className="link break" to={`/assets/${one.id}/warranty`}>{one.name}</Link> <span className="mono muted">{one.serial}</span></div>)}</CardBlock>
        </div>
      </div>
    </>
  );
}

const entitlementName = (one: { key: string; name_en: string | null; name_zh: string | null }, text: Text) => (text.language === "zh" ? one.name_zh : one.name_en) || text.code("entitlement_kind", one.key);

function Balances(props: { contract: Contract; manage: boolean }) {
  const text = useText();
  const balances = useList<Balance>(`/contracts/${props.contract.id}/balances`);
  return (
    <CardBlock title={text.t("contracts.balances")}>
      <Loaded of={balances} skeleton={<Bones rows={3} />}>
        {(page) => page.items.length === 0 ? <div className="small muted">{text.t("contracts.no_balances")}</div> : <>{page.items.map((one) => {
          const whole = Math.max(one.granted, one.consumed + one.reserved, 1e-9);
          return (
            <div key={`${one.entitlement.id}${one.period_start}`} className="line">
              <div className="row wrap" style={{ gap: "4px 12px" }}>
                <span className="grow break" style={{ fontWeight: 600 }}>{entitlementName(one.entitlement, text)} <span className="small muted" style={{ fontWeight: 400 }}>{text.day(one.period_start)} – {text.day(one.period_end)}</span></span>
                <span><b className="num">{text.number(one.available)}</b> <span className="small muted">{text.t("contracts.left_of", { granted: text.number(one.granted), unit: one.entitlement.unit ?? "" })}</span></span>
                {props.manage && props.contract.state === "active" && <FormButton small label={text.t("contracts.book")} form={{ path: `/contracts/${props.contract.id}/entries`, fields: [{ name: "kind", label: "col.kind", kind: "select", required: true, options: words("entry_kind", ["consume", "reserve"], text) }, { name: "quantity", label: "col.quantity", kind: "number", required: true, min: 0 }, { name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }], initial: { kind: "consume", quantity: 1 }, body: (values) => ({ entitlement_id: one.entitlement.id, kind: values.kind, quantity: Number(values.quantity), reason: values.reason }) }} />}
              </div>
              <div className="bar" style={{ marginTop: 6, display: "flex" }} role="img" aria-label={text.t("contracts.used", { consumed: text.number(one.consumed), reserved: text.number(one.reserved) })}><i style={{ width: `${(one.consumed / whole) * 100}%`, background: "#1d7470", borderRadius: 0 }} /><i style={{ width: `${(one.reserved / whole) * 100}%`, background: "#aad3d1", borderRadius: 0 }} /></div>
              <div className="tiny muted" style={{ marginTop: 3 }}>{text.t("contracts.used", { consumed: text.number(one.consumed), reserved: text.number(one.reserved) })}</div>
            </div>
          );
        })}</>}
      </Loaded>
    </CardBlock>
  );
}

function Ledger(props: { contract: Contract }) {
  const text = useText();
  const entries = useList<Entry>(`/contracts/${props.contract.id}/entries`);
  if (!entries.data?.items.length) return null;
  return (
    <CardBlock title={text.t("contracts.ledger")} flush>
      <Table plain rows={entries.data.items} columns={[
        { label: "col.at", cell: (one) => text.moment(one.at) },
        { label: "contracts.entitlements", cell: (one) => (one.entitlement ? entitlementName(one.entitlement, text) : "") },
        { label: "col.kind", cell: (one) => text.code("entry_kind", one.kind) },
        { label: "col.quantity", num: true, phone: "side", cell: (one) => text.number(one.quantity) },
        { label: "col.order", cell: (one) => (one.work_order ? <Link className="link" to={`/work-orders/${one.work_order.id}`}>{one.work_order.name}</Link> : "") },
        { label: "order.reason", cell: (one) => one.reason ?? "" },
      ]} />
    </CardBlock>
  );
}
