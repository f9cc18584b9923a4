/** One plan: what it says in words, its machines, and its planned work. */
import { Button, Progress, SegmentedControl } from "@mantine/core";
import { Boxes, CalendarDays, Pause, Pencil, Play, Square } from "lucide-react";
import { Link, useOutletContext, useParams, useSearchParams } from "react-router";

import { may, useOne, useRows } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton, REASON } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Rows, type Column } from "../../ui/Rows";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { dayText, said, type Machine, type Occurrence, type Plan, type Trigger } from "./look";
import { occurrenceColumns } from "./OccurrenceRows";
import { PlanChip } from "./PlansPage";
import { triggerSentence } from "./sentence";

export function PlanPage() {
  const { id = "" } = useParams();
  const found = useOne<Plan>(`/maintenance-plans/${id}`, true, 15_000);
  return <Loaded of={found} skeleton={<Bones rows={9} />}>{(plan) => <One plan={plan} />}</Loaded>;
}

function One(props: { plan: Plan }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const [params, setParams] = useSearchParams();
  const { plan } = props;
  const manage = may(me, "maintenance_plan.manage");
  const shown = params.get("show") === "machines" ? "machines" : "work";
  const name = said(plan.name, text.language);
  useTitle(name);
  const path = `/maintenance-plans/${plan.id}`;
  const legal = (to: string) => manage && plan.legal.includes(to);
  return (
    <>
      <PageHead
        back={{ to: "/plans", label: text.t("nav.plans") }}
        title={name}
        over={<span className="mono">{plan.code}</span>}
        marks={<PlanChip plan={plan} />}
        sub={plan.note ?? undefined}
        right={<>
          {legal("active") && <ActButton primary icon={Play} label={text.t(plan.state === "paused" ? "plan.resume" : "plan.activate")} path={`${path}/activate`} version={plan.version} done="plan.activated" />}
          {legal("paused") && <FormButton icon={Pause} label={text.t("plan.pause")} form={{ path: `${path}/pause`, version: plan.version, now: path, note: text.t("plan.pause_hint"), fields: [REASON], done: "form.saved" }} />}
          {manage && plan.state !== "ended" && <Button variant="default" component={Link} to={`/plans/${plan.id}/edit`} leftSection={<Pencil size={16} />}>{text.t("action.edit")}</Button>}
          {legal("ended") && <FormButton danger icon={Square} label={text.t("plan.end")} form={{ path: `${path}/end`, version: plan.version, now: path, note: text.t("plan.end_hint"), fields: [REASON], danger: true, done: "form.saved" }} />}
        </>}
      />
      {plan.settling && <Notice tone="learning">{text.t("plan.settling", { done: text.number(plan.made), all: text.number(plan.machines) })}<Progress mt={8} size="sm" animated value={(100 * plan.made) / Math.max(1, plan.machines)} /></Notice>}
      <div className="two">
        <div>
          <SegmentedControl value={shown} onChange={(next) => setParams(next === "work" ? {} : { show: next }, { replace: true })} data={[{ value: "work", label: text.t("plan.work") }, { value: "machines", label: `${text.t("plan.machines")} ${text.number(plan.machines)}` }]} style={{ alignSelf: "flex-start" }} />
          {shown === "work" ? <Work plan={plan} /> : <Machines plan={plan} />}
        </div>
        <div>
          <CardBlock title={text.t("plan.how_often")}>
            {plan.packages.map((each) => (
              <div key={each.code} className="line small break">
                {plan.packages.length > 1 && <b>{each.code} {said(each.name, text.language)} · </b>}{triggerSentence(each.trigger as Trigger, text)}
                {plan.packages.length > 1 && <span className="muted"> · {text.t("plan.level", { level: each.hierarchy })}</span>}
              </div>
            ))}
          </CardBlock>
          <CardBlock title={text.t("plan.rules")}><Rules plan={plan} /></CardBlock>
        </div>
      </div>
    </>
  );
}

function Rules(props: { plan: Plan }) {
  const text = useText();
  const { plan } = props;
  const tolerance = (told: Record<string, unknown>) => (told.days !== undefined ? text.t("plan.days", { count: Number(told.days) }) : told.percent !== undefined ? text.t("plan.percent_of_cycle", { percent: Number(told.percent) }) : "–");
  const rows: [string, string | null][] = [
    [text.t("plan.scheduling"), Object.keys(plan.shift).length ? text.t("plan.shifted", { percent: Number((plan.shift as Record<string, unknown>).late_percent ?? 0) }) : text.code("plan.scheduling", plan.scheduling)],
    [text.t("plan.tolerance"), `− ${tolerance(plan.tolerance_before)} / + ${tolerance(plan.tolerance_after)}`],
    [text.t("plan.lead"), text.t("plan.days", { count: plan.lead_days })],
    [text.t("plan.horizon"), text.t("plan.days", { count: plan.horizon_days })],
    [text.t("plan.seasons"), plan.seasons.join(", ") || null],
    [text.t("plan.blackouts"), plan.blackouts.map((one) => one.map((day) => dayText(day, text)).join(" – ")).join(", ") || null],
    [text.t("plan.when_closed"), plan.calendar_id || plan.seasons.length || plan.blackouts.length ? text.code("plan.closed", plan.when_closed) : null],
    [text.t("plan.starts"), plan.starts === "on" ? dayText(plan.starts_on, text) : text.code("plan.start", plan.starts)],
    [text.t("plan.duration"), plan.duration_minutes ? text.t("plan.minutes", { count: plan.duration_minutes }) : null],
    [text.t("plan.priority"), text.code("priority", plan.priority)],
  ];
  return <Facts rows={rows.filter(([, value]) => value)} />;
}

function Work(props: { plan: Plan }) {
  const text = useText();
  const today = new Date();
  const from = new Date(today.getTime() - 60 * 86_400_000).toISOString().slice(0, 10);
  const dated = useRows<Occurrence>("/occurrences", { plan_id: props.plan.id, from });
  const empty = <Empty icon={CalendarDays} sentence={text.t(props.plan.state === "draft" ? "plan.work_draft" : "plan.work_empty")} />;
  return <Rows of={dated} columns={occurrenceColumns(text, "plan")} empty={empty} />;
}

function Machines(props: { plan: Plan }) {
  const text = useText();
  const rows = useRows<Machine>(`/maintenance-plans/${props.plan.id}/machines`);
  const columns: Column<Machine>[] = [
    { label: "col.asset", cell: (row) => <><Link className="plain break" to={`/assets/${row.asset_id}`}>{row.asset_name}</Link> <span className="mono small muted">{row.serial}</span></> },
    { label: "col.site", phone: "named", cell: (row) => row.site_name ?? "–" },
    { label: "plan.counts_from", phone: "named", cell: (row) => dayText(row.start_on, text) },
    { label: "plan.next", phone: "named", cell: (row) => dayText(row.next_on, text) },
    { label: "col.state", phone: "side", cell: (row) => <Chip small tone={row.state === "active" && !row.reason ? "ok" : row.state === "ended" ? "quiet" : "watch"}>{row.reason ? text.code("plan.why", row.reason) : text.code("plan.machine_state", row.state)}</Chip> },
  ];
  return <Rows of={rows} columns={columns} empty={<Empty icon={Boxes} sentence={text.t(props.plan.state === "draft" ? "plan.machines_draft" : "plan.machines_empty")} />} />;
}
