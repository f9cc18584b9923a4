/** My work, and the work that nobody has taken yet. */
import { Button } from "@mantine/core";
import { Briefcase, ChevronDown, CloudOff, Coffee, OctagonAlert } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useOutletContext } from "react-router";

import type { Me, Page, WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { orderTitle } from "../text/sentences";
import { Chip, isOpen, Marks, PriorityChip, WorkChip } from "../ui/chips";
import { Since } from "../ui/parts";
import { Bones, Empty, Loaded } from "../ui/states";
import { useInstalled } from "./install";
import { useKept } from "./kept";
import { applied, useOutbox } from "./outbox";
import { FREE, MINE } from "./store";

const RANK: Record<string, number> = { urgent: 0, high: 1, normal: 2, low: 3 };
const FIRST: Record<string, number> = { in_progress: 0, scheduled: 1, unscheduled: 2 };

function inOrder(one: WorkOrder, other: WorkOrder): number {
  return (
    (FIRST[one.state] ?? 3) - (FIRST[other.state] ?? 3) ||
    (RANK[one.priority] ?? 2) - (RANK[other.priority] ?? 2) ||
    one.opened_at.localeCompare(other.opened_at)
  );
}

export function MyWorkPage() {
  const { t, day } = useText();
  const me = useOutletContext<Me>();
  const mine = useKept<Page<WorkOrder>>(["work-orders"], MINE);
  const free = useKept<Page<WorkOrder>>(["work-orders"], FREE);
  const { entries } = useOutbox();
  const { offline } = useInstalled();
  const [done, showDone] = useState(false);
  return (
    <>
      <div><h1>{t("field.mine")}</h1><div className="muted small">{day(Date.now())} · {me.person.name}</div></div>
      <Loaded of={mine} skeleton={<Bones rows={6} height={26} />}>
        {(page) => {
          // Work taken a moment ago is mine before the server's list says so.
          const taken = (free.data?.items ?? []).filter((order) => entries.some((entry) => entry.order === order.id && entry.person.id === me.person.id));
          const all = [...page.items, ...taken].filter((order, index, list) => list.findIndex((one) => one.id === order.id) === index);
          const shown = all.map((order) => applied(order, entries, me.person));
          const open = shown.filter(isOpen).sort(inOrder);
          const finished = shown.filter((order) => !isOpen(order)).slice(0, 20);
          return (
            <>
              {open.length === 0 && (
                <Empty icon={Coffee} sentence={t("field.none_mine")} action={<Button component={Link} to="/available" size="md">{t("field.see_available")}</Button>} example={t(offline ? "field.none_mine_example" : "field.none_mine_online")} />
              )}
              {open.map((order) => <JobCard key={order.id} order={order} />)}
              {finished.length > 0 && (
                <button type="button" className="plainbutton row muted" style={{ minHeight: 44, fontWeight: 560 }} aria-expanded={done} onClick={() => showDone(!done)}>
                  <ChevronDown size={18} style={{ transform: done ? "rotate(180deg)" : undefined }} aria-hidden />{t("field.finished", { count: finished.length })}
                </button>
              )}
              {done && finished.map((order) => <JobCard key={order.id} order={order} />)}
            </>
          );
        }}
      </Loaded>
    </>
  );
}

export function AvailablePage() {
  const { t } = useText();
  const me = useOutletContext<Me>();
  const free = useKept<Page<WorkOrder>>(["work-orders"], FREE);
  const { entries, act } = useOutbox();
  return (
    <>
      <div><h1>{t("field.available")}</h1><div className="muted small">{t("field.available_sub")}</div></div>
      <Loaded of={free} skeleton={<Bones rows={6} height={26} />}>
        {(page) => {
          const left = page.items.map((order) => applied(order, entries, me.person)).filter((order) => !order.assignee).sort(inOrder);
          return left.length === 0 ? (
            <Empty icon={Briefcase} sentence={t("field.none_available")} action={<Button component={Link} to="/" size="md" variant="default">{t("field.to_mine")}</Button>} example={t("field.none_available_example")} />
          ) : (
            <>{left.map((order) => <JobCard key={order.id} order={order} action={<Button size="md" fullWidth onClick={() => void act(order, "accept", me)}>{t("field.accept")}</Button>} />)}</>
          );
        }}
      </Loaded>
    </>
  );
}

function JobCard(props: { order: WorkOrder; action?: ReactNode }) {
  const text = useText();
  const { order } = props;
  const { entries } = useOutbox();
  const own = entries.filter((entry) => entry.order === order.id);
  const refused = own.some((entry) => entry.problem);
  return (
    <article className="card">
      <Link to={`/work/${order.id}`} className="job">
        <div className="row wrap" style={{ marginBottom: 8, gap: 6 }}>
          {order.state !== "unscheduled" && <WorkChip state={order.state} small />}
          <PriorityChip priority={order.priority} small />
          {own.length > 0 && <Chip tone={refused ? "trouble" : "watch"} icon={refused ? OctagonAlert : CloudOff} small>{text.t(refused ? "field.state_refused" : "field.state_waiting")}</Chip>}
          <Marks demo={order.demo} replayed={order.replayed} />
          <span className="grow" />
          <span className="small muted mono-num">{order.number}</span>
        </div>
        <div className="name break clamp2">{order.asset.name}</div>
        {order.asset.site_name && <div className="small muted clamp1">{order.asset.site_name}</div>}
        <div className="break clamp3" style={{ marginTop: 6, fontSize: 15, lineHeight: 1.45 }}>{orderTitle(order, text)}</div>
        <div className="small muted row wrap" style={{ marginTop: 6, gap: 8 }}>
          {(order.since ?? order.opened_at) && isOpen(order) && <Since at={order.since ?? order.opened_at} />}
          {order.origin === "finding" && <Chip tone="model" small>{text.code("origin", "finding")}</Chip>}
          {order.outcome && <span>{text.code("outcome", order.outcome)}</span>}
        </div>
      </Link>
      {props.action && <div style={{ padding: "0 16px 14px" }}>{props.action}</div>}
    </article>
  );
}
