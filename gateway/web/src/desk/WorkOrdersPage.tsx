/** Every work order: what is open, what is mine, what no person opened. */
import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { ClipboardList, Search } from "lucide-react";
import { useState } from "react";
import { Link, useNavigate, useOutletContext, useSearchParams } from "react-router";

import type { WorkFilter } from "../api/hooks";
import { may, rowsOf, useRows } from "../api/rows";
import type { Me, WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { orderTitle } from "../text/sentences";
import { Marks, OriginChip, PriorityChip, WorkChip } from "../ui/chips";
import { Ago, PageHead, useTitle } from "../ui/parts";
import { Head, More, type Order } from "../ui/Rows";
import { Bones, Empty, Failure } from "../ui/states";
import { SlaChips } from "./sla/SlaChips";

const SORTS = ["number", "state", "priority", "opened"];
const VIEWS: Record<string, WorkFilter> = {
  open: { open: true },
  mine: { assignee: "me" },
  review: { review: "waiting" },
  models: { origin: "finding" },
  breached: { sla: "breached" },
  at_risk: { sla: "at_risk" },
  all: {},
};

/** 12, 000012 and WO-12 all mean WO-000012. */
export function fullNumber(typed: string): string {
  const digits = typed.replace(/^wo-?/i, "").trim();
  return /^\d+$/.test(digits) ? `WO-${digits.padStart(6, "0")}` : typed.trim();
}

export function WorkOrdersPage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const view = params.get("view") ?? "open";
  const [typed, setTyped] = useState("");
  const [sought] = useDebouncedValue(typed, 300);
  const sort = SORTS.find((word) => [word, `-${word}`].includes(params.get("sort") ?? "")) ? params.get("sort") : null;
  const order: Order = { now: sort, set: (word) => setParams((held) => { const next = new URLSearchParams(held); if (word) next.set("sort", word); else next.delete("sort"); return next; }, { replace: true }) };
  const wanted: WorkFilter = sought.trim() ? { q: fullNumber(sought) } : (VIEWS[view] ?? VIEWS.open!);
  const orders = useRows<WorkOrder>("/work-orders", sort ? { ...wanted, sort } : wanted, true, "work-orders");
  const rows = rowsOf(orders);
  useTitle(text.t("nav.work_orders"));
  return (
    <>
      <PageHead title={text.t("nav.work_orders")} sub={text.t("orders.sub")} />
      <div className="row wrap" style={{ marginBottom: 14, gap: 10 }}>
        <div className="scroll" style={{ maxWidth: "100%" }}>
          <SegmentedControl value={view} onChange={(value) => setParams({ view: value, ...(sort ? { sort } : {}) }, { replace: true })} data={Object.keys(VIEWS).map((name) => ({ value: name, label: text.t(`orders.view.${name}`) }))} />
        </div>
        <div className="grow" />
        <TextInput value={typed} onChange={(event) => setTyped(event.currentTarget.value)} leftSection={<Search size={16} />} placeholder={text.t("orders.search")} aria-label={text.t("orders.search")} style={{ flex: "0 1 240px" }} />
      </div>
      {!orders.data ? (orders.isPending ? <Bones rows={9} height={26} /> : <Failure error={orders.error} retry={() => void orders.refetch()} />) : rows.length === 0 ? <None view={view} sought={sought.trim()} clear={() => setTyped("")} /> : (
        <div style={orders.isPlaceholderData ? { opacity: 0.6 } : undefined} aria-busy={orders.isFetching}>
          <Orders orders={rows} order={order} />
          <More of={orders} />
        </div>
      )}
    </>
  );
}

function None(props: { view: string; sought: string; clear: () => void }) {
  const text = useText();
  const connects = may(useOutletContext<Me>(), "device.manage");
  if (props.sought)
    return (
      <Empty icon={Search} sentence={text.t("search.nothing", { sought: fullNumber(props.sought) })} action={<Button variant="default" onClick={props.clear}>{text.t("orders.clear_search")}</Button>} />
    );
  return (
    <Empty
      icon={ClipboardList}
      sentence={text.t(`orders.empty.${props.view in VIEWS ? props.view : "open"}`)}
      action={props.view === "all" ? connects && <Button component={Link} to="/devices/connect">{text.t("connect.action")}</Button> : <Button component={Link} to="/work-orders?view=all" variant="default">{text.t("orders.see_all")}</Button>}
      example={text.t("orders.example")}
    />
  );
}

function Orders(props: { orders: WorkOrder[]; order: Order }) {
  const text = useText();
  const navigate = useNavigate();
  return (
    <>
      <div className="card scroll hide-phone">
        <table className="grid">
          <thead>
            <tr>
              <Head column={{ label: "orders.number", sort: "number", cell: () => null }} order={props.order} />
              <th>{text.t("orders.what")}</th>
              <Head column={{ label: "orders.state", sort: "state", cell: () => null }} order={props.order} />
              <Head column={{ label: "orders.priority", sort: "priority", cell: () => null }} order={props.order} />
              <th>{text.t("sla.title")}</th>
              <th>{text.t("orders.assignee")}</th>
              <Head column={{ label: "orders.opened", sort: "opened", cell: () => null }} order={props.order} />
            </tr>
          </thead>
          <tbody>
            {props.orders.map((order) => (
              <tr key={order.id} className="go" onClick={() => void navigate(`/work-orders/${order.id}`)}>
                <td style={{ whiteSpace: "nowrap" }}>
                  <Link className="plain mono-num" style={{ fontWeight: 620 }} to={`/work-orders/${order.id}`}>{order.number}</Link>
                  <div className="row" style={{ gap: 4, marginTop: 3 }}><Marks demo={order.demo} replayed={order.replayed} /></div>
                </td>
                <td style={{ minWidth: 260 }}>
                  <div className="clamp2" style={{ fontWeight: 540 }}>{orderTitle(order, text)}</div>
                  <div className="row wrap small muted" style={{ marginTop: 4, gap: "4px 8px" }}>
                    <span className="clamp1" style={{ maxWidth: 340 }}>{[order.asset.name, order.asset.site_name].filter(Boolean).join(" · ")}</span>
                    <OriginChip origin={order.origin} small />
                  </div>
                </td>
                <td><WorkChip state={order.state} small />{order.outcome && <div className="tiny muted" style={{ marginTop: 3 }}>{text.code("outcome", order.outcome)}</div>}</td>
                <td><PriorityChip priority={order.priority} small /></td>
                <td><SlaChips clocks={order.sla} /></td>
                <td className="small" style={{ whiteSpace: "nowrap" }}>{order.assignee?.name ?? <span className="faint">{text.t("orders.nobody")}</span>}</td>
                <td className="small muted" style={{ whiteSpace: "nowrap" }}><Ago at={order.opened_at} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="stack only-phone" style={{ gap: 10 }}>
        {props.orders.map((order) => <OrderCard key={order.id} order={order} to={`/work-orders/${order.id}`} />)}
      </div>
    </>
  );
}

export function OrderCard(props: { order: WorkOrder; to: string }) {
  const text = useText();
  const { order } = props;
  return (
    <Link to={props.to} className="card job">
      <div className="row" style={{ marginBottom: 6 }}>
        <span className="small muted mono-num" style={{ fontWeight: 600 }}>{order.number}</span>
        <span className="grow" />
        <WorkChip state={order.state} small />
      </div>
      <div className="name break clamp2">{order.asset.name}</div>
      <div className="small break clamp2" style={{ marginTop: 3 }}>{orderTitle(order, text)}</div>
      <div className="row wrap tiny muted" style={{ marginTop: 8, gap: 6 }}>
        {order.sla && order.sla.length > 0 && <SlaChips clocks={order.sla} />}
        {(order.priority === "urgent" || order.priority === "high") && <PriorityChip priority={order.priority} small />}
        <OriginChip origin={order.origin} small />
        <Marks demo={order.demo} replayed={order.replayed} />
        <span className="grow" />
        <Ago at={order.opened_at} />
      </div>
    </Link>
  );
}
