/** What lies where: balances of every place down to bin, van and person. */
import { ArrowLeftRight, ClipboardCheck, Warehouse } from "lucide-react";
import { useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { amount, LOCATION_KINDS, Part, PARTS, ANY_PLACES, Place, StockTabs, type PartRef, type PlaceRef } from "./common";
import { movementForm } from "./movement";

export type Row = { id: string; part: PartRef; location: PlaceRef; lot: string | null; serial: string | null; condition: string | null; quantity: number; updated_at: string | null };

export function StockPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const use = may(me, "stock.use") || may(me, "stock.manage");
  return (
    <ListPage<Row>
      title={text.t("nav.stock")}
      sub={text.t("stock.sub")}
      tabs={<StockTabs />}
      path="/stock-balances"
      search="stock.search"
      exports="stock-balances"
      filters={[{ name: "location_id", label: "col.location", of: ANY_PLACES }, { name: "part_id", label: "col.part", of: PARTS }, { name: "kind", label: "stock.location_kind", options: LOCATION_KINDS.map((word) => ({ value: word, label: text.code("location_kind", word) })) }, { name: "below_minimum", label: "stock.low", options: [{ value: "true", label: text.t("stock.below_minimum") }] }]}
      columns={[
        { label: "col.part", sort: "part", width: "30%", cell: (row) => <Part part={row.part} /> },
        { label: "col.location", sort: "location", width: "26%", cell: (row) => <Place place={row.location} /> },
        { label: "stock.location_kind", phone: "hide", cell: (row) => text.code("location_kind", row.location.kind) },
        { label: "stock.lot_serial", cell: (row) => <span className="mono">{[row.lot, row.serial].filter(Boolean).join(" · ")}</span> },
        { label: "stock.condition", phone: "hide", cell: (row) => (row.condition && row.condition !== "good" ? <Chip tone={row.condition === "defective" ? "trouble" : "watch"} small>{text.code("condition", row.condition)}</Chip> : "") },
        { label: "col.quantity", sort: "quantity", num: true, phone: "side", cell: (row) => <b>{amount(row.quantity, row.part.unit, text)}</b> },
      ]}
      right={use && <><FormButton icon={ClipboardCheck} label={text.t("stock.count")} form={movementForm("count", text)} /><FormButton primary icon={ArrowLeftRight} label={text.t("stock.book")} form={movementForm(null, text)} /></>}
      empty={{ icon: Warehouse, sentence: "stock.empty", example: "stock.example" }}
    />
  );
}
