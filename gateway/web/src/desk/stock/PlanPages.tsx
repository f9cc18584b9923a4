/** What is promised and what must be ordered: reservations, levels, and proposals that become transfers or purchases. */
import { Button, Checkbox } from "@mantine/core";
import { CalendarCheck2, Gauge, Plus, ShoppingCart } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, rowsOf, useRows, useSend } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Rows } from "../../ui/Rows";
import { Empty } from "../../ui/states";
import { amount, Order, ORDERS, Part, PARTS, Place, PLACES, PurchaseTabs, StockTabs, type OrderRef, type PartRef, type PlaceRef } from "./common";

export type Reservation = { id: string; part: PartRef; location: PlaceRef | null; quantity: number; fulfilled: number; needed_on: string; hard: boolean; state: string; work_order: OrderRef | null };

export function ReservationsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const use = may(me, "stock.use") || may(me, "stock.manage");
  const add = use ? <FormButton primary icon={Plus} label={text.t("reservations.add")} form={{ path: "/reservations", fields: [
    { name: "part_id", label: "col.part", kind: "pick", of: PARTS, required: true },
    { name: "location_id", label: "col.location", kind: "pick", of: PLACES, required: true, half: true },
    { name: "quantity", label: "col.quantity", kind: "number", min: 0, required: true, half: true },
    { name: "needed_on", label: "reservations.needed_on", kind: "date", required: true, half: true },
    { name: "work_order_id", label: "col.order", kind: "pick", of: ORDERS, half: true },
    { name: "hard", label: "reservations.hard", hint: "reservations.hard_hint", kind: "switch" },
  ], initial: { quantity: 1, hard: true }, done: "reservations.done" }} /> : undefined;
  return (
    <ListPage<Reservation>
      title={text.t("stock.tab.reservations")}
      sub={text.t("reservations.sub")}
      tabs={<StockTabs />}
      path="/reservations"
      exports="reservations"
      filters={[{ name: "state", label: "col.state", options: ["open", "fulfilled", "cancelled"].map((word) => ({ value: word, label: text.code("reservation_state", word) })) }, { name: "part_id", label: "col.part", of: PARTS }]}
      columns={[
        { label: "col.part", cell: (row) => <Part part={row.part} /> },
        { label: "col.location", cell: (row) => <Place place={row.location} /> },
        { label: "reservations.needed_on", phone: "named", cell: (row) => text.day(row.needed_on) },
        { label: "col.order", cell: (row) => <Order order={row.work_order} /> },
        { label: "col.quantity", num: true, phone: "named", cell: (row) => `${text.number(row.fulfilled)} / ${amount(row.quantity, row.part.unit, text)}` },
        { label: "col.kind", phone: "hide", cell: (row) => text.t(row.hard ? "reservations.is_hard" : "reservations.is_soft") },
        { label: "col.state", phone: "side", cell: (row) => <Chip tone={row.state === "open" ? "learning" : "quiet"} small>{text.code("reservation_state", row.state)}</Chip> },
        { label: "col.act", cell: (row) => use && row.state === "open" && <ActButton small danger label={text.t("reservations.cancel")} path={`/reservations/${row.id}/cancel`} /> },
      ]}
      right={add}
      empty={{ icon: CalendarCheck2, sentence: "reservations.empty", example: "reservations.example", action: add }}
    />
  );
}

export type Level = { id: string; part: PartRef; location: PlaceRef | null; minimum: number; maximum: number };

export function LevelsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const manage = may(me, "stock.manage");
  const add = manage ? <FormButton primary icon={Plus} label={text.t("levels.add")} form={{ path: "/stock-levels", method: "PUT", fields: [
    { name: "part_id", label: "col.part", kind: "pick", of: PARTS, required: true },
    { name: "location_id", label: "col.location", kind: "pick", of: PLACES, required: true },
    { name: "minimum", label: "col.minimum", kind: "number", min: 0, required: true, half: true },
    { name: "maximum", label: "col.maximum", kind: "number", min: 0, required: true, half: true },
  ] }} /> : undefined;
  return (
    <ListPage<Level>
      title={text.t("stock.tab.levels")}
      sub={text.t("levels.sub")}
      tabs={<PurchaseTabs />}
      path="/stock-levels"
      filters={[{ name: "location_id", label: "col.location", of: PLACES }, { name: "part_id", label: "col.part", of: PARTS }]}
      columns={[
        { label: "col.part", cell: (row) => <Part part={row.part} /> },
        { label: "col.location", cell: (row) => <Place place={row.location} /> },
        { label: "col.minimum", num: true, phone: "named", cell: (row) => amount(row.minimum, row.part.unit, text) },
        { label: "col.maximum", num: true, phone: "named", cell: (row) => amount(row.maximum, row.part.unit, text) },
        { label: "col.act", cell: (row) => manage && <ActButton small danger label={text.t("action.delete")} path={`/stock-levels/${row.id}`} method="DELETE" /> },
      ]}
      right={add}
      empty={{ icon: Gauge, sentence: "levels.empty", example: "levels.example", action: add }}
    />
  );
}

export type Proposal = { id?: string; part: PartRef; location: PlaceRef; on_hand: number; inbound: number; reserved: number; demand: number; minimum: number; maximum: number; quantity: number; source: string; from: PlaceRef | null; supplier: string | null };

export function ReplenishmentPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [out, setOut] = useState<string[]>([]);
  const send = useSend<{ transfers: unknown[]; purchase_orders: unknown[] }>();
  const proposals = useRows<Proposal & { id: string }>("/replenishment-proposals");
  useTitle(text.t("stock.tab.replenishment"));
  const keyOf = (row: Proposal) => `${row.part.id}${row.location.id}`;
  const rows = rowsOf(proposals);
  const taken = rows.filter((row) => !out.includes(keyOf(row)));
  const accept = () => send.mutate({ path: "/replenishment-proposals/accept", body: { items: taken.map((row) => ({ part_id: row.part.id, location_id: row.location.id, quantity: row.quantity })) } }, { onSuccess: (made) => say(text.t("replenishment.done", { transfers: made.transfers.length, orders: made.purchase_orders.length })), onError: (error) => say(problemText(error, text), "bad") });
  return (
    <>
      <PageHead title={text.t("stock.tab.replenishment")} sub={text.t("replenishment.sub")} right={may(me, "purchase.manage") && rows.length > 0 && <Button leftSection={<ShoppingCart size={16} />} disabled={taken.length === 0} loading={send.isPending} onClick={accept}>{text.t("replenishment.accept", { count: taken.length })}</Button>} />
      <PurchaseTabs />
      <Rows of={proposals} columns={[
        { label: "col.part", cell: (row) => <span className="row top" style={{ gap: 10 }}><Checkbox aria-label={row.part.number} checked={!out.includes(keyOf(row))} onChange={(event) => setOut(event.currentTarget.checked ? out.filter((key) => key !== keyOf(row)) : [...out, keyOf(row)])} /><span><Part part={row.part} /></span></span> },
        { label: "col.location", cell: (row) => <Place place={row.location} /> },
        { label: "replenishment.why", cell: (row) => <span className="small muted">{text.t("replenishment.formula", { on_hand: text.number(row.on_hand), inbound: text.number(row.inbound), reserved: text.number(row.reserved), demand: text.number(row.demand), minimum: text.number(row.minimum), maximum: text.number(row.maximum) })}</span> },
        { label: "replenishment.from", cell: (row) => (row.source === "transfer" ? <>{text.t("replenishment.transfer")} <Place place={row.from} /></> : <>{text.t("replenishment.purchase")} {row.supplier ?? ""}</>) },
        { label: "col.quantity", num: true, phone: "side", cell: (row) => <b>{amount(row.quantity, row.part.unit, text)}</b> },
      ]} empty={<Empty icon={ShoppingCart} sentence={text.t("replenishment.empty")} example={text.t("replenishment.example")} />} />
    </>
  );
}
