/** One customer: how to reach them, their machines, sites, contracts, and records that may be the same customer. */
import { GitMerge, Pencil, Undo2 } from "lucide-react";
import { Link, useNavigate, useOutletContext, useParams } from "react-router";

import { may, useList, useOne, useRows } from "../../api/rows";
import type { AssetCard, Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton, REASON } from "../../ui/Act";
import { StateChip } from "../../ui/chips";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Rows } from "../../ui/Rows";
import { Bones, Loaded, Notice } from "../../ui/states";
import { Erase } from "../people/Erase";
import { customerFields, type Customer } from "./CustomersPage";
import type { Site } from "./SitesPage";

export type Alike = { customer: { id: string; number: string | null; name: string }; because: string[] };
export type Merge = { id: string; kept: { id: string; name: string } | null; merged: { id: string; name: string } | null; because: string; reason: string; moved: Record<string, number>; merged_at: string; undone_at: string | null; undo_reason: string | null; legal: string[] };
export type ContractRef = { id: string; number: string; name: string; state: string; ends_on: string | null };

export function CustomerPage() {
  const { id = "" } = useParams();
  const customer = useOne<Customer>(`/customers/${id}`);
  useTitle(customer.data?.name);
  return <Loaded of={customer} skeleton={<Bones rows={8} />}>{(data) => <One customer={data} />}</Loaded>;
}

function One(props: { customer: Customer }) {
  const { customer } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const manage = may(me, "customer.manage");
  const assets = useRows<AssetCard>("/assets", { customer_id: customer.id });
  const sites = useList<Site>("/sites", { customer_id: customer.id });
  const contracts = useList<ContractRef>("/contracts", { customer_id: customer.id });
  return (
    <>
      <PageHead
        back={{ to: "/customers", label: text.t("nav.customers") }}
        title={customer.name}
        sub={customer.number ? <span className="mono">{customer.number}</span> : undefined}
        right={<span className="row wrap">{manage && <FormButton icon={Pencil} label={text.t("action.edit")} form={{ title: customer.name, submit: text.t("action.save"), path: `/customers/${customer.id}`, method: "PATCH", version: customer.version, fields: customerFields, initial: { ...customer }, done: "form.saved" }} />}{may(me, "person.erase") && <Erase path={`/customers/${customer.id}`} name={customer.name} version={customer.version} />}</span>}
      />
      <Duplicates customer={customer} manage={may(me, "customer.merge")} />
      <div className="two">
        <div>
          <CardBlock title={text.t("nav.assets")} flush>
            <Rows of={assets} plain columns={[
              { label: "col.name", cell: (row) => row.name },
              { label: "col.serial", cell: (row) => <span className="mono">{row.serial}</span> },
              { label: "col.site", cell: (row) => row.site?.name ?? "–" },
              { label: "col.state", cell: (row) => <StateChip state={row.state} small />, phone: "side" },
            ]} to={(row) => `/assets/${row.id}`} empty={<div className="small muted inset" style={{ paddingBottom: 16 }}>{text.t("customers.no_assets")}</div>} />
          </CardBlock>
        </div>
        <div>
          <CardBlock title={text.t("asset.about")}>
            <Facts rows={[[text.t("col.phone"), customer.phone ? <a className="link" href={`tel:${customer.phone}`}>{customer.phone}</a> : "–"], [text.t("sign_in.email"), customer.email ? <a className="link" href={`mailto:${customer.email}`}>{customer.email}</a> : "–"]]} />
          </CardBlock>
          {(contracts.data?.items.length ?? 0) > 0 && <CardBlock title={text.t("nav.contracts")}>{contracts.data!.items.map((one) => <div key={one.id} className="line small"><Link className="link break" to={`/contracts/${one.id}`}>{one.number} · {one.name}</Link> <span className="muted">{text.code("contract_state", one.state)}</span></div>)}</CardBlock>}
          {(sites.data?.items.length ?? 0) > 0 && <CardBlock title={text.t("nav.sites")}>{sites.data!.items.map((site) => <div key={site.id} className="line small"><Link className="link break" to={`/sites/${site.id}`}>{site.name}</Link> <span className="muted break">{site.address}</span></div>)}</CardBlock>}
          <Merges customer={customer} allowed={may(me, "customer.merge")} />
        </div>
      </div>
    </>
  );
}

/** What was put into this record, or this record into another; taken apart again with a reason. */
function Merges(props: { customer: Customer; allowed: boolean }) {
  const text = useText();
  const { customer } = props;
  const merges = useList<Merge>("/customer-merges", { customer_id: customer.id }, props.allowed);
  if (!props.allowed || !merges.data?.items.length) return null;
  return (
    <CardBlock title={text.t("customers.merges")}>
      {merges.data.items.map((one) => {
        const into = one.merged?.id === customer.id;
        const other = into ? one.kept : one.merged;
        const moved = Object.values(one.moved).reduce((sum, rows) => sum + rows, 0);
        return (
          <div key={one.id} className="line small">
            <div className="row wrap" style={{ gap: "4px 10px" }}>
              <span className="grow break">{text.t(into ? "customers.merged_into" : "customers.merged_from")} {other ? <Link className="link" to={`/customers/${other.id}`}>{other.name}</Link> : "–"}</span>
              {one.legal.includes("undo") && <FormButton small icon={Undo2} label={text.t("customers.undo")} form={{ path: `/customer-merges/${one.id}/undo`, note: text.t("customers.undo_note"), fields: [REASON], done: "customers.undone" }} />}
            </div>
            <div className="muted break">{text.moment(one.merged_at)} · {one.reason} · {text.t("customers.moved", { count: moved })}</div>
            {one.undone_at && <div className="muted break">{text.t("customers.undone_at", { at: text.moment(one.undone_at) })}{one.undo_reason && ` · ${one.undo_reason}`}</div>}
          </div>
        );
      })}
    </CardBlock>
  );
}

function Duplicates(props: { customer: Customer; manage: boolean }) {
  const text = useText();
  const navigate = useNavigate();
  const { customer } = props;
  const alike = useOne<{ items: Alike[] }>(`/customers/${customer.id}/duplicates`, props.manage);
  if (!alike.data?.items.length) return null;
  return (
    <div className="stack" style={{ marginBottom: 16 }}>
      {alike.data.items.map((one) => (
        <Notice key={one.customer.id} tone="watch" icon={GitMerge}>
          <div className="row wrap" style={{ gap: "6px 14px" }}>
            <span className="grow break" style={{ flexBasis: 240 }}>{text.t("customers.alike", { because: one.because.map((word) => text.code("customers.because", word)).join(", ") })} <Link className="link" to={`/customers/${one.customer.id}`}>{[one.customer.number, one.customer.name].filter(Boolean).join(" · ")}</Link></span>
            <FormButton small label={text.t("customers.merge")} form={{ path: `/customers/${customer.id}/merge`, note: text.t("customers.merge_note", { from: customer.name, into: one.customer.name }), fields: [REASON], body: (values) => ({ into_id: one.customer.id, reason: values.reason }), done: "customers.merged", after: () => void navigate(`/customers/${one.customer.id}`) }} />
          </div>
        </Notice>
      ))}
    </div>
  );
}
