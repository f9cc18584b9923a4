/** Try it: what would be promised for work on a machine, and when it would be due. */
import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../../api/client";
import type { Schema } from "../../api/rows";
import { duration } from "../../i18n/format";
import { useText } from "../../i18n/useText";
import { CardBlock } from "../../ui/parts";
import { Pick, type Chosen } from "../../ui/Pick";
import { Failure } from "../../ui/states";
import { ASSETS } from "../assets/look";
import { PRIORITIES, words } from "./words";

export function Preview() {
  const text = useText();
  const [asset, setAsset] = useState<Chosen | null>(null);
  const [priority, setPriority] = useState("normal");
  const found = useQuery({
    queryKey: ["sla-preview", asset?.id, priority],
    queryFn: () => api<Schema["Preview"]>("/sla-policies/preview", { method: "POST", body: { asset_id: asset!.id, priority } }),
    enabled: asset !== null,
  });
  return (
    <CardBlock title={text.t("sla.try")}>
      <div className="row wrap" style={{ gap: 10 }}>
        <div className="filter"><Pick of={ASSETS} value={asset} change={setAsset} placeholder={text.t("col.asset")} /></div>
        <Select className="filter" aria-label={text.t("orders.priority")} value={priority} onChange={(value) => value && setPriority(value)} data={words("priority", PRIORITIES, text)} />
      </div>
      {found.error && <Failure error={found.error} />}
      {found.data && (
        <div className="small" style={{ marginTop: 10 }}>
          <div className="muted">{[found.data.contract && text.t("sla.by_contract", { number: found.data.contract.name }), found.data.policy && text.t("sla.by_policy", { name: found.data.policy.name })].filter(Boolean).join(" · ") || text.t("sla.nothing_promised")}</div>
          {found.data.clocks.map((one) => <div key={one.clock} className="line row wrap" style={{ gap: "2px 10px" }}><b className="grow" style={{ fontWeight: 600 }}>{text.code("sla_clock", one.clock)}</b><span>{duration(one.minutes * 60, text.language)}</span><span className="muted">{one.due_at ? text.t("sla.due_at", { at: text.moment(one.due_at) }) : text.t("sla.never_due")}</span></div>)}
        </div>
      )}
    </CardBlock>
  );
}
