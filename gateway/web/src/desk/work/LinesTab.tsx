/** Labour, travel and expenses of an order: counted from visits or written down, approved or rejected. */
import { Check, Clock, Plus, Trash2, X } from "lucide-react";
import { useOutletContext } from "react-router";

import { newKey } from "../../api/client";
import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { CardBlock } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Empty, Failure } from "../../ui/states";
import { OrderParts } from "../stock/OrderParts";
import { money } from "../stock/common";
import { VerdictChip } from "../warranty/look";
import { VerdictLines } from "../warranty/Lines";
import type { Coverage } from "../warranty/types";
import { duration, TECHNICIANS, type Named, type Order } from "./look";

type Line = { id: string; kind: string; category: string; source: string; person: Named | null; day: string; minutes: number | null; kilometres: number | null; amount: number | null; currency: string | null; note: string | null; state: string; decision_reason: string | null; evidence_ids: string[] };
type Lines = { items: Line[]; totals: { labour_minutes: number; travel_minutes: number; kilometres: number; amounts: Record<string, number> } };

const CATEGORIES: Record<string, string[]> = {
  labour: ["normal", "overtime", "night", "holiday", "standby"],
  travel: ["drive", "public_transport", "flight", "on_foot", "other"],
  expense: ["toll", "parking", "fuel", "accommodation", "meal", "material", "tool_hire", "other"],
};

export function LinesTab(props: { order: Order }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const { order } = props;
  const path = `/work-orders/${order.id}/lines`;
  const lines = useOne<Lines>(path);
  const coverage = useOne<Coverage>(`/work-orders/${order.id}/coverage`, may(me, "warranty.read"));
  const open = !["closed", "cancelled"].includes(order.state);
  const record = open && order.may.includes("work_order.record");
  const decide = order.may.includes("work_order.review");
  if (!lines.data) return lines.error ? <Failure error={lines.error} retry={() => void lines.refetch()} /> : <Bones rows={5} />;
  const { items, totals } = lines.data;
  const judged = Object.fromEntries((coverage.data?.lines ?? []).map((one) => [one.line_id, one.override?.verdict ?? one.verdict]));
  const add = record ? <AddLine path={path} text={text} desk={may(me, "work_order.assign")} /> : undefined;
  const actions = (line: Line) => (
    <span className="row" style={{ gap: 4, justifyContent: "flex-end" }}>
      {decide && line.state !== "approved" && <ActButton small icon={Check} label={text.t("work.approve_line")} path={`${path}/${line.id}/decision`} body={{ to: "approved" }} />}
      {decide && line.state !== "rejected" && <FormButton small icon={X} label={text.t("work.reject_line")} form={{ path: `${path}/${line.id}/decision`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 1000 }], body: (values) => ({ to: "rejected", reason: values.reason }) }} />}
      {record && line.state !== "approved" && (line.person?.id === me.person.id || decide) && <ActButton small danger icon={Trash2} label={text.t("action.delete")} path={`${path}/${line.id}`} method="DELETE" />}
    </span>
  );
  return (
    <>
      <CardBlock title={text.t("work.lines")} right={add} flush={items.length > 0}>
        {items.length === 0 ? <Empty bare icon={Clock} sentence={text.t("work.no_lines")} example={text.t("work.lines_example")} /> : (
          <Table<Line> plain rows={items} columns={[
            { label: "col.day", cell: (line) => text.day(line.day) },
            { label: "work.person", cell: (line) => line.person?.name ?? "–" },
            { label: "col.kind", cell: (line) => <>{text.code("line_kind", line.kind)} · {text.code("line_category", line.category)}{line.source === "visit" && <span className="tiny muted"> {text.t("work.counted")}</span>}</> },
            { label: "work.quantity", num: true, phone: "side", cell: (line) => quantity(line, text) },
            ...(Object.keys(judged).length > 0 ? [{ label: "nav.warranties", cell: (line: Line) => { const verdict = judged[`line:${line.id}`]; return verdict ? <VerdictChip verdict={verdict} small /> : null; } }] : []),
            { label: "finish.note", phone: "hide", cell: (line) => <span className="break small">{line.note}</span> },
            { label: "col.state", cell: (line) => <Chip small tone={line.state === "approved" ? "ok" : line.state === "rejected" ? "trouble" : "quiet"} title={line.decision_reason ?? undefined}>{text.code("line_state", line.state)}</Chip> },
            { label: "work.actions", cell: actions },
          ]} />
        )}
        {items.length > 0 && (
          <div className="inset row wrap small" style={{ gap: "4px 18px", padding: "12px 20px", fontWeight: 600 }}>
            <span>{text.t("work.total_labour", { time: duration(totals.labour_minutes, text) })}</span>
            <span>{text.t("work.total_travel", { time: duration(totals.travel_minutes, text) })}</span>
            {totals.kilometres > 0 && <span>{text.number(totals.kilometres, 1)} km</span>}
            {Object.entries(totals.amounts).map(([currency, amount]) => <span key={currency}>{money(amount, currency, text)}</span>)}
          </div>
        )}
      </CardBlock>
      <OrderParts order={order.id} judged={judged} />
      {coverage.data && coverage.data.lines.length > 0 && (
        <CardBlock title={text.t("work.coverage")} right={coverage.data.current === false && <Chip small tone="quiet">{text.t("work.coverage_again")}</Chip>}>
          <VerdictLines coverage={{ ...coverage.data, lines: coverage.data.lines.map((one) => ({ ...one, description: described(one.line_id, items, text) })) }} />
        </CardBlock>
      )}
    </>
  );
}

/** What a verdict is about: a line of this order by its person and day; a part says its item by itself. */
function described(id: string, items: Line[], text: Text): string | undefined {
  const line = items.find((one) => id === `line:${one.id}`);
  return line && [line.person?.name, text.day(line.day), quantity(line, text)].filter(Boolean).join(" · ");
}

function quantity(line: Line, text: Text): string {
  const said = [line.minutes !== null ? duration(line.minutes, text) : "", line.kilometres !== null ? `${text.number(line.kilometres, 1)} km` : "", line.amount !== null ? money(line.amount, line.currency, text) : ""];
  return said.filter(Boolean).join(" · ");
}

function AddLine(props: { path: string; text: Text; desk: boolean }) {
  const { text } = props;
  const of = (kind: string) => (values: Record<string, unknown>) => values.kind === kind;
  const category = (kind: string): Field => ({ name: `category_${kind}`, label: "work.category", kind: "select", half: true, show: of(kind), options: CATEGORIES[kind]!.map((value) => ({ value, label: text.code("line_category", value) })) });
  const fields: Field[] = [
    { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: Object.keys(CATEGORIES).map((value) => ({ value, label: text.code("line_kind", value) })) },
    ...Object.keys(CATEGORIES).map(category),
    { name: "minutes", label: "work.minutes_label", kind: "integer", min: 1, max: 1440, suffix: "min", half: true, show: (values) => values.kind !== "expense" },
    { name: "kilometres", label: "work.kilometres", kind: "number", min: 0, max: 20000, decimals: 2, suffix: "km", half: true, show: of("travel") },
    { name: "amount", label: "work.amount", kind: "number", min: 0, decimals: 2, half: true, required: true, show: of("expense") },
    { name: "currency", label: "work.currency", half: true, most: 3, example: "CNY", required: true, show: of("expense") },
    { name: "day", label: "col.day", kind: "date", half: true },
    ...(props.desk ? ([{ name: "person_id", label: "work.person", hint: "work.person_hint", kind: "pick", of: TECHNICIANS, half: true }] as Field[]) : []),
    { name: "note", label: "finish.note", kind: "area", most: 1000 },
  ];
  return (
    <FormButton small icon={Plus} label={text.t("work.add_line")} form={{
      path: props.path, fields, initial: { kind: "labour" }, size: "lg", done: "form.saved",
      body: (values) => {
        const { kind, person_id, note, day } = values as { kind: string; person_id?: { id: string } | null; note?: string; day?: string };
        const number = (name: string) => (values[name] === "" || values[name] === undefined || values[name] === null ? undefined : Number(values[name]));
        const expense = kind === "expense";
        return { id: newKey(), kind, category: values[`category_${kind}`] || undefined, minutes: expense ? undefined : number("minutes"), kilometres: kind === "travel" ? number("kilometres") : undefined, amount: expense ? number("amount") : undefined, currency: expense ? values.currency : undefined, day: day || undefined, note: note || undefined, person_id: person_id?.id };
      },
    }} />
  );
}
