/** What is known beside a case: the customer, the machine with its warranty, and what else is under way. */
import { Link } from "react-router";

import { useOne, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Chip, WorkChip } from "../../ui/chips";
import { CardBlock, Facts } from "../../ui/parts";
import { Bones, Loaded } from "../../ui/states";
import { CaseChip, type CaseDetail } from "./common";

type Known = Schema["CaseContext"];

export function Beside(props: { one: CaseDetail }) {
  const known = useOne<Known>(`/cases/${props.one.id}/context`);
  return <Loaded of={known} skeleton={<Bones rows={4} />}>{(beside) => <Shown beside={beside} />}</Loaded>;
}

function Shown(props: { beside: Known }) {
  const { asset, customer, open_orders, past_orders, open_cases } = props.beside;
  const text = useText();
  return (
    <>
      {customer && (
        <CardBlock title={text.t("cases.customer")}>
          <Facts rows={[[text.t("col.name"), <Link className="link break" to={`/customers/${customer.id}`}>{customer.name}</Link>], [text.t("col.number"), customer.number], ...(customer.phone ? [[text.t("cases.contact_phone"), <a className="link" href={`tel:${customer.phone}`}>{customer.phone}</a>] as [React.ReactNode, React.ReactNode]] : []), ...(customer.email ? [[text.t("cases.contact_email"), <a className="link break" href={`mailto:${customer.email}`}>{customer.email}</a>] as [React.ReactNode, React.ReactNode]] : [])]} />
        </CardBlock>
      )}
      {asset && (
        <CardBlock title={text.t("col.asset")}>
          <Facts rows={[[text.t("col.name"), <Link className="link break" to={`/assets/${asset.id}`}>{asset.name}</Link>], [text.t("col.serial"), <span className="mono">{asset.serial}</span>], [text.t("col.state"), `${text.code("lifecycle", asset.lifecycle)} · ${text.code("operation", asset.operation)}`], [text.t("nav.warranties"), <Chip small tone={asset.warranty.state === "running" ? "ok" : asset.warranty.state === "needs_check" ? "watch" : "quiet"}>{text.code("case_warranty", asset.warranty.state)}{asset.warranty.until && ` · ${text.day(asset.warranty.until)}`}</Chip>]]} />
        </CardBlock>
      )}
      <Works title={text.t("cases.open_orders")} orders={open_orders} />
      <Works title={text.t("cases.past_orders")} orders={past_orders.slice(0, 5)} />
      {open_cases.length > 0 && (
        <CardBlock title={text.t("cases.other_cases")}>
          {open_cases.map((one) => <div key={one.id} className="row wrap small" style={{ gap: "2px 8px", padding: "4px 0" }}><Link className="link" to={`/cases/${one.id}`}>{one.number}</Link><CaseChip state={one.state} small /><span className="grow break">{one.title}</span></div>)}
        </CardBlock>
      )}
    </>
  );
}

function Works(props: { title: string; orders: Known["open_orders"] }) {
  const text = useText();
  if (props.orders.length === 0) return null;
  return (
    <CardBlock title={props.title}>
      {props.orders.map((order) => (
        <div key={order.id} className="row wrap small" style={{ gap: "2px 8px", padding: "4px 0" }}>
          <Link className="link mono-num" to={`/work-orders/${order.id}`}>{order.number}</Link><WorkChip state={order.state} small />
          <span className="grow break">{order.title_text ?? ""}{order.outcome && <span className="muted"> {text.code("outcome", order.outcome)}</span>}</span>
        </div>
      ))}
    </CardBlock>
  );
}
