/** Rotables go round: good, installed, defective, in repair, good again; replaced parts come back; each serial has its trace. */
import { PackageCheck, Recycle, Repeat, RotateCcw, Wrench } from "lucide-react";
import { Link, useOutletContext, useParams } from "react-router";

import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Bones, Loaded } from "../../ui/states";
import { amount, money, Order, Part, PARTS, Place, PLACES, ToolTabs, type OrderRef, type PartRef, type PlaceRef, type Ref } from "./common";
import { MovementLines, type Movement } from "./MovementsPage";

export type Serial = { id: string; part?: PartRef; serial?: string | null; lot?: string | null; condition?: string | null; location: PlaceRef | null; received_at: string | null; purchase_order: string | null; asset: { id: string; name: string; serial: string } | null; expires_at?: string | null; legal?: string[]; trace?: Movement[] };
const CONDITION = { good: "ok", installed: "learning", defective: "trouble", in_repair: "watch", scrapped: "quiet" } as const;

function Condition(props: { condition: string | null | undefined }) {
  const text = useText();
  return props.condition ? <Chip tone={CONDITION[props.condition as "good"] ?? "quiet"} small>{text.code("condition", props.condition)}</Chip> : null;
}

export function SerialsPage() {
  const text = useText();
  return (
    <ListPage<Serial>
      title={text.t("stock.tab.serials")}
      sub={text.t("serials.sub")}
      tabs={<ToolTabs />}
      path="/stock-serials"
      search="serials.search"
      exports="stock-serials"
      filters={[{ name: "condition", label: "stock.condition", options: Object.keys(CONDITION).map((word) => ({ value: word, label: text.code("condition", word) })) }, { name: "part_id", label: "col.part", of: PARTS }]}
      columns={[
        { label: "col.serial", cell: (row) => <span className="mono">{row.serial}</span> },
        { label: "col.part", cell: (row) => (row.part ? <Part part={row.part} /> : "") },
        { label: "col.location", cell: (row) => (row.asset ? <Link className="link" to={`/assets/${row.asset.id}/parts`}>{row.asset.name}</Link> : <Place place={row.location} />) },
        { label: "parts.received", phone: "named", cell: (row) => text.day(row.received_at) },
        { label: "stock.condition", phone: "side", cell: (row) => <Condition condition={row.condition} /> },
      ]}
      to={(row) => `/tools/serials/${row.id}`}
      empty={{ icon: Repeat, sentence: "serials.empty", example: "serials.example" }}
    />
  );
}

/** Of a serial or a lot: from its receipt to where it is now. */
export function TracePage(props: { kind: "serials" | "lots" }) {
  const { id = "" } = useParams();
  const text = useText();
  const me = useOutletContext<Me>();
  const one = useOne<Serial>(`/stock-${props.kind}/${id}`);
  useTitle(one.data?.serial ?? one.data?.lot ?? undefined);
  const manage = may(me, "stock.manage");
  return (
    <Loaded of={one} skeleton={<Bones rows={6} />}>
      {(data) => (
        <>
          <PageHead back={{ to: "/tools/serials", label: text.t("stock.tab.serials") }} title={data.serial ?? data.lot ?? ""} marks={<Condition condition={data.condition} />} sub={data.part && <Part part={data.part} />} right={manage && props.kind === "serials" && <>
            {(["defective", "good"] as const).filter((word) => data.legal?.includes(word)).map((word) => <FormButton key={word} danger={word === "defective"} label={text.code("condition.to", word)} form={{ path: `/stock-serials/${data.id}/condition`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }], body: (values) => ({ condition: word, reason: values.reason }) }} />)}
            {data.condition === "defective" && <FormButton primary icon={Wrench} label={text.t("repairs.send")} form={{ path: "/repair-orders", fields: [{ name: "shop_location_id", label: "repairs.shop", kind: "pick", of: { ...PLACES, asked: { kind: "repair_shop" } }, required: true }, { name: "fault", label: "repairs.fault", kind: "area", required: true, most: 500 }], body: (values) => ({ serial_id: data.id, shop_location_id: (values.shop_location_id as { id: string }).id, fault: values.fault }) }} />}
          </>} />
          <div className="two">
            <div><CardBlock title={text.t("serials.trace")}>{(data.trace ?? []).map((movement) => (
              <div key={movement.id} className="line"><div className="row wrap small" style={{ gap: "2px 12px" }}><b>{text.code("movement", movement.kind)}</b><span className="muted">{text.moment(movement.occurred_at)}</span><span className="muted">{movement.by?.name}</span>{movement.work_order && <Order order={movement.work_order} />}</div><MovementLines movement={movement} only={(line) => (props.kind === "serials" ? line.serial === data.serial : line.lot === data.lot)} /></div>
            ))}{(data.trace ?? []).length === 0 && <div className="small muted">{text.t("stock.no_movements")}</div>}</CardBlock></div>
            <div><CardBlock title={text.t("asset.about")}><Facts rows={[[text.t("col.location"), data.asset ? <Link className="link" to={`/assets/${data.asset.id}/parts`}>{data.asset.name}</Link> : <Place place={data.location} />], [text.t("parts.received"), text.day(data.received_at)], [text.t("nav.purchasing"), data.purchase_order ? <Link className="link" to={`/purchase-orders?q=${data.purchase_order}`}>{data.purchase_order}</Link> : "–"], [text.t("parts.expires"), text.day(data.expires_at)]]} /></CardBlock></div>
          </div>
        </>
      )}
    </Loaded>
  );
}

export type Repair = { id: string; number: string; part: PartRef; serial: string | null; state: string; shop: PlaceRef | null; cost: number | null; currency: string | null; sent_at: string; returned_at: string | null; fault: string | null; result: string | null };

export function RepairsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const manage = may(me, "stock.manage");
  return (
    <ListPage<Repair>
      title={text.t("stock.tab.repairs")}
      sub={text.t("repairs.sub")}
      tabs={<ToolTabs />}
      path="/repair-orders"
      exports="repair-orders"
      filters={[{ name: "state", label: "col.state", options: ["sent", "returned", "scrapped"].map((word) => ({ value: word, label: text.code("repair_state", word) })) }]}
      columns={[
        { label: "col.number", cell: (row) => <span className="mono">{row.number}</span> },
        { label: "col.part", cell: (row) => <><Part part={row.part} /> <span className="mono small muted">{row.serial}</span></> },
        { label: "repairs.shop", cell: (row) => <Place place={row.shop} /> },
        { label: "repairs.fault", cell: (row) => <span className="small">{[row.fault, row.result].filter(Boolean).join(" → ")}</span> },
        { label: "repairs.sent", phone: "named", cell: (row) => text.day(row.sent_at) },
        { label: "repairs.cost", num: true, phone: "named", cell: (row) => money(row.cost, row.currency, text) },
        { label: "col.state", phone: "side", cell: (row) => <Chip tone={row.state === "sent" ? "watch" : row.state === "returned" ? "ok" : "quiet"} small>{text.code("repair_state", row.state)}</Chip> },
        { label: "col.act", cell: (row) => manage && row.state === "sent" && <span className="row wrap">
          <FormButton small primary icon={RotateCcw} label={text.t("repairs.back")} form={{ path: `/repair-orders/${row.id}/return`, fields: [{ name: "to_location_id", label: "col.to_place", kind: "pick", of: PLACES, required: true }, { name: "cost", label: "repairs.cost", kind: "number", min: 0, decimals: 2, required: true, half: true }, { name: "currency", label: "col.currency", required: true, most: 3, half: true }, { name: "note", label: "finish.note", kind: "area", most: 500 }], initial: { currency: row.currency ?? (text.language === "zh" ? "CNY" : "EUR") } }} />
          <FormButton small danger label={text.t("repairs.scrap")} form={{ path: `/repair-orders/${row.id}/scrap`, fields: [{ name: "cost", label: "repairs.cost", kind: "number", min: 0, decimals: 2 }, { name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }] }} />
        </span> },
      ]}
      empty={{ icon: Wrench, sentence: "repairs.empty", example: "repairs.example" }}
    />
  );
}

export type Duty = { id: string; part: PartRef; serial_expected: string | null; quantity: number; returned: number; state: string; due_at: string; person: Ref | null; work_order: OrderRef | null; asset: { id: string; name: string; serial: string } | null };

export function OldPartsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const use = may(me, "stock.use") || may(me, "stock.manage");
  return (
    <ListPage<Duty>
      title={text.t("stock.tab.old_parts")}
      sub={text.t("old_parts.sub")}
      tabs={<ToolTabs />}
      path="/old-part-duties"
      exports="old-part-duties"
      filters={[{ name: "state", label: "col.state", options: ["open", "returned", "waived"].map((word) => ({ value: word, label: text.code("duty_state", word) })) }, { name: "overdue", label: "old_parts.overdue", options: [{ value: "true", label: text.t("old_parts.overdue") }] }]}
      columns={[
        { label: "col.part", cell: (row) => <><Part part={row.part} /> <span className="mono small muted">{row.serial_expected}</span></> },
        { label: "col.person", cell: (row) => row.person?.name ?? "–" },
        { label: "col.order", cell: (row) => <Order order={row.work_order} /> },
        { label: "old_parts.due", phone: "named", cell: (row) => (row.state === "open" && new Date(row.due_at).getTime() < Date.now() ? <Chip tone="trouble" small>{text.day(row.due_at)}</Chip> : text.day(row.due_at)) },
        { label: "col.quantity", num: true, phone: "named", cell: (row) => `${text.number(row.returned)} / ${amount(row.quantity, row.part.unit, text)}` },
        { label: "col.state", phone: "side", cell: (row) => <Chip tone={row.state === "open" ? "watch" : "quiet"} small>{text.code("duty_state", row.state)}</Chip> },
        { label: "col.act", cell: (row) => use && row.state === "open" && <span className="row wrap">
          <FormButton small primary icon={PackageCheck} label={text.t("old_parts.take_back")} form={{ path: `/old-part-duties/${row.id}/return`, fields: [{ name: "quantity", label: "col.quantity", kind: "number", min: 0, required: true, half: true }, { name: "serial", label: "col.serial", half: true }, { name: "to_location_id", label: "col.to_place", kind: "pick", of: PLACES, required: true }, { name: "note", label: "finish.note", kind: "area", most: 500 }], initial: { quantity: row.quantity - row.returned, serial: row.serial_expected ?? "" } }} />
          {may(me, "stock.manage") && <FormButton small label={text.t("old_parts.waive")} form={{ path: `/old-part-duties/${row.id}/waive`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }] }} />}
        </span> },
      ]}
      empty={{ icon: Recycle, sentence: "old_parts.empty", example: "old_parts.example" }}
    />
  );
}
