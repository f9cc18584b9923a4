/** Item master: every part, consumable, tool and rotable in both languages, with what is there of it. */
import { Package, Plus } from "lucide-react";
import { useNavigate, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { MODELS } from "../assets/look";
import { amount, money, partName, PartTabs, type PartRef } from "./common";

export type PartRow = PartRef & { kind: string; decimals: number; tracking: string; old_part_return: boolean; superseded_by: PartRef | null; standard_cost: number | null; currency: string | null; supplier: string | null; supplier_number: string | null; barcode: string | null; pack_quantity: number | null; lead_time_days: number | null; on_hand: number; available: number; active: boolean; version: number };

const words = (family: string, all: string[], text: Text) => all.map((word) => ({ value: word, label: text.code(family, word) }));

export const partFields = (text: Text, fresh: boolean): Field[] => [
  ...(fresh ? [{ name: "number", label: "built.item_number", required: true, half: true, most: 60 } as Field, { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: words("part_kind", ["part", "consumable", "rotable", "tool"], text) } as Field] : []),
  { name: "name_en", label: "col.name_en", required: true, half: true },
  { name: "name_zh", label: "col.name_zh", required: true, half: true },
  ...(fresh ? [{ name: "unit", label: "col.unit", required: true, half: true, most: 20, example: "pcs" } as Field, { name: "tracking", label: "parts.tracking", hint: "parts.tracking_hint", kind: "select", required: true, half: true, options: words("tracking", ["none", "lot", "serial"], text) } as Field] : []),
  { name: "supplier", label: "parts.supplier", half: true },
  { name: "supplier_number", label: "parts.supplier_number", half: true, most: 100 },
  { name: "standard_cost", label: "parts.cost", kind: "number", min: 0, decimals: 4, half: true },
  { name: "currency", label: "col.currency", half: true, most: 3, example: "CNY" },
  { name: "lead_time_days", label: "parts.lead_time", kind: "integer", min: 0, max: 3650, half: true, suffix: "d" },
  { name: "pack_quantity", label: "parts.pack", kind: "number", min: 0, half: true },
  { name: "barcode", label: "parts.barcode", most: 100 },
  { name: "old_part_return", label: "parts.old_part_return", hint: "parts.old_part_hint", kind: "switch" },
  ...(fresh ? [] : [{ name: "active", label: "parts.active", kind: "switch" } as Field]),
];

export function PartsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "part.manage") ? <FormButton primary icon={Plus} label={text.t("parts.add")} form={{ path: "/parts", fields: partFields(text, true), initial: { kind: "part", unit: "pcs", tracking: "none" }, after: (made: { id: string }) => void navigate(`/parts/${made.id}`) }} /> : undefined;
  return (
    <ListPage<PartRow>
      title={text.t("nav.parts")}
      sub={text.t("parts.sub")}
      tabs={<PartTabs />}
      path="/parts"
      search="parts.search"
      exports="parts"
      filters={[{ name: "kind", label: "col.kind", options: words("part_kind", ["part", "consumable", "rotable", "tool"], text) }, { name: "asset_model_id", label: "col.model", of: MODELS }]}
      columns={[
        { label: "built.item_number", sort: "number", width: "16%", cell: (row) => <span className="mono break">{row.number}</span> },
        { label: "col.name", sort: text.language === "zh" ? "name_zh" : "name_en", width: "34%", cell: (row) => <>{partName(row, text)}{row.superseded_by && <div className="tiny muted">→ {row.superseded_by.number}</div>}{!row.active && <Chip tone="quiet" small>{text.t("parts.inactive")}</Chip>}</> },
        { label: "col.kind", sort: "kind", phone: "hide", cell: (row) => text.code("part_kind", row.kind) },
        { label: "parts.on_hand", num: true, phone: "side", cell: (row) => <b style={row.on_hand > 0 ? undefined : { color: "var(--faint)" }}>{amount(row.on_hand, row.unit, text)}</b> },
        { label: "parts.available", num: true, phone: "named", cell: (row) => amount(row.available, null, text) },
        { label: "parts.cost", sort: "standard_cost", num: true, phone: "hide", cell: (row) => money(row.standard_cost, row.currency, text) },
      ]}
      to={(row) => `/parts/${row.id}`}
      right={add}
      empty={{ icon: Package, sentence: "parts.empty", example: "parts.example", action: add }}
    />
  );
}
