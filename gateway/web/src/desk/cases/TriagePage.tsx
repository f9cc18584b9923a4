/** The desk's triage: what nobody has claimed, what I handle, and what waits for an approval. */
import { Hand, Hourglass, Inbox } from "lucide-react";
import { Link, Navigate, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { Chip, Marks, PriorityChip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { Ago, PageHead } from "../../ui/parts";
import type { Column } from "../../ui/Rows";
import { SlaChips } from "../sla/SlaChips";
import { CaseTabs } from "./CaseTabs";
import { CaseChip, ClaimChip, CUSTOMERS, nameOf, STATES, TYPES, words, type Case } from "./common";
import { NewCase } from "./NewCase";

const LISTS = { claim: { icon: Inbox }, handle: { icon: Hand }, approve: { icon: Hourglass } } as const;

export function TriagePage(props: { list: keyof typeof LISTS }) {
  const text = useText();
  const me = useOutletContext<Me>();
  if (!may(me, "case.handle")) return <Navigate to="/cases/all" replace />;
  const claim: Column<Case> = { label: "cases.claim", cell: (row) => props.list === "claim" && me.person.id ? <span onClick={(event) => event.stopPropagation()}><ActButton small label={text.t("cases.claim")} path={`/cases/${row.id}/claim`} done="cases.claimed" /></span> : <ClaimChip of={row} /> };
  return (
    <>
      <PageHead title={text.t("nav.cases")} sub={text.t("cases.sub")} right={<NewCase me={me} />} />
      <CaseTabs staff />
      <ListPage<Case>
        key={props.list}
        untitled
        title={text.t(`cases.tab.${props.list}`)}
        path="/triage"
        asked={{ list: props.list }}
        search="cases.search"
        filters={[{ name: "service_type_id", label: "cases.type", of: TYPES }]}
        columns={[...columns(text), claim]}
        to={(row) => `/cases/${row.id}`}
        empty={{ icon: LISTS[props.list].icon, sentence: `cases.empty.${props.list}` }}
      />
    </>
  );
}

export function CasesPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const staff = may(me, "case.handle");
  return (
    <>
      <PageHead title={text.t("nav.cases")} sub={text.t("cases.sub")} right={<NewCase me={me} />} />
      <CaseTabs staff={staff} />
      <ListPage<Case>
        untitled
        title={text.t("cases.tab.all")}
        path="/cases"
        search="cases.search"
        filters={[
          { name: "state", label: "col.state", options: words("case_state", STATES, text) },
          { name: "service_type_id", label: "cases.type", of: TYPES },
          { name: "customer_id", label: "cases.customer", of: CUSTOMERS },
        ]}
        columns={[...columns(text).map((column) => ({ ...column, sort: SORTS[column.label] })), ...(staff ? [{ label: "cases.claimed_by", phone: "hide", cell: (row) => <ClaimChip of={row} /> } satisfies Column<Case>] : [])]}
        to={(row) => `/cases/${row.id}`}
        empty={{ icon: Inbox, sentence: "cases.empty.all", action: <NewCase me={me} /> }}
      />
    </>
  );
}

// What the list of all cases can be ordered by; triage has an order of its own.
const SORTS: Record<string, string> = { "cases.what": "title", "orders.priority": "priority", "col.state": "state", "cases.opened": "opened" };

type T = ReturnType<typeof useText>;
const columns = (text: T): Column<Case>[] => [
  {
    label: "cases.what",
    cell: (row) => (
      <div style={{ minWidth: 0 }}>
        <div className="row wrap" style={{ gap: "2px 8px" }}>
          <Link className="plain break" style={{ fontWeight: 620 }} to={`/cases/${row.id}`}>{row.title}</Link>
          {row.unread > 0 && <Chip tone="watch" small>{text.t("cases.unread", { count: row.unread })}</Chip>}
          <Marks demo={row.demo} />
        </div>
        <div className="small muted break">{row.number} · {row.service_type ? nameOf(row.service_type, text) : text.t("cases.no_type")} · {text.code("channel", row.channel)}</div>
      </div>
    ),
  },
  { label: "col.asset", cell: (row) => <span className="break">{row.asset?.name ?? row.customer?.name ?? row.contact_name ?? <span className="faint">{text.t("cases.no_asset")}</span>}</span> },
  { label: "orders.priority", phone: "side", cell: (row) => <PriorityChip priority={row.priority} small /> },
  { label: "col.state", cell: (row) => <CaseChip state={row.state} small /> },
  { label: "cases.sla", phone: "hide", cell: (row) => <SlaChips clocks={row.sla} /> },
  { label: "cases.team", phone: "hide", cell: (row) => <span className="small break">{row.team?.name ?? row.queue ?? <span className="faint">–</span>}</span> },
  { label: "cases.opened", phone: "named", cell: (row) => <span className="small"><Ago at={row.opened_at} /></span> },
];
