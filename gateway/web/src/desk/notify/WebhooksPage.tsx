/** Webhooks: which systems hear of what happens here, what became of each delivery, and sending it again. */
import { Modal } from "@mantine/core";
import { KeyRound, Pencil, Plus, RotateCcw, Send, Trash2, Webhook } from "lucide-react";
import { useState } from "react";

import { useList, useRows, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { localMoment, type Field } from "../../ui/Form";
import { Ago, Command, PageHead, useTitle } from "../../ui/parts";
import { Rows } from "../../ui/Rows";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { NotifyTabs } from "./NotifyTabs";

type Hook = Schema["WebhookItem"];
type Made = Schema["WebhookMade"];
type Delivery = Schema["DeliveryItem"];
const TONE = { waiting: "watch", sent: "ok", failed: "trouble" } as const;
const DAY_MS = 86_400_000;
const FIELDS: Field[] = [
  { name: "name", label: "col.name", required: true, most: 200, example: "ERP" },
  { name: "url", label: "webhooks.url", required: true, most: 2000, example: "https://erp.example.com/forewarn" },
  { name: "kinds", label: "webhooks.kinds", kind: "words", required: true, hint: "webhooks.kinds_hint", example: "work_order.*" },
];

export function WebhooksPage() {
  const text = useText();
  const hooks = useList<Hook>("/webhooks");
  const [made, setMade] = useState<Made | null>(null);
  useTitle(text.t("nav.webhooks"));
  const add = <FormButton primary icon={Plus} label={text.t("webhooks.add")} form={{ path: "/webhooks", fields: FIELDS, initial: { kinds: ["work_order.*"] }, after: setMade }} />;
  return (
    <>
      <PageHead title={text.t("nav.webhooks")} sub={text.t("webhooks.sub")} right={add} />
      <NotifyTabs />
      {made && (
        <Modal opened onClose={() => setMade(null)} title={text.t("webhooks.secret_of", { name: made.name })}>
          <p className="small muted">{text.t("webhooks.secret_once")}</p>
          <Command line={made.secret} />
        </Modal>
      )}
      <Loaded of={hooks} skeleton={<Bones rows={5} />}>
        {(page) => page.items.length === 0 ? <Empty icon={Webhook} sentence={text.t("webhooks.empty")} example={text.t("webhooks.example")} action={add} /> : (
          <div className="stack" style={{ gap: 14 }}>{page.items.map((hook) => <HookCard key={hook.id} hook={hook} made={setMade} />)}</div>
        )}
      </Loaded>
    </>
  );
}

function HookCard(props: { hook: Hook; made: (made: Made) => void }) {
  const text = useText();
  const { hook } = props;
  const [open, setOpen] = useState(false);
  const path = `/webhooks/${hook.id}`;
  const state = hook.disabled_at ? "disabled" : !hook.enabled ? "off" : hook.failing_since ? "failing" : "on";
  return (
    <section className="card pad">
      <div className="row wrap" style={{ gap: "6px 10px" }}>
        <span className="break" style={{ fontSize: 16, fontWeight: 650 }}>{hook.name}</span>
        <Chip small tone={state === "on" ? "ok" : state === "off" ? "quiet" : "trouble"}>{text.t(`webhooks.state.${state}`)}</Chip>
        <span className="grow" />
        <ActButton small icon={Send} label={text.t("webhooks.test")} path={`${path}/test`} disabled={!hook.enabled} done="webhooks.queued" after={() => setOpen(true)} />
        <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: hook.name, submit: text.t("action.save"), path, method: "PATCH", version: hook.version, fields: [...FIELDS, { name: "enabled", label: "webhooks.enabled", kind: "switch" }], initial: { ...hook }, done: "form.saved" }} />
        <ActButton small icon={KeyRound} label={text.t("webhooks.rotate")} path={`${path}/secret`} version={hook.version} after={props.made} />
        <FormButton small icon={Trash2} danger label={text.t("action.delete")} form={{ title: hook.name, path, method: "DELETE", version: hook.version, fields: [], danger: true, note: text.t("webhooks.delete_note"), body: () => undefined }} />
      </div>
      <div className="small mono break" style={{ margin: "6px 0" }}>{hook.url}</div>
      <div className="row wrap" style={{ gap: 6 }}>{hook.kinds.map((kind) => <Chip key={kind} small plain tone="quiet"><span className="mono">{kind}</span></Chip>)}</div>
      <div className="small muted" style={{ margin: "8px 0" }}>
        {hook.delivered_at ? <>{text.t("webhooks.delivered")} <Ago at={hook.delivered_at} /></> : text.t("webhooks.never")}
        {" · "}{text.t("webhooks.counts", { waiting: hook.waiting, failed: hook.failed })}
      </div>
      {hook.disabled_at && <Notice tone="trouble">{text.t("webhooks.disabled_note")}</Notice>}
      <div className="row wrap" style={{ gap: 8, marginTop: 8 }}>
        <button type="button" className="plainbutton small" style={{ fontWeight: 600 }} aria-expanded={open} onClick={() => setOpen(!open)}>{text.t(open ? "webhooks.hide" : "webhooks.show")}</button>
        {hook.enabled && <FormButton small icon={RotateCcw} label={text.t("webhooks.replay_span")} form={{ path: `${path}/replay`, fields: [{ name: "from", label: "webhooks.from", kind: "moment", required: true, half: true }, { name: "to", label: "webhooks.to", kind: "moment", required: true, half: true }], initial: { from: localMoment(Date.now() - DAY_MS), to: localMoment(Date.now()) }, note: text.t("webhooks.replay_note"), done: "webhooks.queued" }} />}
      </div>
      {open && <Deliveries hook={hook} />}
    </section>
  );
}

function Deliveries(props: { hook: Hook }) {
  const text = useText();
  const rows = useRows<Delivery>(`/webhooks/${props.hook.id}/deliveries`);
  return (
    <div style={{ marginTop: 10 }}>
      <Rows plain of={rows} empty={<Empty bare icon={Webhook} sentence={text.t("webhooks.no_deliveries")} />} columns={[
        { label: "webhooks.event", cell: (row) => <span className="mono small break">{row.kind}</span> },
        { label: "col.state", phone: "side", cell: (row) => <Chip small tone={TONE[row.state]}>{text.t(`webhooks.delivery.${row.state}`)}</Chip> },
        { label: "col.at", cell: (row) => <Ago at={row.tried_at ?? row.created_at} /> },
        { label: "webhooks.tries", num: true, phone: "named", cell: (row) => row.tries },
        { label: "webhooks.answer", phone: "named", cell: (row) => <span className="small break">{row.error ?? row.status ?? "–"}{row.took_ms !== null && <span className="muted"> · {row.took_ms} ms</span>}</span> },
        { label: "col.act", cell: (row) => props.hook.enabled && row.state !== "waiting" ? <ActButton small icon={RotateCcw} label={text.t("webhooks.replay")} path={`/webhook-deliveries/${row.id}/replay`} done="webhooks.queued" /> : null },
      ]} />
    </div>
  );
}
