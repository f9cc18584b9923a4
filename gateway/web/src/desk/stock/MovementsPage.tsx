/** The ledger: every movement as it was booked, never changed; and what came too late to be booked by itself. */
import { ListTree, TriangleAlert, WifiOff } from "lucide-react";
import { Link, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { amount, Order, Part, PARTS, ANY_PLACES, Place, StockTabs, type OrderRef, type PartRef, type PlaceRef, type Ref } from "./common";
import { KINDS } from "./movement";

export type Movement = { id: string; kind: string; occurred_at: string; received_at: string; offline: boolean; by: Ref | null; work_order: OrderRef | null; asset: { id: string; name: string; serial: string } | null; reference: { kind: string; id: string; number: string | null } | null; reason: string | null; note: string | null; lines: { part: PartRef; quantity: number; from: PlaceRef | null; to: PlaceRef | null; lot: string | null; serial: string | null }[] };
const REFERENCES: Record<string, string> = { purchase_order: "/purchase-orders", stock_transfer: "/stock/transfers", repair_order: "/tools/repairs" };

/** `only`: on a part's or a serial's own page what else came with the same delivery is left out. */
export function MovementLines(props: { movement: Movement; only?: (line: Movement["lines"][number]) => boolean }) {
  const text = useText();
  return <>{props.movement.lines.filter((line) => props.only?.(line) ?? true).map((line, index) => <div key={index} className="row wrap small" style={{ gap: "1px 10px" }}><span style={{ minWidth: 0 }}><Part part={line.part} /></span><b className="num nowrap">{amount(line.quantity, line.part.unit, text)}</b><span className="muted"><Place place={line.from} /> → <Place place={line.to} /></span>{(line.serial || line.lot) && <span className="mono">{[line.lot, line.serial].filter(Boolean).join(" · ")}</span>}</div>)}</>;
}

export function MovementsPage() {
  const text = useText();
  return (
    <ListPage<Movement>
      title={text.t("stock.tab.movements")}
      sub={text.t("stock.movements_sub")}
      tabs={<StockTabs />}
      path="/stock-movements"
      search="stock.search"
      exports="stock-movements"
      filters={[{ name: "kind", label: "col.kind", options: [...KINDS, "receipt", "transfer_ship", "transfer_receive"].map((word) => ({ value: word, label: text.code("movement", word) })) }, { name: "location_id", label: "col.location", of: ANY_PLACES }, { name: "part_id", label: "col.part", of: PARTS }]}
      columns={[
        { label: "col.at", width: "150px", cell: (row) => <>{text.moment(row.occurred_at)}{row.offline && <span className="tiny muted row" style={{ gap: 4 }}><WifiOff size={12} aria-hidden />{text.t("stock.offline")}</span>}</> },
        { label: "col.kind", width: "130px", phone: "side", cell: (row) => <Chip tone="quiet" small>{text.code("movement", row.kind)}</Chip> },
        { label: "col.parts", width: "44%", cell: (row) => <MovementLines movement={row} /> },
        { label: "col.order", cell: (row) => (row.work_order ? <Order order={row.work_order} /> : row.reference ? <Link className="link" to={`${REFERENCES[row.reference.kind] ?? "/stock/movements"}/${row.reference.id}`}>{row.reference.number ?? text.code("movement", row.reference.kind)}</Link> : row.asset ? <Link className="link" to={`/assets/${row.asset.id}`}>{row.asset.name}</Link> : "") },
        { label: "col.by", cell: (row) => row.by?.name ?? "" },
        { label: "order.reason", cell: (row) => <span className="small muted break">{[row.reason, row.note].filter(Boolean).join(" · ")}</span> },
      ]}
      empty={{ icon: ListTree, sentence: "stock.no_movements", example: "stock.example" }}
    />
  );
}

export type Conflict = { id: string; operation_id: string; occurred_at: string; received_at: string; by: Ref | null; code: string; params: Record<string, unknown>; operation: { kind: string; lines?: { part_number?: string; quantity?: number }[] }; state: string; legal: string[]; resolved_by: Ref | null; resolved_at: string | null; reason: string | null };

export function ConflictsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  return (
    <ListPage<Conflict>
      title={text.t("stock.tab.conflicts")}
      sub={text.t("stock.conflicts_sub")}
      tabs={<StockTabs />}
      path="/stock-conflicts"
      filters={[{ name: "state", label: "col.state", options: ["open", "booked", "dismissed"].map((word) => ({ value: word, label: text.code("conflict_state", word) })) }]}
      columns={[
        { label: "col.at", cell: (row) => text.moment(row.occurred_at) },
        { label: "col.by", cell: (row) => row.by?.name ?? "–" },
        { label: "col.kind", cell: (row) => `${text.code("movement", row.operation?.kind)} ${(row.operation?.lines ?? []).map((line) => `${line.part_number ?? ""} × ${line.quantity ?? 1}`).join(", ")}` },
        { label: "stock.why_not", cell: (row) => text.code("error", row.code, row.params) },
        { label: "col.state", phone: "side", cell: (row) => <Chip tone={row.state === "open" ? "watch" : "quiet"} small>{text.code("conflict_state", row.state)}</Chip> },
        { label: "col.act", cell: (row) => may(me, "stock.manage") && <span className="row wrap">{row.legal.map((action) => <FormButton key={action} small danger={action === "dismiss"} label={text.code("conflict_action", action)} form={{ path: `/stock-conflicts/${row.id}/resolve`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }], body: (values) => ({ action, reason: values.reason }) }} />)}</span> },
      ]}
      empty={{ icon: TriangleAlert, sentence: "stock.no_conflicts", example: "stock.no_conflicts_example" }}
    />
  );
}
