/** Price books: for which customer, in or out of warranty, from when to when, at which prices. */
import { Pencil, Plus, Tag } from "lucide-react";
import { useNavigate, useOutletContext, useParams } from "react-router";

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
import { CUSTOMERS } from "../assets/look";
import { money, partName, PARTS, PartTabs, type PartRef, type Ref } from "./common";

export type Book = { id: string; name: string; currency: string; customer: Ref | null; coverage: string; valid_from: string; valid_to: string | null; priority: number; active: boolean; version: number };
export type Price = { id?: string; part_id?: string | null; tool_id?: string | null; part?: PartRef | null; tool?: { id: string; number: string; name_en: string; name_zh: string } | null; price: number; per: string };

const fields = (text: Text): Field[] => [
  { name: "name", label: "col.name", required: true },
  { name: "currency", label: "col.currency", required: true, most: 3, half: true },
  { name: "coverage", label: "prices.coverage", kind: "select", required: true, half: true, options: ["any", "in_warranty", "out_of_warranty"].map((word) => ({ value: word, label: text.code("coverage", word) })) },
  { name: "customer_id", label: "col.customer", kind: "pick", of: CUSTOMERS, half: true },
  { name: "priority", label: "prices.priority", kind: "integer", half: true },
  { name: "valid_from", label: "col.from", kind: "date", required: true, half: true },
  { name: "valid_to", label: "col.to", kind: "date", half: true },
];

export function PriceBooksPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "price.manage") ? <FormButton primary icon={Plus} label={text.t("prices.add")} form={{ path: "/price-books", fields: fields(text), initial: { currency: text.language === "zh" ? "CNY" : "EUR", coverage: "any", valid_from: new Date().toISOString().slice(0, 10) }, after: (made: { id: string }) => void navigate(`/price-books/${made.id}`) }} /> : undefined;
  return (
    <ListPage<Book>
      title={text.t("stock.tab.price_books")}
      sub={text.t("prices.sub")}
      tabs={<PartTabs />}
      path="/price-books"
      exports="price-books"
      columns={[
        { label: "col.name", cell: (row) => row.name },
        { label: "col.customer", cell: (row) => row.customer?.name ?? text.t("prices.everybody") },
        { label: "prices.coverage", cell: (row) => text.code("coverage", row.coverage) },
        { label: "contracts.term", cell: (row) => `${text.day(row.valid_from)} – ${row.valid_to ? text.day(row.valid_to) : "…"}` },
        { label: "col.currency", phone: "hide", cell: (row) => row.currency },
        { label: "col.state", phone: "side", cell: (row) => <Chip tone={row.active ? "ok" : "quiet"} small>{text.t(row.active ? "policies.on" : "policies.off")}</Chip> },
      ]}
      to={(row) => `/price-books/${row.id}`}
      right={add}
      empty={{ icon: Tag, sentence: "prices.empty", example: "prices.example", action: add }}
    />
  );
}

export function PriceBookPage() {
  const { id = "" } = useParams();
  const text = useText();
  const me = useOutletContext<Me>();
  const book = useOne<Book>(`/price-books/${id}`);
  const prices = useList<Price>(`/price-books/${id}/prices`);
  useTitle(book.data?.name);
  const manage = may(me, "price.manage");
  const items = prices.data?.items ?? [];
  const label = (price: Price) => { const one = price.part ?? price.tool; return one ? `${one.number} · ${partName(one, text)}` : "…"; };
  return (
    <Loaded of={book} skeleton={<Bones rows={6} />}>
      {(data) => (
        <>
          <PageHead back={{ to: "/price-books", label: text.t("stock.tab.price_books") }} title={data.name} right={manage && <FormButton icon={Pencil} label={text.t("action.edit")} form={{ title: data.name, submit: text.t("action.save"), path: `/price-books/${data.id}`, method: "PATCH", version: data.version, fields: [...fields(text), { name: "active", label: "parts.active", kind: "switch" }], initial: { ...data, customer_id: data.customer && { id: data.customer.id, label: data.customer.name } } }} />} />
          <div className="two">
            <div><CardBlock title={text.t("prices.prices")} flush right={manage && prices.data && !prices.data.next && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: text.t("prices.prices"), submit: text.t("action.save"), size: "lg", path: `/price-books/${data.id}/prices`, method: "PUT", fields: [{ name: "rows", label: "prices.prices", kind: "lines", lines: [{ name: "part", label: "col.part", kind: "pick", of: PARTS, show: (row) => !row.tool }, { name: "tool", label: "nav.tools", kind: "pick", of: { path: "/tools", label: (row) => `${row.number} · ${row.name_en}` }, show: (row) => !row.part }, { name: "price", label: "prices.price", kind: "number", min: 0, decimals: 4, required: true, half: true }] }], initial: { rows: items.map((one) => ({ price: one.price, part: one.part ? { id: one.part.id, label: label(one) } : null, tool: one.tool ? { id: one.tool.id, label: label(one) } : null })) }, body: (values) => ({ prices: (values.rows as Values[]).filter((row) => row.part || row.tool).map((row) => ({ part_id: (row.part as { id: string } | null)?.id ?? null, tool_id: (row.tool as { id: string } | null)?.id ?? null, price: Number(row.price ?? 0), per: row.tool ? "hour" : "unit" })) }) }} />}>
              {items.length === 0 ? <div className="small muted inset" style={{ paddingBottom: 16 }}>{text.t("prices.none")}</div> : <Table plain rows={items.map((one, index) => ({ ...one, id: String(index) }))} columns={[
                { label: "col.part", cell: label },
                { label: "prices.price", num: true, phone: "side", cell: (one) => `${money(one.price, data.currency, text)} / ${text.code("per", one.per)}` },
              ]} />}
            </CardBlock></div>
            <div><CardBlock title={text.t("asset.about")}><Facts rows={[[text.t("col.customer"), data.customer?.name ?? text.t("prices.everybody")], [text.t("prices.coverage"), text.code("coverage", data.coverage)], [text.t("contracts.term"), `${text.day(data.valid_from)} – ${data.valid_to ? text.day(data.valid_to) : "…"}`], [text.t("prices.priority"), data.priority]]} /></CardBlock></div>
          </div>
        </>
      )}
    </Loaded>
  );
}
