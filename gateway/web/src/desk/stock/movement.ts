/** The form that books a movement: what, how much, from where to where. */
import type { Text } from "../../i18n/useText";
import { newKey } from "../../api/client";
import type { Field, FormProps, Values } from "../../ui/Form";
import { ORDERS, PARTS, PLACES } from "./common";

export const KINDS = ["issue", "return", "move", "count", "adjust", "scrap", "consume"];
const FROM = ["issue", "move", "scrap", "consume", "adjust", "count"]; // a count names its place here
const TO = ["return", "move", "adjust"];
const REASONS = ["count", "adjust", "scrap", "consume"];
const ORDERED = ["issue", "return"];

const has = (kinds: string[]) => (values: Values) => kinds.includes(String(values.kind));
const idOf = (value: unknown): string | undefined => (value as { id: string } | null | undefined)?.id;

export function movementForm(kind: string | null, text: Text): Omit<FormProps, "close" | "title"> & { title?: string } {
  const fields: Field[] = [
    { name: "kind", label: "col.kind", kind: "select", required: true, options: KINDS.map((word) => ({ value: word, label: text.code("movement", word) })), show: () => kind === null },
    { name: "work_order", label: "col.order", kind: "pick", of: ORDERS, required: true, show: has(ORDERED) },
    { name: "from", label: "col.from_place", kind: "pick", of: PLACES, required: true, half: true, show: (values) => has(FROM)(values) && !has(["adjust", "count"])(values) },
    { name: "place", label: "col.location", kind: "pick", of: PLACES, required: true, show: has(["count"]) },
    { name: "direction", label: "stock.direction", kind: "select", required: true, half: true, options: ["in", "out"].map((word) => ({ value: word, label: text.t(`stock.${word}`) })), show: has(["adjust"]) },
    { name: "where", label: "col.location", kind: "pick", of: PLACES, required: true, half: true, show: has(["adjust"]) },
    { name: "to", label: "col.to_place", kind: "pick", of: PLACES, required: true, half: true, show: (values) => has(TO)(values) && !has(["adjust"])(values) },
    { name: "lines", label: "col.parts", kind: "lines", add: "stock.add_part", lines: [{ name: "part", label: "col.part", kind: "pick", of: PARTS, required: true }, { name: "quantity", label: "col.quantity", kind: "number", min: 0, decimals: 3, required: true, half: true }, { name: "serial", label: "col.serial", half: true, most: 120 }, { name: "lot", label: "col.lot", half: true, most: 100 }] },
    { name: "reason", label: "order.reason", kind: "area", required: true, most: 500, show: has(REASONS) },
    { name: "note", label: "finish.note", kind: "area", most: 500 },
  ];
  const operation = newKey();
  const body = (values: Values) => ({
    kind: values.kind,
    operation_id: operation,
    work_order_id: ORDERED.includes(String(values.kind)) ? idOf(values.work_order) : undefined,
    reason: values.reason || undefined,
    note: values.note || undefined,
    lines: ((values.lines as Values[] | undefined) ?? []).filter((row) => idOf(row.part)).map((row) => ({ part_id: idOf(row.part), quantity: Number(row.quantity ?? 1), serial: row.serial || undefined, lot: row.lot || undefined, ...ends(values) })),
  });
  return { path: "/stock-movements", size: "lg", fields, initial: { kind: kind ?? "issue", direction: "in", lines: [{ quantity: 1 }] }, body, done: "stock.booked", title: kind ? text.code("movement", kind) : text.t("stock.book") };
}

function ends(values: Values): Record<string, unknown> {
  if (values.kind === "count") return { location_id: idOf(values.place) };
  if (values.kind === "adjust") return values.direction === "in" ? { to_location_id: idOf(values.where) } : { from_location_id: idOf(values.where) };
  return { from_location_id: FROM.includes(String(values.kind)) ? idOf(values.from) : undefined, to_location_id: TO.includes(String(values.kind)) ? idOf(values.to) : undefined };
}
