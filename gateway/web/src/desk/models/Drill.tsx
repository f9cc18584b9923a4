/** The work orders behind one figure, with the formula that makes it. */
import { Button, Drawer, SegmentedControl } from "@mantine/core";
import { Link } from "react-router";

import { HELD, useHeldRows, useJudgedOrders, useVerdicts, type Counts, type Drilled, type JudgedOrder, type Performance } from "../../api/performance";
import { duration } from "../../i18n/format";
import { useText } from "../../i18n/useText";
import { noticed } from "../../text/noticed";
import { Chip } from "../../ui/chips";
import { Bones, Loaded } from "../../ui/states";
import { partsOf } from "./figures";
import { modelName } from "./PerformancePage";

const FORMULAS: Record<string, string> = { preempted: "preempted", late: "preempted", missed: "preempted", accepted: "planner", dismissed: "planner", suppressed: "held", audited: "held", broke_through: "held" };

export function Drill(props: { asked: Drilled; performance: Performance; set: (figure: string) => void; close: () => void }) {
  const text = useText();
  const { asked, performance } = props;
  const row = asked.model === "all" ? performance.overall : performance.items.find((one) => one.model === asked.model);
  const counts: Counts | undefined = asked.month ? row?.months.find((one) => one.month === asked.month) : row?.figures;
  const tally = (part: string) => (counts ? ` ${counts[part as keyof Counts] ?? ""}` : "");
  const parts = partsOf(asked.figure);
  return (
    <Drawer opened onClose={props.close} position="right" size="lg" title={<b>{row ? modelName(row, text) : ""}{asked.month && ` · ${asked.month}`}</b>}>
      <div className="small muted" style={{ marginBottom: 12 }}>{text.t(`performance.formula.${FORMULAS[asked.figure] ?? "precision"}`)}</div>
      <div className="scroll" style={{ marginBottom: 12 }}>
        <SegmentedControl size="xs" value={asked.figure} onChange={props.set} data={parts.map((part) => ({ value: part, label: text.t(`performance.part.${part}`) + tally(part) }))} />
      </div>
      {asked.figure === "accepted" || asked.figure === "dismissed" ? <Verdicts asked={asked} /> : HELD.includes(asked.figure) ? <Held asked={asked} /> : <Orders asked={asked} />}
    </Drawer>
  );
}

function Orders(props: { asked: Drilled }) {
  const text = useText();
  const orders = useJudgedOrders(props.asked);
  return (
    <Loaded of={orders} skeleton={<Bones rows={5} />}>
      {(data) => {
        const rows = data.pages.flatMap((page) => page.items);
        if (rows.length === 0) return <div className="small muted">{text.t("performance.none")}</div>;
        return (
          <>
            {rows.map((order) => <OrderRow key={order.work_order.id} order={order} />)}
            {orders.hasNextPage && <Button mt="md" variant="default" size="compact-sm" loading={orders.isFetchingNextPage} onClick={() => void orders.fetchNextPage()}>{text.t("action.earlier")}</Button>}
          </>
        );
      }}
    </Loaded>
  );
}

const TONE = { right: "ok", wrong: "trouble", neutral: "quiet", unanswered: "quiet" } as const;

function OrderRow(props: { order: JudgedOrder }) {
  const text = useText();
  const { order } = props;
  return (
    <div style={{ padding: "11px 0", borderTop: "1px solid var(--line-soft)" }}>
      <div className="row wrap" style={{ gap: "2px 10px" }}>
        <Link className="link mono-num" to={`/work-orders/${order.work_order.id}`}>{order.work_order.number}</Link>
        <span className="grow break">{order.asset.name}</span>
        <Chip tone={TONE[order.verdict as keyof typeof TONE] ?? "quiet"} small>{text.code("verdict", order.verdict)}</Chip>
      </div>
      <div className="small muted">
        {text.moment(order.opened_at)}
        {order.outcome && <> · {text.code("outcome", order.outcome)}</>}
        {order.detector && <> · {text.code("detector", order.detector)}</>}
      </div>
      {order.failed_at && (
        <div className="small">
          {text.t("performance.failed", { at: text.moment(order.failed_at) })}
          {order.failure && <> · {text.t(`performance.part.${order.failure}`)}</>}
          {order.lead_s !== null && <b> · {text.t("performance.lead_by", { time: duration(Math.max(0, order.lead_s), text.language) })}</b>}
          {order.caught_by && <> · <Link className="link" to={`/work-orders/${order.caught_by.id}`}>{order.caught_by.number}</Link></>}
        </div>
      )}
    </div>
  );
}

function Held(props: { asked: Drilled }) {
  const text = useText();
  const rows = useHeldRows(props.asked);
  return (
    <Loaded of={rows} skeleton={<Bones rows={5} />}>
      {(page) =>
        page.items.length === 0 ? (
          <div className="small muted">{text.t("performance.none")}</div>
        ) : (
          <>
            {page.items.map((row) => (
              <div key={`${row.finding_id}${row.at}`} style={{ padding: "11px 0", borderTop: "1px solid var(--line-soft)" }}>
                <div className="row wrap" style={{ gap: "2px 10px" }}>
                  <Link className="plain grow break" style={{ fontWeight: 620 }} to={`/assets/${row.asset.id}`}>{row.asset.name}</Link>
                  {row.work_order && <Link className="link mono-num" to={`/work-orders/${row.work_order.id}`}>{row.work_order.number}</Link>}
                </div>
                <div className="small">{noticed({ signature: row.signature, layer: row.detector === "limits" ? "L1" : null }, text)}</div>
                <div className="small muted">{text.moment(row.at)} · {text.code("reason_name", row.reason)}{row.outcome && <> · {text.code("outcome", row.outcome)}</>}</div>
              </div>
            ))}
          </>
        )
      }
    </Loaded>
  );
}

function Verdicts(props: { asked: Drilled }) {
  const text = useText();
  const verdicts = useVerdicts(props.asked);
  return (
    <Loaded of={verdicts} skeleton={<Bones rows={5} />}>
      {(page) =>
        page.items.length === 0 ? (
          <div className="small muted">{text.t("performance.none")}</div>
        ) : (
          <>
            {page.items.map((one) => (
              <div key={one.predicted_job_id} style={{ padding: "11px 0", borderTop: "1px solid var(--line-soft)" }}>
                <div className="row wrap" style={{ gap: "2px 10px" }}>
                  <Link className="plain grow break" style={{ fontWeight: 620 }} to={`/assets/${one.asset.id}`}>{one.asset.name}</Link>
                  {one.work_order && <Link className="link mono-num" to={`/work-orders/${one.work_order.id}`}>{one.work_order.number}</Link>}
                </div>
                <div className="small muted">{text.moment(one.at)} · {one.by?.name ?? text.t("actor.system")}</div>
                {one.reason && <div className="small break">“{one.reason}”</div>}
              </div>
            ))}
          </>
        )
      }
    </Loaded>
  );
}
