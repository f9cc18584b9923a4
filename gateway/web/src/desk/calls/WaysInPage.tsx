/** Ways in: telephone systems and mailboxes, the address and secret that each signs with, and how it goes. */
import { Modal } from "@mantine/core";
import { KeyRound, Mail, Pencil, Phone, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useList, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { Ago, Command, PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { CaseTabs } from "../cases/CaseTabs";

type Way = Schema["WayInItem"];
type Made = Schema["WayInMade"];
type Values = Record<string, unknown>;

const LANGUAGES = [{ value: "zh", label: "中文" }, { value: "en", label: "English" }];
const PHONE: Field[] = [
  { name: "name", label: "col.name", required: true, most: 200 },
  { name: "country", label: "ways.country", hint: "ways.country_hint", most: 6, half: true },
  { name: "area", label: "ways.area", hint: "ways.area_hint", most: 6, half: true },
  { name: "language", label: "ways.language", kind: "select", options: LANGUAGES },
];
const MAIL: Field[] = [
  { name: "name", label: "col.name", required: true, most: 200 },
  { name: "address", label: "ways.address", required: true, most: 320, example: "service@example.com" },
  { name: "language", label: "ways.language", kind: "select", options: LANGUAGES },
  { name: "acknowledge", label: "ways.acknowledge", kind: "switch" },
  { name: "imap_host", label: "ways.imap_host", hint: "ways.imap_hint", most: 253, example: "imap.example.com" },
  { name: "imap_port", label: "ways.imap_port", kind: "integer", min: 1, max: 65535, half: true },
  { name: "imap_security", label: "ways.imap_security", kind: "select", options: ["tls", "starttls", "none"].map((word) => ({ value: word, label: word.toUpperCase() })), half: true },
  { name: "imap_user", label: "ways.imap_user", most: 320, half: true },
  { name: "password", label: "ways.password", hint: "ways.password_hint", most: 500, half: true },
];

const settings = (kind: "phone" | "mail", values: Values) => {
  const { name, password, enabled, ...rest } = values;
  const filled = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  return { name, ...(enabled === undefined ? {} : { enabled }), [kind]: filled, ...(password ? { password } : {}) };
};

export function WaysInPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const ways = useList<Way>("/channels");
  const [made, setMade] = useState<Made | null>(null);
  useTitle(text.t("ways.title"));
  const add = (
    <div className="row wrap" style={{ gap: 8 }}>
      <FormButton primary icon={Plus} label={text.t("ways.add_phone")} form={{ path: "/channels", fields: PHONE, initial: { country: "86", area: "", language: text.language }, body: (values: Values) => ({ kind: "phone", ...settings("phone", values) }), after: setMade }} />
      <FormButton icon={Plus} label={text.t("ways.add_mail")} form={{ path: "/channels", fields: MAIL, initial: { language: text.language, acknowledge: true, imap_port: 993, imap_security: "tls" }, body: (values: Values) => ({ kind: "mail", ...settings("mail", values) }), after: setMade }} />
    </div>
  );
  return (
    <>
      <PageHead title={text.t("ways.title")} sub={text.t("ways.sub")} right={add} />
      <CaseTabs staff={may(me, "case.handle")} />
      {made && <Modal opened onClose={() => setMade(null)} title={text.t("webhooks.secret_of", { name: made.name })}><p className="small muted">{text.t("webhooks.secret_once")}</p><Command line={made.secret} /><p className="small muted">{text.t("ways.send_to")}</p><Command line={made.address} /></Modal>}
      <Loaded of={ways} skeleton={<Bones rows={5} />}>
        {(page) => page.items.length === 0 ? <Empty icon={Phone} sentence={text.t("ways.empty")} example={text.t("ways.example")} /> : <div className="stack" style={{ gap: 14 }}>{page.items.map((way) => <WayCard key={way.id} way={way} made={setMade} />)}</div>}
      </Loaded>
    </>
  );
}

function WayCard(props: { way: Way; made: (made: Made) => void }) {
  const text = useText();
  const { way } = props;
  const path = `/channels/${way.id}`;
  const Icon = way.kind === "phone" ? Phone : Mail;
  const fields: Field[] = [...(way.kind === "phone" ? PHONE : MAIL), { name: "enabled", label: "webhooks.enabled", kind: "switch" }];
  return (
    <section className="card pad">
      <div className="row wrap" style={{ gap: "6px 10px" }}>
        <Icon size={18} aria-hidden /><span className="break" style={{ fontSize: 16, fontWeight: 650 }}>{way.name}</span>
        <Chip small tone={!way.enabled ? "quiet" : way.error ? "trouble" : "ok"}>{text.t(!way.enabled ? "webhooks.state.off" : way.error ? "webhooks.state.failing" : "webhooks.state.on")}</Chip>
        <span className="grow" />
        <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: way.name, submit: text.t("action.save"), path, method: "PATCH", version: way.version, fields, initial: { name: way.name, enabled: way.enabled, ...(way.phone ?? way.mail ?? {}) }, body: (values: Values) => settings(way.kind, values), done: "form.saved" }} />
        <ActButton small icon={KeyRound} label={text.t("webhooks.rotate")} path={`${path}/secret`} version={way.version} after={props.made} />
        <FormButton small icon={Trash2} danger label={text.t("action.delete")} form={{ title: way.name, path, method: "DELETE", version: way.version, fields: [], danger: true, note: text.t("ways.delete_note"), body: () => undefined }} />
      </div>
      <div className="small mono break" style={{ margin: "6px 0" }}>{way.address}</div>
      <div className="small muted">{way.heard_at ? <>{text.t("ways.heard")} <Ago at={way.heard_at} /></> : text.t("ways.never")}{way.tried_at && <> · {text.t("ways.tried")} <Ago at={way.tried_at} /></>}</div>
      {way.error && <Notice tone="trouble">{way.error}</Notice>}
    </section>
  );
}
