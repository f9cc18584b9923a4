/** Purchase orders and their receipts: what was ordered, what came, what is still open. */
import { PackageCheck, Plus, Truck } from "lucide-react";
import { useNavigate, useOutletContext, useParams } from "react-router";

import { newKey } from "../../api/client";
import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Values } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { Ago, CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Loaded } from "../../ui/states";
import type { Tone } from "../../ui/theme";
import { MovementLines, type Movement } from "./MovementsPage";
import { amount, money, Part, PARTS, partName, Place, PLACES, PurchaseTabs, type PartRef, type PlaceRef } from "./common";

export type Line = { id: string; part: PartRef; quantity: number; unit_cost: number | null; received: number; open: number };
export type Purchase = { id: string; number: string; supplier: string; currency: string; state: string; deliver_to: PlaceRef | null; expected_on: string | null; total: number; lines: Line[]; legal: string[]; version: number };
export type Receipt = Movement;
const TONE: Record<string, Tone> = { draft: "quiet", ordered: "learning", partially_received: "watch", received: "ok", cancelled: "quiet" };

export function PurchaseChip(props: { state: string }) {
  const text = useText();
  return <Chip tone={TONE[props.state] ?? "quiet"} small>{text.code("purchase_state", props.state)}</Chip>;
}

export function PurchaseOrdersPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "purchase.manage") ? <FormButton primary icon={Plus} label={text.t("purchase.add")} form={{ path: "/purchase-orders", size: "lg", fields: [
    { name: "supplier", label: "parts.supplier", required: true, half: true },
    { name: "currency", label: "col.currency", required: true, half: true, most: 3 },
    { name: "deliver_to_id", label: "purchase.deliver_to", kind: "pick", of: PLACES, half: true, required: true },
    { name: "expected_on", label: "purchase.expected", kind: "date", half: true },
    { name: "lines", label: "col.parts", kind: "lines", add: "stock.add_part", lines: [{ name: "part_id", label: "col.part", kind: "pick", of: PARTS, required: true }, { name: "quantity", label: "col.quantity", kind: "number", min: 0, required: true, half: true }, { name: "unit_cost", label: "parts.cost", kind: "number", min: 0, decimals: 4, half: true }] },
  ], initial: { currency: text.language === "zh" ? "CNY" : "EUR", lines: [{ quantity: 1 }] }, after: (made: { id: string }) => void navigate(`/purchase-orders/${made.id}`) }} /> : undefined;
  return (
    <ListPage<Purchase>
      title={text.t("nav.purchasing")}
      sub={text.t("purchase.sub")}
      tabs={<PurchaseTabs />}
      path="/purchase-orders"
      search="purchase.search"
      exports="purchase-orders"
      filters={[{ name: "state", label: "col.state", options: Object.keys(TONE).map((word) => ({ value: word, label: text.code("purchase_state", word) })) }]}
      columns={[
        { label: "col.number", cell: (row) => <span className="mono">{row.number}</span> },
        { label: "parts.supplier", cell: (row) => row.supplier },
        { label: "purchase.deliver_to", cell: (row) => <Place place={row.deliver_to} /> },
        { label: "purchase.expected", phone: "named", cell: (row) => text.day(row.expected_on) },
        { label: "purchase.open_lines", num: true, phone: "named", cell: (row) => row.lines.filter((line) => line.open > 0).length },
        { label: "purchase.value", num: true, phone: "hide", cell: (row) => money(row.total, row.currency, text) },
        { label: "col.state", phone: "side", cell: (row) => <PurchaseChip state={row.state} /> },
      ]}
      to={(row) => `/purchase-orders/${row.id}`}
      right={add}
      empty={{ icon: Truck, sentence: "purchase.empty", example: "purchase.example", action: add }}
    />
  );
}

export function PurchaseOrderPage() {
  const { id = "" } = useParams();
  const order = useOne<Purchase & { receipts: Receipt[] }>(`/purchase-orders/${id}`);
  useTitle(order.data?.number);
  return <Loaded of={order} skeleton={<Bones rows={8} />}>{(data) => <One order={data} />}</Loaded>;
}

const MOVES = ["draft", "ordered", "cancelled"]; // receiving has a form of its own
const RECEIVES = ["ordered", "partially_received"];

function One(props: { order: Purchase & { receipts: Receipt[] } }) {
  const { order } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const manage = may(me, "purchase.manage");
  const receive = may(me, "stock.manage") && RECEIVES.includes(order.state);
  return (
    <>
      <PageHead
        back={{ to: "/purchase-orders", label: text.t("nav.purchasing") }}
        title={order.number}
        marks={<PurchaseChip state={order.state} />}
        sub={order.supplier}
        right={<>
          {manage && order.legal.filter((to) => MOVES.includes(to)).map((to) => <ActButton key={to} danger={to === "cancelled"} primary={to === "ordered"} label={text.code("purchase.to", to)} path={`/purchase-orders/${order.id}/transitions`} version={order.version} body={{ to }} />)}
          {receive && <Receive order={order} />}
        </>}
      />
      <div className="two">
        <div>
          <CardBlock title={text.t("col.parts")} flush><Table plain rows={order.lines} columns={[
            { label: "col.part", cell: (line) => <Part part={line.part} /> },
            { label: "purchase.ordered", num: true, phone: "named", cell: (line) => amount(line.quantity, line.part.unit, text) },
            { label: "purchase.received", num: true, phone: "named", cell: (line) => amount(line.received, null, text) },
            { label: "purchase.still_open", num: true, phone: "side", cell: (line) => (line.open > 0 ? <b style={{ color: "#8f5a00" }}>{amount(line.open, null, text)}</b> : "0") },
            { label: "parts.cost", num: true, phone: "named", cell: (line) => money(line.unit_cost, order.currency, text) },
          ]} /></CardBlock>
          <CardBlock title={text.t("purchase.receipts")}>
            {order.receipts.length === 0 ? <div className="small muted">{text.t("purchase.no_receipts")}</div> : order.receipts.map((one) => (
              <div key={one.id} className="line small"><div className="row wrap"><PackageCheck size={15} className="faint" aria-hidden /><span className="grow"><Ago at={one.occurred_at} />{one.by && ` · ${one.by.name}`}</span><span className="muted">{one.note}</span></div><MovementLines movement={one} /></div>
            ))}
          </CardBlock>
        </div>
        <div><CardBlock title={text.t("asset.about")}><Facts rows={[[text.t("parts.supplier"), order.supplier], [text.t("purchase.deliver_to"), <Place place={order.deliver_to} />], [text.t("purchase.expected"), text.day(order.expected_on)], [text.t("purchase.value"), money(order.total, order.currency, text)]]} /></CardBlock></div>
      </div>
    </>
  );
}

function Receive(props: { order: Purchase }) {
  const text = useText();
  const { order } = props;
  const open = order.lines.filter((line) => line.open > 0);
  const body = (values: Values) => ({
    operation_id: newKey(),
    delivery_note: values.delivery_note || undefined,
    accept_over: values.accept_over === true,
    lines: (values.lines as Values[]).filter((row) => Number(row.quantity) > 0 && row.line_id).map((row) => ({ line_id: row.line_id, quantity: Number(row.quantity), lot: row.lot || undefined, serials: (row.serials as string[] | undefined)?.length ? row.serials : undefined, expires_at: row.expires_at || undefined, location_id: (row.location_id as { id: string } | null)?.id })),
  });
  return <FormButton primary icon={PackageCheck} label={text.t("purchase.receive")} form={{ path: `/purchase-orders/${order.id}/receipts`, size: "lg", done: "purchase.booked", initial: { lines: open.map((line) => ({ line_id: line.id, quantity: line.open })) }, body, fields: [
    { name: "lines", label: "col.parts", kind: "lines", lines: [
      { name: "line_id", label: "col.part", kind: "select", required: true, options: order.lines.map((line) => ({ value: line.id, label: `${line.part.number} ${partName(line.part, text)}` })) },
      { name: "quantity", label: "col.quantity", kind: "number", min: 0, required: true, half: true },
      { name: "lot", label: "col.lot", half: true, most: 100 },
      { name: "serials", label: "parts.serials", kind: "words", hint: "parts.serials_hint" },
      { name: "expires_at", label: "parts.expires", kind: "date", half: true },
      { name: "location_id", label: "purchase.put_to", kind: "pick", of: PLACES },
    ] },
    { name: "delivery_note", label: "purchase.delivery_note", most: 100 },
    { name: "accept_over", label: "purchase.accept_over", kind: "switch" },
  ] }} />;
}
