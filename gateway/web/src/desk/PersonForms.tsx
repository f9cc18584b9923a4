/** Changing a person: name, phone and language, the roles, and whether they may sign in. */
import { Button, Modal, MultiSelect } from "@mantine/core";
import { ArrowRightLeft, Pencil, UserCheck, UserCog, UserX } from "lucide-react";
import { useState } from "react";

import { useOne } from "../api/rows";
import type { Person, PersonDetail } from "../api/types";
import { useText } from "../i18n/useText";
import { FormButton, REASON } from "../ui/Act";
import { FormModal, type Field } from "../ui/Form";
import { Bones, Loaded } from "../ui/states";
import { ORGANISATIONS } from "./assets/look";
import { Erase } from "./people/Erase";

export const ROLES = ["administrator", "planner", "dispatcher", "technician", "storekeeper", "analyst", "partner", "customer"];

const LANGUAGES = [{ value: "en", label: "English" }, { value: "zh", label: "中文" }];

/** What may be done to a person; nobody locks out themselves by a slip of the hand. */
export function PersonButtons(props: { person: Person; own: boolean; erase?: boolean }) {
  const text = useText();
  const { person } = props;
  const [editing, edit] = useState(false);
  const path = `/people/${person.id}`;
  const shared = { path, method: "PATCH" as const, version: person.version, fields: [] };
  return (
    <>
      <Button size="compact-sm" variant="default" leftSection={<Pencil size={14} />} onClick={() => edit(true)}>{text.t("action.edit")}</Button>
      <FormButton small icon={UserCog} label={text.t("people.roles")} form={{ title: person.name, submit: text.t("action.save"), path: `${path}/roles`, now: path, method: "PUT", version: person.version, fields: [roles(text)], initial: { roles: person.roles }, done: "form.saved" }} />
      {!props.own && <FormButton small icon={ArrowRightLeft} label={text.t("people.move")} form={{ title: text.t("people.move_title", { name: person.name }), note: text.t("people.move_note"), submit: text.t("people.move"), path: `${path}/organisation`, now: path, method: "PUT", version: person.version, fields: [TO, roles(text), REASON], initial: { roles: person.roles }, done: "form.saved" }} />}
      {person.disabled_at ? (
        <FormButton small icon={UserCheck} label={text.t("people.enable")} form={{ ...shared, note: text.t("people.enable_note", { name: person.name }), body: () => ({ disabled: false }), done: "form.saved" }} />
      ) : (
        !props.own && <FormButton small danger icon={UserX} label={text.t("people.disable")} form={{ ...shared, danger: true, note: text.t("people.disable_note", { name: person.name }), body: () => ({ disabled: true }), done: "form.saved" }} />
      )}
      {props.erase && !props.own && <Erase small path={path} name={person.name} version={person.version} />}
      {editing && <Edit person={person} close={() => edit(false)} />}
    </>
  );
}

const TO: Field = { name: "organisation_id", label: "people.organisation", kind: "pick", required: true, of: ORGANISATIONS };

function roles(text: ReturnType<typeof useText>): Field {
  const data = ROLES.map((role) => ({ value: role, label: text.code("role", role) }));
  return { name: "roles", label: "people.roles", kind: "own", required: true, own: (value, change) => <MultiSelect required label={text.t("people.roles")} value={(value as string[]) ?? []} onChange={change} data={data} /> };
}

/** Phone and language stand in no list, so the person is read first. */
function Edit(props: { person: Person; close: () => void }) {
  const found = useOne<PersonDetail>(`/people/${props.person.id}`);
  if (found.data) return <Words person={found.data} close={props.close} />;
  return <Modal opened onClose={props.close} title={props.person.name}><Loaded of={found} skeleton={<Bones rows={3} />}>{() => null}</Loaded></Modal>;
}

function Words(props: { person: PersonDetail; close: () => void }) {
  const [person] = useState(props.person); // the version belongs to the words that the form began with
  const fields: Field[] = [
    { name: "name", label: "people.name", required: true },
    { name: "phone", label: "col.phone", half: true, most: 60 },
    { name: "language", label: "nav.language", kind: "select", required: true, half: true, options: LANGUAGES },
  ];
  return <FormModal title={person.name} path={`/people/${person.id}`} method="PATCH" version={person.version} fields={fields} initial={{ name: person.name, phone: person.phone ?? "", language: person.language }} note={person.organisation?.name} done="form.saved" close={props.close} />;
}
