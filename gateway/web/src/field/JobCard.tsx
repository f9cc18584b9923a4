/** One job in a list: when, how pressing, which machine, what about. */
import { CloudOff, OctagonAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { useText } from "../i18n/useText";
import { orderTitle } from "../text/sentences";
import { Chip, isOpen, Marks, PriorityChip, WorkChip } from "../ui/chips";
import { Since } from "../ui/parts";
import { myVisit, sameDay, spanOf, type Job } from "./jobs";
import { useOutbox } from "./outbox";
import { hours, weekday } from "./today/words";

export function JobCard(props: { order: Job; person: string; action?: ReactNode; dated?: boolean; plain?: boolean }) {
  const text = useText();
  const { order } = props;
  const { entries } = useOutbox();
  const own = entries.filter((entry) => entry.order === order.id && entry.sent === null);
  const refused = own.some((entry) => entry.problem);
  const span = spanOf(order, props.person);
  const visit = myVisit(order, props.person);
  const under = visit && ["travelling", "on_break"].includes(visit.state) ? visit.state : null;
  const inside = (
    <>
      {span && isOpen(order) && (
        <div className="when">
          {hours(span.from, span.until, text)}
          {(props.dated ?? !sameDay(span.from, new Date())) && <span className="muted" style={{ fontWeight: 560 }}> · {weekday(span.from, text)}</span>}
        </div>
      )}
      <div className="row wrap" style={{ marginBottom: 8, gap: 6 }}>
        {under ? <Chip tone="learning" small>{text.code("visit", under)}</Chip> : order.state !== "unscheduled" && <WorkChip state={order.state} small />}
        <PriorityChip priority={order.priority} small />
        {own.length > 0 && <Chip tone={refused ? "trouble" : "watch"} icon={refused ? OctagonAlert : CloudOff} small>{text.t(refused ? "field.state_refused" : "field.state_waiting")}</Chip>}
        <Marks demo={order.demo} replayed={order.replayed} />
        <span className="grow" />
        <span className="small muted mono-num">{order.number}</span>
      </div>
      <div className="name break clamp2">{order.asset.name}</div>
      {order.asset.site_name && <div className="small muted clamp1">{order.asset.site_name}</div>}
      <div className="break clamp3" style={{ marginTop: 6, fontSize: 16, lineHeight: 1.45 }}>{orderTitle(order, text)}</div>
      <div className="small muted row wrap" style={{ marginTop: 6, gap: 8 }}>
        {(order.since ?? order.opened_at) && isOpen(order) && <Since at={order.since ?? order.opened_at} />}
        {order.origin === "finding" && <Chip tone="model" small>{text.code("origin", "finding")}</Chip>}
        {order.outcome && <span>{text.code("outcome", order.outcome)}</span>}
      </div>
    </>
  );
  return (
    <article className="card">
      {props.plain ? <div className="job">{inside}</div> : <Link to={`/work/${order.id}`} className="job">{inside}</Link>}
      {props.action && <div style={{ padding: "0 16px 14px" }}>{props.action}</div>}
    </article>
  );
}
