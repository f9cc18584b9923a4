/** Calls for help and parts from the field, urgent ones first: take one, answer it. */
import { LifeBuoy } from "lucide-react";
import { Link } from "react-router";

import { useText } from "../../i18n/useText";
import { ListPage } from "../../ui/ListPage";
import { Ago } from "../../ui/parts";
import { Tabs } from "../../ui/Tabs";
import type { Call } from "./asked";
import { CallActions, CallChip, Cared, Needed } from "./Calls";

const STATES = ["open", "taken", "done", "withdrawn"];

export function FieldTabs() {
  const { t } = useText();
  return <Tabs label={t("nav.field")} tabs={[{ to: "/field", label: t("fieldwork.calls"), action: "help.read" }, { to: "/field/sent", label: t("fieldwork.sent"), action: "sync.write" }]} />;
}

export function FieldCallsPage() {
  const text = useText();
  return (
    <ListPage<Call>
      title={text.t("fieldwork.calls")}
      sub={text.t("fieldwork.calls_sub")}
      tabs={<FieldTabs />}
      path="/help-requests"
      exports="help_requests"
      filters={[{ name: "state", label: text.t("fieldwork.waiting"), options: STATES.map((word) => ({ value: word, label: text.code("help.state", word) })) }]}
      empty={{ icon: LifeBuoy, sentence: "fieldwork.no_calls", example: "fieldwork.no_calls_example" }}
      columns={[
        { label: "fieldwork.needed", width: "32%", cell: (call) => <Needed call={call} /> },
        { label: "col.order", phone: "named", cell: (call) => <Link className="link mono-num" style={{ whiteSpace: "nowrap" }} to={`/work-orders/${call.work_order_id}/field`}>{call.number}</Link> },
        { label: "col.state", cell: (call) => <CallChip call={call} /> },
        { label: "fieldwork.asked_by", cell: (call) => <span className="break">{call.opened_by?.name ?? "–"} · <Ago at={call.opened_at} /></span> },
        { label: "fieldwork.cared_by", phone: "named", cell: (call) => <Cared call={call} /> },
        { label: "col.act", cell: (call) => <CallActions call={call} /> },
      ]}
    />
  );
}
