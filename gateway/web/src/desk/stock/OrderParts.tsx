/** On a work order: the parts and tools it took, what they cost, and old parts still to come back. */
import { PackageMinus, PackagePlus } from "lucide-react";
import { useOutletContext } from "react-router";

import { newKey } from "../../api/client";
import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { CardBlock } from "../../ui/parts";
import { VerdictChip } from "../warranty/look";
import { amount, money, Part, PARTS, partName, Place, PLACES, type PartRef, type PlaceRef } from "./common";

export type Usage = { usage_id: string; part: PartRef; serial: string | null; lot: string | null; quantity: number; returned: number; from: PlaceRef | null; occurred_at: string; unit_cost: number | null; unit_price: number | null; currency: string | null; in_warranty: boolean | null; cost_currency: string | null; old_part: { id: string; state: string; due_at: string } | null };
export type Used = { items: Usage[]; tools: { tool: string; name_en: string; name_zh: string; occurred_at: string; hours: number; rate: number | null; amount: number | null; currency: string | null }[]; totals: { currency: string; cost: number; price: number | null; tools: number }[] };

export function OrderParts(props: { order: string; judged?: Record<string, string> }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const used = useOne<Used>(`/work-orders/${props.order}/parts`);
  const use = may(me, "stock.use") || may(me, "stock.manage");
  if (used.error && !use) return null;
  const data = used.data;
  const line = [{ name: "part_id", label: "col.part", kind: "pick" as const, of: PARTS, required: true }, { name: "quantity", label: "col.quantity", kind: "number" as const, min: 0, decimals: 3, required: true, half: true }, { name: "serial", label: "col.serial", half: true, most: 120 }];
  const lineBody = (values: Record<string, unknown>, ends: Record<string, unknown>) => [{ part_id: (values.part_id as { id: string }).id, quantity: Number(values.quantity ?? 1), serial: values.serial || undefined, ...ends }];
  const idOf = (value: unknown) => (value as { id: string } | null)?.id;
  return (
    <CardBlock title={text.t("order.parts")} right={use && <span className="row wrap">
      <FormButton small primary icon={PackageMinus} label={text.t("order.issue")} form={{ path: "/stock-movements", fields: [...line, { name: "from", label: "col.from_place", kind: "pick", of: PLACES, required: true }], initial: { quantity: 1 }, body: (values) => ({ kind: "issue", operation_id: newKey(), work_order_id: props.order, lines: lineBody(values, { from_location_id: idOf(values.from) }) }), done: "stock.booked" }} />
      <FormButton small icon={PackagePlus} label={text.t("order.give_back")} form={{ path: "/stock-movements", fields: [...line, { name: "to", label: "col.to_place", kind: "pick", of: PLACES, required: true }], initial: { quantity: 1 }, body: (values) => ({ kind: "return", operation_id: newKey(), work_order_id: props.order, lines: lineBody(values, { to_location_id: idOf(values.to) }) }), done: "stock.booked" }} />
    </span>}>
      {!data || (data.items.length === 0 && data.tools.length === 0) ? <div className="small muted">{text.t("order.no_parts")}</div> : (
        <>
          {data.items.map((one) => (
            <div key={one.usage_id} className="row wrap line small" style={{ gap: "2px 12px" }}>
              <span className="grow" style={{ flexBasis: 200 }}><Part part={one.part} />{one.serial && <span className="mono muted"> {one.serial}</span>}</span>
              <b className="num">{amount(one.quantity - one.returned, one.part.unit, text)}</b>
              <span className="muted"><Place place={one.from} /></span>
              <span className="num nowrap">{one.unit_price !== null ? money(one.unit_price * (one.quantity - one.returned), one.currency, text) : one.unit_cost !== null ? money(one.unit_cost * (one.quantity - one.returned), one.cost_currency, text) : ""}</span>
              {props.judged?.[`part:${one.usage_id}`] && <VerdictChip verdict={props.judged[`part:${one.usage_id}`]!} small />}
              {one.old_part?.state === "open" && <Chip tone="watch" small>{text.t("order.old_part_due", { day: text.day(one.old_part.due_at) })}</Chip>}
            </div>
          ))}
          {data.tools.map((one) => <div key={`${one.tool}${one.occurred_at}`} className="row wrap line small"><span className="grow">{one.tool} {partName(one, text)}</span><span className="num">{text.number(one.hours, 2)} h</span><span className="num">{money(one.amount, one.currency, text)}</span></div>)}
          {data.totals.map((total) => <div key={total.currency} className="row line small" style={{ fontWeight: 600 }}><span className="grow">{text.t("order.total")}</span><span className="num">{text.t("order.cost", { cost: money(total.cost + total.tools, total.currency, text) })}</span>{total.price !== null && <span className="num">{text.t("order.price", { price: money(total.price, total.currency, text) })}</span>}</div>)}
        </>
      )}
    </CardBlock>
  );
}
