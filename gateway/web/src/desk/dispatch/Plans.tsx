/** Plans: asked for, looked at, published or rejected; and how the organisation plans. */
import { Modal } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Check, Route, Settings2, Sparkles, X } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { api } from "../../api/client";
import { may, useOne, type Schema } from "../../api/rows";
import type { Me, Page } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { CardBlock } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import type { Tone } from "../../ui/theme";
import { asked, type Days, type Plan, type PlanDetail } from "./look";

const LOOK: Record<string, Tone> = { waiting: "quiet", running: "watch", proposed: "watch", published: "ok", rejected: "quiet", failed: "trouble" };
const MODES = ["off", "proposal", "unattended", "pool", "nearest"];

export function Plans(props: { days: Days }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const [open, setOpen] = useState<string | null>(null);
  const plans = useQuery({ queryKey: ["dispatch", "plans"], queryFn: () => api<Page<Plan>>("/dispatch/plans?limit=8"), placeholderData: keepPreviousData });
  const range = asked(props.days);
  const plans_ = may(me, "dispatch.plan");
  const right = plans_ && <span className="row" style={{ gap: 6 }}>{may(me, "dispatch.manage") && <SettingsButton />}<ActButton small primary icon={Sparkles} label={text.t("dispatch.plan_now")} path="/dispatch/plans" body={{ from_at: range.from, until_at: range.until }} done="dispatch.plan_asked" /></span>;
  return (
    <CardBlock title={text.t("dispatch.plans")} right={right}>
      <Loaded of={plans} skeleton={<Bones rows={3} />}>
        {(page) => page.items.length === 0 ? <Empty bare icon={Route} sentence={text.t("dispatch.no_plans")} /> : <>
          {page.items.map((plan) => (
            <button key={plan.id} type="button" className="plainbutton line row wrap" style={{ width: "100%", gap: "2px 10px", textAlign: "left" }} onClick={() => setOpen(plan.id)}>
              <Chip small tone={LOOK[plan.state] ?? "quiet"}>{text.code("plan_state", plan.state)}</Chip>
              <span className="grow small">{text.code("plan_cause", plan.cause)} · {text.moment(plan.created_at)}</span>
              {plan.score_after && plan.score_before && <span className="small num">{text.number(plan.score_before.cost, 0)} → {text.number(plan.score_after.cost, 0)}</span>}
            </button>
          ))}
        </>}
      </Loaded>
      {open && <PlanDialog id={open} close={() => setOpen(null)} editable={plans_} />}
    </CardBlock>
  );
}

function PlanDialog(props: { id: string; close: () => void; editable: boolean }) {
  const text = useText();
  const found = useQuery({ queryKey: ["dispatch", "plan", props.id], queryFn: () => api<PlanDetail>(`/dispatch/plans/${props.id}`) });
  return (
    <Modal opened onClose={props.close} size="xl" title={text.t("dispatch.plan")}>
      <Loaded of={found} skeleton={<Bones rows={6} />}>
        {(plan) => (
          <div className="stack" style={{ gap: 12 }}>
            <div className="row wrap" style={{ gap: 8 }}>
              <Chip tone={LOOK[plan.state] ?? "quiet"}>{text.code("plan_state", plan.state)}</Chip>
              <span className="grow">{text.moment(plan.from_at)} – {text.moment(plan.until_at)}</span>
              {props.editable && plan.state === "proposed" && <ActButton primary icon={Check} label={text.t("dispatch.publish")} path={`/dispatch/plans/${plan.id}/publish`} done="dispatch.published" after={props.close} />}
              {props.editable && ["proposed", "waiting", "running"].includes(plan.state) && <ActButton icon={X} label={text.t("dispatch.reject")} path={`/dispatch/plans/${plan.id}/reject`} after={props.close} />}
            </div>
            {plan.error && <div className="small" style={{ color: "#8c1d18" }}>{plan.error}</div>}
            {plan.score_before && plan.score_after && <div className="small muted">{text.t("dispatch.score", { before: text.number(plan.score_before.cost, 0), after: text.number(plan.score_after.cost, 0), assigned: plan.score_after.assigned, unassigned: plan.score_after.unassigned })}{plan.solver && ` · ${plan.solver}`}</div>}
            {plan.left_out > 0 && <div className="small muted">{text.t("dispatch.left_out", { count: plan.left_out })}</div>}
            <div className="scroll"><table className="grid"><thead><tr><th>{text.t("search.kind.work_order")}</th><th>{text.t("work.technician")}</th><th>{text.t("dispatch.when")}</th><th /></tr></thead><tbody>
              {plan.assignments.filter((one) => one.changed || one.reason_code).slice(0, 300).map((one) => (
                <tr key={one.work_order_id + (one.visit_id ?? "")}><td className="mono">{one.number}</td><td>{one.technician ?? "–"}</td><td>{one.planned_start ? text.moment(one.planned_start) : "–"}</td><td>{one.reason_code ? <Chip small tone="watch" title={one.reason_detail ?? undefined}>{text.code("reason", one.reason_code)}</Chip> : <span className="small muted">{text.t(one.before ? "dispatch.changes" : "dispatch.new")}</span>}</td></tr>
              ))}
            </tbody></table></div>
          </div>
        )}
      </Loaded>
    </Modal>
  );
}

function SettingsButton() {
  const text = useText();
  const now = useOne<Schema["SettingsShown"]>("/dispatch/settings");
  if (!now.data) return null;
  const number = (name: string, label: string, min: number, max: number): Field => ({ name, label, kind: "integer", half: true, min, max });
  const fields: Field[] = [
    { name: "mode", label: "dispatch.mode", kind: "select", required: true, options: MODES.map((value) => ({ value, label: text.code("dispatch_mode", value) })) },
    { name: "parts", label: "dispatch.parts", kind: "select", required: true, options: ["van", "depot"].map((value) => ({ value, label: text.code("dispatch_parts", value) })) },
    number("horizon_days", "dispatch.horizon", 1, 31),
    number("solve_seconds", "dispatch.seconds", 1, 60),
    number("window_minutes", "dispatch.window", 30, 480),
    number("moves_allowed", "dispatch.moves_allowed", 0, 20),
  ];
  return <FormButton small icon={Settings2} label={text.t("dispatch.settings")} form={{ path: "/dispatch/settings", method: "PUT", version: now.data.version, fields, initial: { ...now.data }, done: "form.saved" }} />;
}
