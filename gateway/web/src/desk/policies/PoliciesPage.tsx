/** Policies: how patient to be before a finding becomes a work order, per asset model. */
import { Button } from "@mantine/core";
import { Plus, SlidersHorizontal } from "lucide-react";
import { Link, useOutletContext } from "react-router";

import { usePolicies, type LastReplay, type Policies, type Policy } from "../../api/policies";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import { decides } from "../alarms/AlarmsPage";
import { fieldValue } from "./fields";
import { PolicyTabs } from "./PolicyTabs";

export function PoliciesPage() {
  const text = useText();
  const policies = usePolicies();
  const may = decides(useOutletContext<Me>());
  useTitle(text.t("nav.policies"));
  const add = may ? <Button component={Link} to="/policies/new" leftSection={<Plus size={16} />}>{text.t("policies.add")}</Button> : undefined;
  return (
    <>
      <PageHead title={text.t("nav.policies")} sub={text.t("policies.sub")} right={add} />
      <PolicyTabs />
      <Loaded of={policies} skeleton={<Bones rows={5} height={24} />}>
        {(page) => (
          <div className="stack" style={{ gap: 14 }}>
            {page.items.length === 0 && <Empty icon={SlidersHorizontal} sentence={text.t("policies.empty")} action={add} example={text.t("policies.example")} />}
            {page.items.map((policy) => <Row key={policy.id} policy={policy} page={page} />)}
          </div>
        )}
      </Loaded>
    </>
  );
}

function Row(props: { policy: Policy; page: Policies }) {
  const text = useText();
  const { policy, page } = props;
  const model = policy.asset_model && (text.language === "zh" ? policy.asset_model.name_zh : policy.asset_model.name_en);
  const known = page.fields.filter((field) => field.name in policy.settings);
  const kinds = Object.keys((policy.settings.kinds as Record<string, unknown> | undefined) ?? {}).length;
  return (
    <Link className="card pad plain hover" to={`/policies/${policy.id}`}>
      <div className="row wrap" style={{ gap: "6px 10px" }}>
        <span className="break" style={{ fontSize: 16, fontWeight: 650 }}>{policy.name}</span>
        <Chip tone={policy.enabled ? "ok" : "quiet"} small>{text.t(policy.enabled ? "policies.on" : "policies.off")}</Chip>
        <span className="small muted">{model ?? text.t("policies.all_models")}</span>
      </div>
      <div className="small" style={{ marginTop: 6 }}>
        {known.map((field) => `${text.code("policy.field", field.name)}: ${fieldValue(field, policy.settings[field.name], text)}`).join(" · ") || (kinds === 0 && text.t("policies.as_default"))}
        {kinds > 0 && <span className="muted"> {text.t("policies.more_kinds", { count: kinds })}</span>}
      </div>
      {policy.last_replay && <div className="small muted" style={{ marginTop: 4 }}>{replaySentence(policy.last_replay, text)}</div>}
    </Link>
  );
}

export function replaySentence(replay: LastReplay, text: ReturnType<typeof useText>): string {
  return text.t("replay.sentence", { orders: text.t("replay.orders", { count: replay.work_orders }), from: text.day(replay.from), to: text.day(replay.to), right: replay.true, wrong: replay.false });
}
