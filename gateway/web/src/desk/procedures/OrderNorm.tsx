/** An order beside the norms of its procedures, line by line; and a good one made a procedure. */
import { BookUp, Scale } from "lucide-react";
import { useNavigate, useOutletContext } from "react-router";

import { may, useOne, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { CardBlock } from "../../ui/parts";
import { Bones, Empty, Failure, Notice } from "../../ui/states";
import { money } from "../stock/common";
import { duration, PROCEDURES, type Order } from "../work/look";
import { permitName } from "./PermitCard";
import { Formulas, share, signed } from "./VariancePage";

type Row = Schema["VarianceRow"];
const TONES: Record<string, "ok" | "watch" | "trouble" | "quiet"> = { as_planned: "ok", more: "watch", less: "quiet", not_used: "quiet", extra: "watch" };

export function NormTab(props: { order: Order }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const { order } = props;
  const found = useOne<Schema["OrderVariance"]>(`/work-orders/${order.id}/variance`);
  if (!found.data) return found.error ? <Failure error={found.error} retry={() => void found.refetch()} /> : <Bones rows={6} />;
  const data = found.data;
  const promote = may(me, "procedure.manage") && ["completed", "documented", "closed"].includes(order.state) ? <Promote order={order} /> : undefined;
  if (!data.has_norms && data.rows.length === 0) return <Empty icon={Scale} sentence={text.t("norm.order_none")} example={text.t("norm.order_none_example")} action={promote} />;
  const priced = data.rows.some((row) => row.standard_cost !== null || row.cost !== null);
  return (
    <>
      {!data.has_norms && <Notice tone="quiet">{text.t("norm.order_none")}</Notice>}
      <CardBlock title={text.t("norm.against")} right={promote} flush>
        <div className="scroll">
          <table className="grid">
            <thead><tr><th>{text.t("norm.what")}</th><th className="num">{text.t("norm.planned")}</th><th className="num">{text.t("norm.actual")}</th><th className="num">{text.t("norm.difference")}</th><th>{text.t("col.state")}</th>{priced && <><th className="num">{text.t("norm.standard")}</th><th className="num">{text.t("norm.cost_actual")}</th><th className="num" title={data.formulas.cost}>{text.t("norm.cost_difference")}</th></>}</tr></thead>
            <tbody>{data.rows.map((row) => <Line key={`${row.kind}${row.of}`} row={row} currency={data.currency} priced={priced} />)}</tbody>
            {priced && <tfoot><tr><th>{text.t("norm.total")}</th><td colSpan={4} /><th className="num">{money(data.standard_cost, data.currency, text)}</th><th className="num">{money(data.cost, data.currency, text)}</th><th className="num">{data.difference_cost === null ? "–" : signed(data.difference_cost, money(data.difference_cost, data.currency, text))}</th></tr></tfoot>}
          </table>
        </div>
        <div className="inset small row wrap" style={{ gap: "4px 18px", padding: "12px 20px" }}>
          <span className="muted">{text.t("norm.travel_apart", { time: duration(data.travel_minutes, text) })}{data.travel_cost ? ` · ${money(data.travel_cost, data.currency, text)}` : ""}</span>
          <span className="muted">{data.procedures.join(", ")}</span>
        </div>
      </CardBlock>
      {Object.keys(data.left_out).length > 0 && <Notice tone="quiet">{text.t("norm.left_out")} {Object.entries(data.left_out).map(([why, count]) => `${text.code("norm_left", why)} (${count})`).join(", ")}</Notice>}
      <Formulas of={data.formulas} />
    </>
  );
}

const much = (row: Row, value: number, text: Text): string => (row.kind === "parts" ? text.number(value, 3) : duration(value, text));

function Line(props: { row: Row; currency: string; priced: boolean }) {
  const text = useText();
  const { row, currency } = props;
  const off = row.difference === 0 ? "–" : `${signed(row.difference, row.kind === "parts" ? text.number(row.difference, 3) : `${row.difference < 0 ? "−" : ""}${duration(Math.abs(row.difference), text)}`)}${row.percent !== null ? ` (${share(row.percent, text)})` : ""}`;
  const cost = row.cost !== null && row.standard_cost !== null ? row.cost - row.standard_cost : null;
  const parts = row.by_quantity !== null && row.by_price !== null ? text.t("norm.of_which", { quantity: money(row.by_quantity, currency, text), price: money(row.by_price, currency, text) }) : undefined;
  return (
    <tr>
      <td className="break" style={{ minWidth: 140 }}>{row.of ? permitName(row, text) : text.code("norm_kind", row.kind)}{row.of && <span className="tiny muted mono"> {row.of}</span>}</td>
      <td className="num">{row.planned ? much(row, row.planned, text) : "–"}</td>
      <td className="num">{row.actual ? much(row, row.actual, text) : "–"}</td>
      <td className="num">{off}</td>
      <td><Chip small tone={TONES[row.state] ?? "quiet"}>{text.code("norm_state", row.state)}</Chip></td>
      {props.priced && <><td className="num">{money(row.standard_cost, currency, text)}</td><td className="num">{money(row.cost, currency, text)}</td><td className="num" title={parts}>{cost === null ? "–" : signed(cost, money(cost, currency, text))}</td></>}
    </tr>
  );
}

function Promote(props: { order: Order }) {
  const text = useText();
  const navigate = useNavigate();
  return (
    <FormButton small icon={BookUp} label={text.t("sop.promote")} form={{
      path: `/work-orders/${props.order.id}/promote`, title: text.t("sop.promote"), note: text.t("sop.promote_hint"), done: "sop.was_promoted",
      after: (made: { id: string }) => void navigate(`/procedures/${made.id}`),
      initial: { onto: "new", replace: false },
      fields: [
        { name: "onto", label: "sop.promote_to", kind: "select", required: true, options: [{ value: "new", label: text.t("sop.promote_new") }, { value: "next", label: text.t("sop.promote_next") }] },
        { name: "procedure_id", label: "sop.one", kind: "pick", of: PROCEDURES, required: true, show: (values) => values.onto === "next" },
        { name: "replace", label: "sop.promote_replace", kind: "switch", show: (values) => values.onto === "next" },
        { name: "code", label: "col.code", required: true, most: 60, example: "SOP-PUMP-02", show: (values) => values.onto === "new" },
        { name: "name_en", label: "col.name_en", required: true, half: true, show: (values) => values.onto === "new" },
        { name: "name_zh", label: "col.name_zh", required: true, half: true, show: (values) => values.onto === "new" },
      ],
      body: (values) => (values.onto === "next" ? { procedure_id: (values.procedure_id as { id: string } | null)?.id, replace: values.replace === true } : { code: values.code, name_en: values.name_en, name_zh: values.name_zh }),
    }} />
  );
}
