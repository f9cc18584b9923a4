/** Open a case: who, about which machine, what kind of service, and what its form asks. */
import { Button, Modal, Select, Textarea, TextInput } from "@mantine/core";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useNavigate } from "react-router";

import { ApiError, newKey } from "../../api/client";
import { may, useList, useSend } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { Pick, type Chosen } from "../../ui/Pick";
import { Notice } from "../../ui/states";
import { ASSETS, CUSTOMERS, nameOf, type CaseDetail, type ServiceType } from "./common";
import { FormFields, type Answers, type FormSchema } from "./FormFields";

/** Place -> what is wrong there, of a refusal that names the places. */
export function faultsOf(error: Error | null): Record<string, string> {
  const errors = error instanceof ApiError && Array.isArray(error.params.errors) ? (error.params.errors as { path: string; message: string }[]) : [];
  return Object.fromEntries(errors.map((each) => [each.path, each.message]));
}

export function NewCase(props: { me: Me; asset?: Chosen }) {
  const { t } = useText();
  const [open, setOpen] = useState(false);
  if (!may(props.me, "case.open")) return null;
  return (
    <>
      <Button leftSection={<Plus size={16} />} onClick={() => setOpen(true)}>{t("cases.new")}</Button>
      {open && <NewCaseForm {...props} close={() => setOpen(false)} />}
    </>
  );
}

function NewCaseForm(props: { me: Me; asset?: Chosen; close: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const [key] = useState(newKey);
  const desk = may(props.me, "case.handle");
  const types = (useList<ServiceType>("/service-types", { active: true }).data?.items ?? []);
  const [type, setType] = useState<string | null>(null);
  const [asset, setAsset] = useState<Chosen | null>(props.asset ?? null);
  const [customer, setCustomer] = useState<Chosen | null>(null);
  const [said, setSaid] = useState({ text: "", contact_name: "", contact_phone: "", contact_email: "" });
  const [channel, setChannel] = useState("phone");
  const [answers, setAnswers] = useState<Answers>({});
  const send = useSend<CaseDetail>();
  const form = types.find((each) => each.id === type)?.in_force?.form as FormSchema | undefined;
  const put = (name: keyof typeof said) => (event: { currentTarget: { value: string } }) => { const { value } = event.currentTarget; setSaid((held) => ({ ...held, [name]: value })); };
  const contact = Object.fromEntries(Object.entries(said).filter(([name, value]) => name !== "text" && value.trim()));
  const go = () =>
    send.mutate(
      { path: "/cases", key, body: { text: said.text.trim(), ...contact, asset_id: asset?.id, customer_id: asset ? undefined : customer?.id, service_type_id: type ?? undefined, answers: Object.keys(answers).length || form?.required?.length ? answers : undefined, channel: desk ? channel : "portal" } },
      { onSuccess: (made) => void navigate(`/cases/${made.id}`) },
    );
  return (
    <Modal opened onClose={props.close} title={text.t("cases.new")} size="lg">
      <form className="stack" style={{ gap: 14 }} onSubmit={(event) => { event.preventDefault(); if (said.text.trim()) go(); }}>
        <Select label={text.t("cases.type")} data={types.map((each) => ({ value: each.id, label: nameOf(each, text) }))} value={type} onChange={(value) => { setType(value); setAnswers({}); }} clearable searchable placeholder={text.t("cases.type_any")} />
        <Pick label={text.t("col.asset")} of={ASSETS} value={asset} change={(chosen) => setAsset(chosen)} hint={text.t("cases.asset_hint")} />
        {desk && !asset && <Pick label={text.t("cases.customer")} of={CUSTOMERS} value={customer} change={(chosen) => setCustomer(chosen)} />}
        <Textarea label={text.t("cases.text")} value={said.text} onChange={put("text")} autosize minRows={3} maxLength={4000} withAsterisk data-autofocus />
        {form && <FormFields form={form} answers={answers} change={setAnswers} faults={faultsOf(send.error)} />}
        {desk && (
          <div className="pair">
            <Select label={text.t("cases.channel")} data={["phone", "e_mail", "desk", "portal"].map((word) => ({ value: word, label: text.code("channel", word) }))} value={channel} onChange={(value) => setChannel(value ?? "phone")} />
            <TextInput label={text.t("cases.contact_name")} value={said.contact_name} onChange={put("contact_name")} maxLength={200} />
            <TextInput label={text.t("cases.contact_phone")} value={said.contact_phone} onChange={put("contact_phone")} maxLength={200} type="tel" />
            <TextInput label={text.t("cases.contact_email")} value={said.contact_email} onChange={put("contact_email")} maxLength={200} type="email" />
          </div>
        )}
        {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
        <Button type="submit" loading={send.isPending} disabled={!said.text.trim()}>{text.t("cases.open")}</Button>
      </form>
    </Modal>
  );
}
