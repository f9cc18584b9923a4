/** What the desk does with a case: claim, move along, ask for approval, correct, send elsewhere. */
import { ArrowRight, Check, Hand, HandHelping, Pencil, RotateCcw, Route, Undo2, X } from "lucide-react";

import type { Me } from "../../api/types";
import { may } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton, REASON } from "../../ui/Act";
import { ASSETS, CUSTOMERS, nameOf, PRIORITIES, TEAMS, TYPES, words, type CaseDetail } from "./common";

const RESOLUTIONS = ["work_done", "fixed_remotely", "answered", "delivered", "no_fault", "withdrawn", "unresolved", "other"];

export function CaseActions(props: { one: CaseDetail; me: Me }) {
  const { one, me } = props;
  const text = useText();
  const path = `/cases/${one.id}`;
  const mine = one.claimed_by !== null && one.claimed_by.id === me.person.id;
  const foreign = one.claimed_by !== null && !mine;
  const can = (to: string) => !foreign && one.legal_moves.includes(to);
  const open = !["closed", "rejected", "merged"].includes(one.state);
  const at = one.stages.findIndex((stage) => stage.look === "now");
  const next = one.stages[at + 1];
  if (one.state === "waiting_approval")
    return may(me, "case.approve") ? (
      <>
        <ActButton primary icon={Check} label={text.t("cases.approve")} path={`${path}/approve`} done="cases.approved" />
        <FormButton icon={Undo2} label={text.t("cases.send_back")} form={{ path: `${path}/send-back`, fields: [{ ...REASON, name: "note" }] }} />
      </>
    ) : null;
  return (
    <>
      {open && !one.claimed_by && me.person.id && <ActButton primary icon={Hand} label={text.t("cases.claim")} path={`${path}/claim`} done="cases.claimed" />}
      {open && foreign && me.person.id && <ActButton icon={HandHelping} label={text.t("cases.take_over")} path={`${path}/take-over`} done="cases.claimed" />}
      {open && mine && <ActButton icon={Undo2} label={text.t("cases.release")} path={`${path}/release`} />}
      {open && !foreign && next && !one.stages[at]?.approval && <ActButton icon={ArrowRight} label={text.t("cases.go_on", { stage: nameOf(next, text) })} path={`${path}/stage`} body={{ to: next.code }} version={one.version} />}
      {can("waiting_approval") && <FormButton label={text.t("cases.ask_approval")} form={{ path: `${path}/ask-approval`, fields: [{ name: "note", label: "cases.approval_note", kind: "area", required: true, most: 2000 }] }} />}
      {can("waiting_customer") && <FormButton label={text.t("cases.wait_customer")} form={{ path: `${path}/transitions`, version: one.version, fields: [{ name: "reason", label: "cases.asked_for", kind: "area", most: 2000 }], body: (values) => ({ to: "waiting_customer", reason: values.reason }) }} />}
      {one.state === "waiting_customer" && can("in_progress") && <ActButton icon={RotateCcw} label={text.t("cases.resume")} path={`${path}/transitions`} body={{ to: "in_progress" }} />}
      {open && !foreign && <Edit one={one} />}
      {can("closed") && <FormButton icon={Check} label={text.t("cases.close")} form={{ path: `${path}/transitions`, version: one.version, now: path, fields: [{ name: "resolution", label: "cases.resolution", kind: "select", required: true, options: words("resolution", RESOLUTIONS, text) }, { name: "reason", label: "cases.note_to_customer", kind: "area", most: 2000 }], body: (values) => ({ to: "closed", resolution: values.resolution, reason: values.reason }) }} />}
      {can("rejected") && <FormButton danger icon={X} label={text.t("requests.reject")} form={{ path: `${path}/transitions`, version: one.version, now: path, fields: [{ ...REASON, hint: "requests.reject_hint" }], body: (values) => ({ to: "rejected", reason: values.reason }), danger: true }} />}
      {!open && one.state !== "merged" && can("in_progress") && <ActButton icon={RotateCcw} label={text.t("cases.reopen")} path={`${path}/transitions`} body={{ to: "in_progress" }} />}
    </>
  );
}

function Edit(props: { one: CaseDetail }) {
  const { one } = props;
  const text = useText();
  const path = `/cases/${one.id}`;
  const chosen = (ref: { id: string; name: string } | null | undefined) => (ref ? { id: ref.id, label: ref.name } : null);
  return (
    <>
      <FormButton
        icon={Pencil}
        label={text.t("cases.edit")}
        form={{
          path,
          method: "PATCH",
          version: one.version,
          size: "lg",
          initial: {
            title: one.title,
            asset_id: one.asset ? { id: one.asset.id, label: `${one.asset.serial} · ${one.asset.name}` } : null,
            customer_id: chosen(one.customer),
            service_type_id: one.service_type ? { id: one.service_type.id, label: nameOf(one.service_type, text) } : null,
            priority: one.priority,
            team_id: chosen(one.team),
            queue: one.queue,
            region: one.region,
          },
          fields: [
            { name: "title", label: "cases.title", required: true, most: 120 },
            { name: "asset_id", label: "col.asset", kind: "pick", of: ASSETS, half: true },
            { name: "customer_id", label: "cases.customer", kind: "pick", of: CUSTOMERS, half: true },
            { name: "service_type_id", label: "cases.type", kind: "pick", of: TYPES, half: true },
            { name: "priority", label: "orders.priority", kind: "select", options: words("priority", PRIORITIES, text), required: true, half: true },
            { name: "team_id", label: "cases.team", kind: "pick", of: TEAMS, half: true },
            { name: "queue", label: "cases.queue", most: 100, half: true },
            { name: "region", label: "cases.region", most: 100, half: true },
          ],
        }}
      />
      <ActButton icon={Route} label={text.t("cases.route")} path={`${path}/route`} done="cases.routed" />
    </>
  );
}
