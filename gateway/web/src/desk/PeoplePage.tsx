/** Who works here, as what, and in which organisation; a one-time link lets a person in for the first time. */
import { Button, Modal, MultiSelect, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue, useDisclosure } from "@mantine/hooks";
import { KeyRound, Search, UserPlus, UsersRound } from "lucide-react";
import { useState, type FormEvent } from "react";
import { useOutletContext } from "react-router";

import { useAct } from "../api/hooks";
import { may, rowsOf, useList, useRows } from "../api/rows";
import type { Me, Person, SignInLink } from "../api/types";
import { useText } from "../i18n/useText";
import { Chip, Marks } from "../ui/chips";
import { Command, PageHead, Qr, useTitle } from "../ui/parts";
import { Pick, type Chosen } from "../ui/Pick";
import { More } from "../ui/Rows";
import { Bones, Empty, errorText, Failure, Notice } from "../ui/states";
import { ORGANISATIONS } from "./assets/look";
import { PeopleTabs } from "./people/PeopleTabs";
import { PersonButtons, ROLES } from "./PersonForms";

export function PeoplePage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [typed, setTyped] = useState("");
  const [q] = useDebouncedValue(typed.trim(), 250);
  const people = useRows<Person>("/people", { q });
  const organisations = useList<{ id: string; name: string }>("/organisations");
  const [adding, add] = useDisclosure(false);
  const [linkFor, setLinkFor] = useState<Person | null>(null);
  const manage = may(me, "people.manage");
  useTitle(text.t("nav.people"));
  const button = manage && <Button leftSection={<UserPlus size={16} />} onClick={add.open}>{text.t("people.add")}</Button>;
  const all = rowsOf(people);
  const nameOf = (id: string) => organisations.data?.items.find((one) => one.id === id)?.name;
  return (
    <>
      <PageHead title={text.t("nav.people")} sub={text.t("people.sub")} right={button} />
      <PeopleTabs />
      <TextInput mb={12} maw={360} leftSection={<Search size={15} />} aria-label={text.t("people.search")} placeholder={text.t("people.search")} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} maxLength={100} />
      {!people.data ? (people.isPending ? <Bones rows={6} height={24} /> : <Failure error={people.error} retry={() => void people.refetch()} />) : all.length === 0 ? (
        q ? <Empty icon={UsersRound} sentence={text.t("list.nothing")} /> : <Empty icon={UsersRound} sentence={text.t("people.empty")} action={button} example={text.t("people.example")} />
      ) : (
        <div className="card">
          {all.map((person) => (
            <div key={person.id} className="row wrap" style={{ padding: "13px 20px", borderBottom: "1px solid var(--line-soft)", gap: 12 }}>
              <span aria-hidden style={{ width: 36, height: 36, borderRadius: "50%", background: "#e7eef0", color: "#0f2a33", display: "grid", placeItems: "center", fontWeight: 620, fontSize: 14, flex: "none" }}>{initials(person.name)}</span>
              <div className="grow" style={{ flexBasis: 180 }}>
                <div className="row wrap" style={{ gap: 6 }}><span className="break" style={{ fontWeight: 600 }}>{person.name}</span><Marks demo={person.demo} />{person.disabled_at && <Chip tone="quiet" small>{text.t("people.disabled")}</Chip>}</div>
                <div className="small muted break">{person.email ?? "–"}</div>
              </div>
              <div className="small" style={{ flex: "0 1 220px" }}>
                {person.roles.map((role) => text.code("role", role)).join(", ")}
                {person.organisation_id !== me.organisation.id && <div className="muted break">{nameOf(person.organisation_id)}</div>}
              </div>
              {manage && <PersonButtons person={person} own={person.id === me.person.id} erase={may(me, "person.erase")} />}
              {manage && <Button size="compact-sm" variant="default" leftSection={<KeyRound size={14} />} disabled={!!person.disabled_at} onClick={() => setLinkFor(person)}>{text.t("people.link")}</Button>}
            </div>
          ))}
        </div>
      )}
      <More of={people} />
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
  const [organisation, setOrganisation] = useState<Chosen | null>(null);
  const act = useAct<Person>();
  const send = (event: FormEvent) => {
    event.preventDefault();
    act.mutate({ path: "/people", body: { name: name.trim(), email: email.trim() || null, roles, language, organisation_id: organisation?.id ?? null } }, { onSuccess: props.created });
  };
  return (
    <Modal opened onClose={props.close} title={text.t("people.add")}>
      <form onSubmit={send} className="stack" style={{ gap: 14 }}>
        <TextInput required label={text.t("people.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={120} data-autofocus />
        <TextInput required type="email" label={text.t("sign_in.email")} value={email} onChange={(event) => setEmail(event.currentTarget.value)} maxLength={200} />
        <MultiSelect required label={text.t("people.roles")} value={roles} onChange={setRoles} data={ROLES.map((role) => ({ value: role, label: text.code("role", role) }))} />
        <Pick of={ORGANISATIONS} value={organisation} change={setOrganisation} label={text.t("people.organisation")} hint={text.t("people.organisation_hint")} />
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
