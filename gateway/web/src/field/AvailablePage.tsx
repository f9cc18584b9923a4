/** Work that nobody has yet: taken from the list, or from the pool where the desk leaves it to whoever is first. */
import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Briefcase, CloudOff, UserCheck } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext } from "react-router";

import { ApiError, newKey, post, Unreachable } from "../api/client";
import { may } from "../api/rows";
import type { Me, Page, WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { problemText } from "../ui/Form";
import { say } from "../ui/Providers";
import { Bones, Empty, Loaded, Notice } from "../ui/states";
import { JobCard } from "./JobCard";
import { inOrder, type Job } from "./jobs";
import { useKept } from "./kept";
import { applied, useOutbox } from "./outbox";
import { FREE } from "./store";

export const POOL = "/dispatch/pool";
export type Pool = { open: boolean; items: Job[] };

export function AvailablePage() {
  const { t } = useText();
  const me = useOutletContext<Me>();
  const claims = may(me, "dispatch.claim");
  const pool = useKept<Pool>(["dispatch", "pool"], POOL, 15_000);
  if (claims && pool.data?.open) return <PoolList pool={pool.data} me={me} />;
  return (
    <>
      <div><h1>{t("field.available")}</h1><div className="muted small">{t("field.available_sub")}</div></div>
      <Free me={me} />
    </>
  );
}

function Free(props: { me: Me }) {
  const { t } = useText();
  const { me } = props;
  const free = useKept<Page<Job>>(["work-orders"], FREE);
  const { entries, act } = useOutbox();
  return (
    <Loaded of={free} skeleton={<Bones rows={6} height={26} />}>
      {(page) => {
        const left = page.items.map((order) => applied(order, entries, me.person)).filter((order) => !order.assignee).sort(inOrder(me.person.id));
        return left.length === 0 ? (
          <Empty icon={Briefcase} sentence={t("field.none_available")} action={<Button component={Link} to="/" size="md" variant="default">{t("field.to_mine")}</Button>} example={t("field.none_available_example")} />
        ) : (
          <>{left.map((order) => <JobCard key={order.id} order={order} person={me.person.id} action={<Button size="lg" fullWidth onClick={() => void act(me, { order, kind: "order.accept" })}>{t("field.accept")}</Button>} />)}</>
        );
      }}
    </Loaded>
  );
}

/** Whoever is first has it: that is decided by the server alone, so a claim is not kept for later. */
function PoolList(props: { pool: Pool; me: Me }) {
  const text = useText();
  const client = useQueryClient();
  const [busy, setBusy] = useState<string | null>(null);
  const [taken, setTaken] = useState<{ order: Job; name: string | null; why: string } | null>(null);
  const gone = taken?.name ? taken.order.id : null; // the list follows in a moment
  const left = props.pool.items.filter((order) => order.id !== gone).toSorted(inOrder(props.me.person.id));
  const claim = async (order: Job) => {
    setBusy(order.id);
    setTaken(null);
    try {
      const mine = await post<WorkOrder>(`${POOL}/${order.id}/claim`, {}, newKey());
      say(text.t("pool.claimed", { number: mine.number }));
    } catch (error) {
      const told = error as Error;
      const by = told instanceof ApiError ? (told.params.by as { name?: string } | string | null | undefined) : null;
      const name = typeof by === "string" ? by : (by?.name ?? null);
      setTaken({ order, name, why: told instanceof Unreachable ? text.t("pool.needs_network") : told instanceof ApiError && told.code === "pool_taken" ? text.t(name ? "pool.taken_by" : "pool.taken", { number: order.number, name }) : problemText(told, text) });
    } finally {
      setBusy(null);
      void client.invalidateQueries({ predicate: (held) => ["dispatch", "work-orders"].includes(String(held.queryKey[0])) });
    }
  };
  return (
    <>
      <div><h1>{text.t("field.available")}</h1><div className="muted small">{text.t("pool.sub")}</div></div>
      {taken && <div role="alert"><Notice tone="watch" icon={taken.why === text.t("pool.needs_network") ? CloudOff : UserCheck}>{taken.why}</Notice></div>}
      {left.length === 0 && <Empty icon={Briefcase} sentence={text.t("pool.none")} action={<Button component={Link} to="/" size="md" variant="default">{text.t("field.to_mine")}</Button>} example={text.t("pool.none_example")} />}
      {left.map((order) => <JobCard key={order.id} order={order} person={props.me.person.id} dated action={<Button size="lg" fullWidth loading={busy === order.id} disabled={busy !== null && busy !== order.id} onClick={() => void claim(order)}>{text.t("pool.claim")}</Button>} />)}
    </>
  );
}

