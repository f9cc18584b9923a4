/** Verdicts that somebody wants changed: approved or refused by a second person, and counted by who asks. */
import { SegmentedControl } from "@mantine/core";
import { Scale } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext } from "react-router";

import { may, useList } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { Ago, CardBlock, PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Empty, Loaded } from "../../ui/states";
import { VerdictChip } from "./look";
import type { Named } from "./types";
import { WarrantyTabs } from "./WarrantyTabs";

export type Override = { id: string; state: string; verdict: string; computed: string; reason: string; line_id: string; payer: string | null; work_order: Named; requested_by: Named | null; requested_at: string; decided_by: Named | null; decision_reason: string | null; legal: string[] };
export type Counted = { person: Named | null; requested: number; approved: number; refused: number };
const STATES = ["requested", "approved", "refused"];

export function OverridesPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [state, setState] = useState("requested");
  const overrides = useList<Override>("/coverage-overrides", { state });
  const counted = useList<Counted>("/coverage-overrides/count");
  useTitle(text.t("warranty.tab.overrides"));
  const decide = may(me, "coverage.approve");
  return (
    <>
      <PageHead title={text.t("warranty.tab.overrides")} sub={text.t("warranty.overrides_sub")} />
      <WarrantyTabs />
      <SegmentedControl mb={14} value={state} onChange={setState} data={STATES.map((word) => ({ value: word, label: text.code("override_state", word) }))} />
      <Loaded of={overrides} skeleton={<Bones rows={5} />}>
        {(page) => page.items.length === 0 ? <Empty icon={Scale} sentence={text.t("warranty.no_overrides")} example={text.t("warranty.no_overrides_example")} /> : (
          <div className="cards">
            {page.items.map((one) => {
              const asker = one.requested_by;
              return (
                <div key={one.id} className="card pad row wrap top" style={{ gap: "10px 16px" }}>
                  <div className="grow" style={{ flexBasis: 280 }}>
                    <div className="row wrap" style={{ gap: 8 }}><VerdictChip verdict={one.computed} small /><span className="muted">→</span><VerdictChip verdict={one.verdict} small /><Link className="link mono-num" to={`/work-orders/${one.work_order.id}`}>{one.work_order.name}</Link></div>
                    <div className="break" style={{ marginTop: 6 }}>“{one.reason}”</div>
                    <div className="small muted">{[asker?.name, one.decided_by && `${text.code("override_state", one.state)}: ${one.decided_by.name}`, one.decision_reason].filter(Boolean).join(" · ")} · <Ago at={one.requested_at} /></div>
                  </div>
                  {one.state === "requested" && decide && (asker?.id === me.person.id ? <Chip tone="quiet" small>{text.t("warranty.own_request")}</Chip> : (
                    <div className="row wrap">{[true, false].map((approve) => <FormButton key={String(approve)} small primary={approve} danger={!approve} label={text.t(approve ? "warranty.approve" : "warranty.refuse")} form={{ path: `/coverage-overrides/${one.id}/decision`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }], body: (values) => ({ approve, reason: values.reason }) }} />)}</div>
                  ))}
                </div>
              );
            })}
          </div>
        )}
      </Loaded>
      {(counted.data?.items.length ?? 0) > 0 && (
        <div style={{ marginTop: 20 }}><CardBlock title={text.t("warranty.counted")} flush><Table plain rows={counted.data!.items.map((one) => ({ ...one, id: one.person?.id ?? "" }))} columns={[{ label: "col.person", cell: (one) => one.person?.name ?? "–" }, ...STATES.map((word) => ({ label: `override_state.${word}`, num: true, phone: "named" as const, cell: (one: Counted) => one[word as "requested"] }))]} /></CardBlock></div>
      )}
    </>
  );
}
