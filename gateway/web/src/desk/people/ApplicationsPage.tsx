/** Companies that ask to become partners: read, approved with their first person, or refused with a reason. */
import { Modal, MultiSelect } from "@mantine/core";
import { Check, Inbox, X } from "lucide-react";
import { useState } from "react";

import type { Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { FormButton, REASON } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { Command, Facts } from "../../ui/parts";
import { ListPage } from "../../ui/ListPage";
import type { Tone } from "../../ui/theme";
import { PeopleTabs } from "./PeopleTabs";

type Application = Schema["ApplicationItem"];

const STATES = ["waiting", "approved", "rejected", "unconfirmed"];
const LOOK: Record<string, Tone> = { waiting: "watch", approved: "ok", rejected: "quiet", unconfirmed: "quiet" };
const ROLES = ["partner", "technician", "administrator"];

export function ApplicationsPage() {
  const text = useText();
  const [open, setOpen] = useState<Application | null>(null);
  return (
    <>
      <ListPage<Application>
        title={text.t("people.tab.applications")}
        sub={text.t("applications.sub")}
        tabs={<PeopleTabs />}
        above={<div style={{ maxWidth: 560, marginBottom: 12 }}><Command line={`${location.origin}/a/partner`} /></div>}
        path="/partner-applications"
        filters={[{ name: "state", label: "col.state", options: STATES.map((state) => ({ value: state, label: text.code("application", state) })) }]}
        columns={[
          { label: "applications.company", cell: (row) => <div><span className="break" style={{ fontWeight: 600 }}>{row.company || "—"}</span><div className="tiny muted break">{row.regions}</div></div> },
          { label: "applications.contact", cell: (row) => <div className="break">{row.contact_name || "—"}<div className="tiny muted break">{row.email}</div></div> },
          { label: "applications.skills", cell: (row) => <span className="small break">{row.skills ?? "–"}</span>, phone: "hide" },
          { label: "col.at", cell: (row) => text.moment(row.created_at), phone: "named" },
          { label: "col.state", cell: (row) => <Chip small tone={LOOK[row.state] ?? "quiet"}>{text.code("application", row.state)}</Chip>, phone: "side" },
        ]}
        pick={setOpen}
        empty={{ icon: Inbox, sentence: "applications.empty", example: "applications.example" }}
      />
      {open && <One of={open} close={() => setOpen(null)} />}
    </>
  );
}

function One(props: { of: Application; close: () => void }) {
  const text = useText();
  const { of } = props;
  const path = `/partner-applications/${of.id}`;
  const shared = { version: of.version, now: path, after: props.close };
  const roles = { name: "roles", label: "applications.roles", kind: "own" as const, required: true, own: (value: unknown, change: (value: unknown) => void) => <MultiSelect required label={text.t("applications.roles")} description={text.t("applications.roles_hint")} value={(value as string[]) ?? []} onChange={change} data={ROLES.map((role) => ({ value: role, label: text.code("role", role) }))} /> };
  return (
    <Modal opened onClose={props.close} title={of.company || text.t("people.tab.applications")} size="lg">
      <div className="stack" style={{ gap: 14 }}>
        <Facts rows={[
          [text.t("applications.contact"), of.contact_name],
          [text.t("sign_in.email"), <span className="break">{of.email}{of.confirmed_at && <span className="tiny muted"> · {text.t("applications.confirmed")}</span>}</span>],
          [text.t("col.phone"), of.phone ?? "–"],
          [text.t("col.address"), of.address ?? "–"],
          [text.t("applications.regions"), of.regions ?? "–"],
          [text.t("applications.skills"), of.skills ?? "–"],
          [text.t("col.at"), text.moment(of.created_at)],
        ]} />
        {of.message && <div className="break" style={{ whiteSpace: "pre-wrap" }}>{of.message}</div>}
        {of.decided_at && <div className="small muted">{text.code("application", of.state)} · {of.decided_by?.name} · {text.moment(of.decided_at)}{of.decision_reason && <> · {of.decision_reason}</>}</div>}
        {of.state === "waiting" && (
          <div className="row wrap">
            <FormButton primary icon={Check} label={text.t("applications.approve")} form={{ ...shared, path: `${path}/approve`, note: text.t("applications.approve_note", { company: of.company, name: of.contact_name }), fields: [roles], initial: { roles: ["partner"] }, done: "applications.approved" }} />
            <FormButton danger icon={X} label={text.t("applications.reject")} form={{ ...shared, path: `${path}/reject`, danger: true, note: text.t("applications.reject_note"), fields: [REASON] }} />
          </div>
        )}
      </div>
    </Modal>
  );
}
