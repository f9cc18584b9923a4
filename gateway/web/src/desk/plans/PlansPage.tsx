/** All maintenance plans: what is done how often for how many machines. */
import { CalendarSync, Plus } from "lucide-react";
import { Button } from "@mantine/core";
import { Link, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { MODELS } from "../assets/look";
import { PLAN_LOOK, said, type Plan, type Trigger } from "./look";
import { PlansTabs } from "./PlansTabs";
import { triggerSentence } from "./sentence";

export function PlansPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const add = may(me, "maintenance_plan.manage") ? <Button component={Link} to="/plans/new" leftSection={<Plus size={16} />}>{text.t("plan.add")}</Button> : undefined;
  return (
    <ListPage<Plan>
      title={text.t("nav.plans")}
      sub={text.t("plan.sub")}
      tabs={<PlansTabs />}
      path="/maintenance-plans"
      exports="maintenance_plans"
      search="plan.search"
      filters={[
        { name: "state", label: "col.state", options: ["draft", "active", "paused", "ended"].map((word) => ({ value: word, label: text.code("plan.state", word) })) },
        { name: "asset_model_id", label: "col.model", of: MODELS },
      ]}
      columns={[
        { label: "col.name", cell: (row) => <span className="break">{said(row.name, text.language)}</span> },
        { label: "col.code", phone: "hide", cell: (row) => <span className="mono">{row.code}</span> },
        { label: "plan.how_often", cell: (row) => <span className="small break">{row.packages.map((each) => (row.packages.length > 1 ? `${each.code}: ` : "") + triggerSentence(each.trigger as Trigger, text)).join(" · ")}</span> },
        { label: "plan.machines", num: true, phone: "named", cell: (row) => text.number(row.machines) },
        { label: "col.state", phone: "side", cell: (row) => <PlanChip plan={row} /> },
      ]}
      to={(row) => `/plans/${row.id}`}
      right={add}
      empty={{ icon: CalendarSync, sentence: "plan.empty", example: "plan.example", action: add }}
    />
  );
}

export function PlanChip(props: { plan: Plan }) {
  const text = useText();
  return <Chip small tone={PLAN_LOOK[props.plan.state] ?? "quiet"}>{text.code("plan.state", props.plan.state)}</Chip>;
}
