/** The log of calls: who called when, who answered, what it led to, and its recording. */
import { Modal } from "@mantine/core";
import { Phone } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { Ago } from "../../ui/parts";
import { CaseTabs } from "../cases/CaseTabs";
import { CallCard, CallChip, type Call } from "./CallCard";

const STATES = ["ringing", "answered", "ended", "missed"];

export function CallsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [open, setOpen] = useState<Call | null>(null);
  const talked = (call: Call) => (call.talked_s === null ? "–" : `${Math.floor(call.talked_s / 60)}:${String(call.talked_s % 60).padStart(2, "0")}`);
  return (
    <>
      <ListPage<Call>
        title={text.t("calls.title")}
        tabs={<CaseTabs staff={may(me, "case.handle")} />}
        path="/calls"
        filters={[{ name: "state", label: text.t("col.state"), options: STATES.map((word) => ({ value: word, label: text.code("call_state", word) })) }]}
        pick={setOpen}
        empty={{ icon: Phone, sentence: text.t("calls.empty"), example: text.t("calls.example") }}
        columns={[
          { label: "calls.caller", cell: (call) => <><div className="break" style={{ fontWeight: 600 }}>{call.customer?.name ?? text.t("calls.unknown_caller")}</div><div className="small mono-num muted">{call.number ?? text.t("calls.withheld")}</div></> },
          { label: "col.state", phone: "side", cell: (call) => <><CallChip state={call.state} small />{call.callback && <Chip small tone="watch">{text.t("calls.callback")}</Chip>}</> },
          { label: "calls.began", cell: (call) => <Ago at={call.began_at} /> },
          { label: "calls.talked", num: true, phone: "named", cell: talked },
          { label: "calls.answered_by", phone: "named", cell: (call) => call.answered_by?.name ?? call.agent ?? "–" },
          { label: "calls.case", phone: "named", cell: (call) => (call.case ? <Link className="link" to={`/cases/${call.case.id}`} onClick={(event) => event.stopPropagation()}>{call.case.number}</Link> : "–") },
          { label: "calls.recording", phone: "hide", cell: (call) => (call.recording_url ? <a className="link" href={call.recording_url} target="_blank" rel="noreferrer noopener" onClick={(event) => event.stopPropagation()}>{text.t("calls.listen")}</a> : "–") },
        ]}
      />
      {open && <Modal opened onClose={() => setOpen(null)} title={open.customer?.name ?? open.number ?? text.t("calls.unknown_caller")} size="lg"><CallCard call={open} me={me} done={() => setOpen(null)} /></Modal>}
    </>
  );
}
