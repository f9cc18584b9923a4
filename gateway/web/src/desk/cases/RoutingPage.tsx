/** Where cases go: rules in their order, the first that fits decides. */
import { Pencil, Plus, Route, Trash2 } from "lucide-react";
import { useOutletContext } from "react-router";

import { may, useOne, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip, PriorityChip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Empty, Loaded } from "../../ui/states";
import { CaseTabs } from "./CaseTabs";
import { CUSTOMERS, nameOf, PRIORITIES, TEAMS, TYPES, words } from "./common";

type Rule = Schema["RoutingRuleItem"];
const chosen = (ref: { id: string; name: string } | null | undefined) => (ref ? { id: ref.id, label: ref.name } : null);

export function RoutingPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  useTitle(text.t("cases.tab.routing"));
  const rules = useOne<{ items: Rule[] }>("/routing-rules");
  const fields: Field[] = [
    { name: "service_type_id", label: "cases.type", kind: "pick", of: TYPES, half: true },
    { name: "region", label: "cases.region", most: 100, half: true, hint: "routing.region_hint" },
    { name: "territory_id", label: "routing.territory", kind: "pick", of: { path: "/territories", local: true }, half: true },
    { name: "customer_id", label: "cases.customer", kind: "pick", of: CUSTOMERS, half: true },
    { name: "team_id", label: "cases.team", kind: "pick", of: TEAMS, half: true },
    { name: "queue", label: "cases.queue", most: 100, half: true },
    { name: "priority", label: "orders.priority", kind: "select", options: words("priority", PRIORITIES, text), half: true },
    { name: "position", label: "types.position", kind: "integer", min: 0, half: true },
    { name: "active", label: "types.active", kind: "switch" },
  ];
  const add = <FormButton primary icon={Plus} label={text.t("routing.add")} form={{ path: "/routing-rules", size: "lg", initial: { active: true }, fields }} />;
  return (
    <>
      <PageHead title={text.t("cases.tab.routing")} sub={text.t("routing.sub")} right={add} />
      <CaseTabs staff={may(me, "case.handle")} />
      <Loaded of={rules} skeleton={<Bones rows={5} />}>
        {(page) => page.items.length === 0 ? <Empty icon={Route} sentence={text.t("routing.empty")} action={add} /> : (
          <Table<Rule>
            rows={page.items}
            columns={[
              { label: "types.position", num: true, phone: "hide", cell: (row) => row.position },
              { label: "cases.type", cell: (row) => (row.service_type ? nameOf(row.service_type, text) : <span className="faint">{text.t("routing.any")}</span>) },
              { label: "routing.where", phone: "named", cell: (row) => row.region ?? row.territory?.name ?? <span className="faint">{text.t("routing.any")}</span> },
              { label: "cases.customer", phone: "named", cell: (row) => row.customer?.name ?? <span className="faint">{text.t("routing.any")}</span> },
              { label: "routing.to", cell: (row) => <span className="row wrap" style={{ gap: 6 }}>{row.team?.name ?? row.queue}{row.priority && <PriorityChip priority={row.priority} small />}{!row.active && <Chip tone="quiet" small>{text.t("types.off")}</Chip>}</span> },
              { label: "cases.edit", cell: (row) => (
                <span className="row" style={{ gap: 6 }}>
                  <FormButton small icon={Pencil} label={text.t("cases.edit")} form={{ path: `/routing-rules/${row.id}`, method: "PUT", version: row.version, now: "/routing-rules", size: "lg", fields, initial: { service_type_id: row.service_type ? { id: row.service_type.id, label: nameOf(row.service_type, text) } : null, region: row.region, territory_id: chosen(row.territory), customer_id: chosen(row.customer), team_id: chosen(row.team), queue: row.queue, priority: row.priority, position: row.position, active: row.active } }} />
                  <ActButton small danger icon={Trash2} label={text.t("action.remove")} path={`/routing-rules/${row.id}`} method="DELETE" />
                </span>
              ) },
            ]}
          />
        )}
      </Loaded>
    </>
  );
}
