/** Who calls: everybody with this number, their machines with warranty, open work, last cases, and a case in one step. */
import { Button, Select, Textarea, TextInput } from "@mantine/core";
import { PhoneIncoming, PhoneMissed, PhoneOff, UserPlus, type LucideIcon } from "lucide-react";
import { useState } from "react";
import { Link, useNavigate } from "react-router";

import { newKey } from "../../api/client";
import { may, useList, useOne, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { Bones, Loaded, Notice } from "../../ui/states";
import type { Tone } from "../../ui/theme";
import { CaseChip, nameOf, type ServiceType } from "../cases/common";
import { faultsOf } from "../cases/NewCase";
import { FormFields, type Answers, type FormSchema } from "../cases/FormFields";

export type Call = Schema["CallItem"];
export type Card = Schema["CallerCard"];

/** Everybody with the number, each customer once. */
export const callersOf = (card: Card | undefined): string[] => [...new Map((card?.callers ?? []).map((each) => [each.customer?.id ?? each.id, each.customer?.name ?? each.name])).values()].filter(Boolean);

const LOOK: Record<string, { tone: Tone; icon: LucideIcon }> = {
  ringing: { tone: "watch", icon: PhoneIncoming },
  answered: { tone: "learning", icon: PhoneIncoming },
  ended: { tone: "ok", icon: PhoneOff },
  missed: { tone: "trouble", icon: PhoneMissed },
};

export function CallChip(props: { state: string; small?: boolean }) {
  const { code } = useText();
  return <Chip {...(LOOK[props.state] ?? LOOK.ended!)} small={props.small}>{code("call_state", props.state)}</Chip>;
}

export function CallCard(props: { call: Call; me: Me; done?: () => void }) {
  const { call, me } = props;
  const card = useOne<Card>(`/calls/${call.id}/caller`);
  return <Loaded of={card} skeleton={<Bones rows={5} />}>{(found) => <Known call={call} me={me} card={found} done={props.done} />}</Loaded>;
}

function Known(props: { call: Call; me: Me; card: Card; done?: () => void }) {
  const { call, card, me } = props;
  const text = useText();
  const customers = [...new Map(card.callers.flatMap((each) => (each.customer ? [[each.customer.id, each.customer] as const] : []))).values()];
  const [customer, setCustomer] = useState<string | null>(call.customer?.id ?? (customers.length === 1 ? customers[0]!.id : null));
  const assets = customer ? card.assets.filter((asset) => asset.customer_id === customer) : card.assets;
  const [chosen, setAsset] = useState<string | null>(null);
  const asset = chosen ?? (assets.length === 1 ? assets[0]!.id : null);
  return (
    <div className="stack" style={{ gap: 14 }}>
      {card.callers.length === 0 && (
        <Notice tone="quiet">
          <div>{text.t("calls.unknown")}</div>
          {may(me, "customer.manage") && <div style={{ marginTop: 8 }}><FormButton small icon={UserPlus} label={text.t("calls.make_customer")} form={{ path: "/customers", fields: [{ name: "name", label: "col.name", required: true, most: 200 }, { name: "phone", label: "cases.contact_phone", most: 60 }], initial: { phone: card.number ?? "" }, done: "form.saved" }} /></div>}
        </Notice>
      )}
      {callersOf(card).length > 1 && <Notice tone="watch">{text.t("calls.several", { count: callersOf(card).length })}</Notice>}
      {card.callers.map((each) => (
        <div key={each.id} className="row wrap" style={{ gap: "4px 10px" }}>
          <span className="break" style={{ fontWeight: 620 }}>{each.name || text.t("calls.nameless")}</span>
          <Chip small tone="quiet">{text.code("caller", each.kind)}</Chip>
          {each.sure === "likely" && <Chip small tone="watch">{text.t("calls.likely")}</Chip>}
          {each.customer && <Link className="link small" to={`/customers/${each.customer.id}`} onClick={props.done}>{each.customer.name}</Link>}
        </div>
      ))}
      {card.assets.length > 0 && (
        <section><h3 className="small" style={{ margin: "0 0 6px" }}>{text.t("calls.machines")}</h3>
          {assets.map((each) => (
            <div key={each.id} className="row wrap" style={{ gap: "2px 10px", padding: "5px 0", borderTop: "1px solid var(--line-soft)" }}>
              <Link className="link break" to={`/assets/${each.id}`} onClick={props.done}>{each.name}</Link><span className="small mono-num">{each.serial}</span>
              <Chip small tone={each.warranty === "running" ? "ok" : "quiet"}>{text.code("warranty_state", each.warranty)}{each.covered_until && ` · ${text.day(each.covered_until)}`}</Chip>
              {each.bought_on && <span className="small muted">{text.t("calls.since", { day: text.day(each.bought_on) })}</span>}
            </div>
          ))}
        </section>
      )}
      {card.open_work.length > 0 && (
        <section><h3 className="small" style={{ margin: "0 0 6px" }}>{text.t("calls.open_work")}</h3>
          {card.open_work.map((order) => <div key={order.id} className="small"><Link className="link" to={`/work-orders/${order.id}`} onClick={props.done}>{order.number}</Link> · {text.code("work_order_state", order.state)}{order.scheduled_at && ` · ${text.moment(order.scheduled_at)}`}</div>)}
        </section>
      )}
      {card.cases.length > 0 && (
        <section><h3 className="small" style={{ margin: "0 0 6px" }}>{text.t("calls.cases")}</h3>
          {card.cases.map((each) => <div key={each.id} className="row wrap small" style={{ gap: "2px 8px", padding: "2px 0" }}><Link className="link" to={`/cases/${each.id}`} onClick={props.done}>{each.number}</Link><span className="break">{each.title}</span><CaseChip state={each.state} small /></div>)}
        </section>
      )}
      {call.case && !call.callback
        ? <Notice tone="ok"><Link className="link" to={`/cases/${call.case.id}`} onClick={props.done}>{call.case.number}</Link> {call.case.title}</Notice>
        : may(me, "call.work") && <NewCase call={call} customer={customer} asset={asset} customers={customers} assets={assets} setCustomer={setCustomer} setAsset={setAsset} done={props.done} />}
    </div>
  );
}

type Choice = { call: Call; customer: string | null; asset: string | null; customers: { id: string; name: string }[]; assets: Card["assets"]; setCustomer: (id: string | null) => void; setAsset: (id: string | null) => void; done?: () => void };

function NewCase(props: Choice) {
  const text = useText();
  const navigate = useNavigate();
  const types = useList<ServiceType>("/service-types", { active: true }).data?.items ?? [];
  const [type, setType] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const [name, setName] = useState("");
  const [answers, setAnswers] = useState<Answers>({});
  const [key] = useState(newKey);
  const send = useSend<{ id: string }>();
  const form = types.find((each) => each.id === type)?.in_force?.form as FormSchema | undefined;
  const body = { text: said.trim(), name: name.trim() || undefined, customer_id: props.customer ?? undefined, asset_id: props.asset ?? undefined, service_type_id: type ?? undefined, answers: Object.keys(answers).length || form?.required?.length ? answers : undefined };
  const go = () => send.mutate({ path: `/calls/${props.call.id}/case`, key, body }, { onSuccess: (made) => { props.done?.(); void navigate(`/cases/${made.id}`); } });
  return (
    <form className="stack" style={{ gap: 10 }} onSubmit={(event) => { event.preventDefault(); if (said.trim() && !send.isPending) go(); }}>
      {props.customers.length > 1 && <Select label={text.t("cases.customer")} data={props.customers.map((each) => ({ value: each.id, label: each.name }))} value={props.customer} onChange={props.setCustomer} clearable />}
      {props.assets.length > 0 && <Select label={text.t("col.asset")} data={props.assets.map((each) => ({ value: each.id, label: `${each.name} · ${each.serial}` }))} value={props.asset} onChange={props.setAsset} clearable searchable />}
      {props.customers.length === 0 && <TextInput label={text.t("cases.contact_name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={200} />}
      <Select label={text.t("cases.type")} data={types.map((each) => ({ value: each.id, label: nameOf(each, text) }))} value={type} onChange={(value) => { setType(value); setAnswers({}); }} clearable searchable placeholder={text.t("cases.type_any")} />
      <Textarea label={text.t("cases.text")} value={said} onChange={(event) => setSaid(event.currentTarget.value)} autosize minRows={2} maxLength={4000} withAsterisk />
      {form && <FormFields form={form} answers={answers} change={setAnswers} faults={faultsOf(send.error)} />}
      {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
      <Button type="submit" loading={send.isPending} disabled={!said.trim()} style={{ alignSelf: "flex-start" }}>{text.t("calls.open_case")}</Button>
    </form>
  );
}
