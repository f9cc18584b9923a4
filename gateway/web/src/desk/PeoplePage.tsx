/** Who works here, as what; a one-time link lets a person in for the first time. */
import { Button, Modal, MultiSelect, SegmentedControl, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { KeyRound, UserPlus, UsersRound } from "lucide-react";
import { useState, type FormEvent } from "react";

import { useAct, useMe, usePeople } from "../api/hooks";
import type { Person, SignInLink } from "../api/types";
import { useText } from "../i18n/useText";
import { Marks } from "../ui/chips";
import { Command, PageHead, Qr, useTitle } from "../ui/parts";
import { Bones, Empty, errorText, Loaded, Notice } from "../ui/states";

const ROLES = ["administrator", "planner", "dispatcher", "technician", "storekeeper", "analyst"];

export function PeoplePage() {
  const text = useText();
  const people = usePeople();
  const me = useMe();
  const [adding, add] = useDisclosure(false);
  const [linkFor, setLinkFor] = useState<Person | null>(null);
  const may = me.data?.roles.includes("administrator") ?? false;
  useTitle(text.t("nav.people"));
  const button = may && <Button leftSection={<UserPlus size={16} />} onClick={add.open}>{text.t("people.add")}</Button>;
  return (
    <>
      <PageHead title={text.t("nav.people")} sub={text.t("people.sub")} right={button} />
      <Loaded of={people} skeleton={<Bones rows={6} height={24} />}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon={UsersRound} sentence={text.t("people.empty")} action={button} example={text.t("people.example")} />
          ) : (
            <div className="card">
              {page.items.map((person) => (
                <div key={person.id} className="row wrap" style={{ padding: "13px 20px", borderBottom: "1px solid var(--line-soft)", gap: 12 }}>
                  <span aria-hidden style={{ width: 36, height: 36, borderRadius: "50%", background: "#e7eef0", color: "#0f2a33", display: "grid", placeItems: "center", fontWeight: 620, fontSize: 14, flex: "none" }}>{initials(person.name)}</span>
                  <div className="grow" style={{ flexBasis: 180 }}>
                    <div className="row wrap" style={{ gap: 6 }}><span className="break" style={{ fontWeight: 600 }}>{person.name}</span><Marks demo={person.demo} /></div>
                    <div className="small muted break">{person.email ?? "–"}</div>
                  </div>
                  <div className="small" style={{ flex: "0 1 220px" }}>{person.roles.map((role) => text.code("role", role)).join(", ")}</div>
                  {may && <Button size="compact-sm" variant="default" leftSection={<KeyRound size={14} />} onClick={() => setLinkFor(person)}>{text.t("people.link")}</Button>}
                </div>
              ))}
            </div>
          )
        }
      </Loaded>
      {adding && <Add close={add.close} created={(person) => { add.close(); setLinkFor(person); }} />}
      {linkFor && <LinkFor person={linkFor} close={() => setLinkFor(null)} />}
    </>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  return words.length > 1 ? `${words[0]![0]}${words.at(-1)![0]}`.toUpperCase() : name.trim().slice(0, /[^\x00-\x7f]/.test(name) ? 1 : 2);
}

function Add(props: { close: () => void; created: (person: Person) => void }) {
  const text = useText();
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [roles, setRoles] = useState<string[]>(["technician"]);
  const [language, setLanguage] = useState<string>(text.language);
  const act = useAct<Person>();
  const send = (event: FormEvent) => {
    event.preventDefault();
    act.mutate({ path: "/people", body: { name: name.trim(), email: email.trim() || null, roles, language } }, { onSuccess: props.created });
  };
  return (
    <Modal opened onClose={props.close} title={text.t("people.add")}>
      <form onSubmit={send} className="stack" style={{ gap: 14 }}>
        <TextInput required label={text.t("people.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={120} data-autofocus />
        <TextInput required type="email" label={text.t("sign_in.email")} value={email} onChange={(event) => setEmail(event.currentTarget.value)} maxLength={200} />
        <MultiSelect required label={text.t("people.roles")} value={roles} onChange={setRoles} data={ROLES.map((role) => ({ value: role, label: text.code("role", role) }))} />
        <div><div className="small" style={{ fontWeight: 500, marginBottom: 4 }}>{text.t("nav.language")}</div><SegmentedControl value={language} onChange={setLanguage} data={[{ value: "en", label: "English" }, { value: "zh", label: "中文" }]} /></div>
        {act.error && <Notice tone="trouble">{errorText(act.error, text)}</Notice>}
        <Button type="submit" loading={act.isPending} disabled={!name.trim() || roles.length === 0}>{text.t("people.add_and_link")}</Button>
      </form>
    </Modal>
  );
}

function LinkFor(props: { person: Person; close: () => void }) {
  const text = useText();
  const act = useAct<SignInLink>();
  const url = act.data ? new URL(act.data.url, location.origin).toString() : null;
  return (
    <Modal opened onClose={props.close} title={text.t("people.link_title", { name: props.person.name })}>
      <div className="stack" style={{ gap: 14 }}>
        {url ? (
          <>
            <div style={{ display: "grid", placeItems: "center" }}><Qr value={url} size={196} label={text.t("people.qr_alt")} /></div>
            <div className="small muted">{text.t("people.link_hint")}</div>
            <Command line={url} />
          </>
        ) : (
          <>
            <div>{text.t("people.link_ask")}</div>
            {act.error && <Notice tone="trouble">{errorText(act.error, text)}</Notice>}
            <Button loading={act.isPending} onClick={() => act.mutate({ path: `/people/${props.person.id}/sign-in-link` })}>{text.t("people.link_make")}</Button>
          </>
        )}
      </div>
    </Modal>
  );
}
