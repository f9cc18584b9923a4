/** On-call lists: who is told of a critical alarm outside working hours, one after the other until somebody answers. */
import { Button } from "@mantine/core";
import { Pencil, Phone, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { useAct } from "../../api/hooks";
import { useOnCall, type OnCallList } from "../../api/policies";
import type { Me } from "../../api/types";
import { duration } from "../../i18n/format";
import { useText } from "../../i18n/useText";
import { Chip, SeverityChip } from "../../ui/chips";
import { PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Empty, errorText, Loaded } from "../../ui/states";
import { decides } from "../alarms/AlarmsPage";
import { hoursText } from "./HoursInput";
import { OnCallForm } from "./OnCallForm";
import { PolicyTabs } from "./PolicyTabs";

export function OnCallPage() {
  const text = useText();
  const lists = useOnCall();
  const may = decides(useOutletContext<Me>());
  const [form, setForm] = useState<OnCallList | "new" | null>(null);
  useTitle(text.t("policies.tab.on_call"));
  const add = may ? <Button leftSection={<Plus size={16} />} onClick={() => setForm("new")}>{text.t("on_call.add")}</Button> : undefined;
  return (
    <>
      <PageHead title={text.t("policies.tab.on_call")} sub={text.t("on_call.sub")} right={add} />
      <PolicyTabs />
      {form && <OnCallForm list={form === "new" ? null : form} close={() => setForm(null)} />}
      <Loaded of={lists} skeleton={<Bones rows={5} height={24} />}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon={Phone} sentence={text.t("on_call.empty")} action={add} example={text.t("on_call.example")} />
          ) : (
            <div className="stack" style={{ gap: 14 }}>{page.items.map((list) => <Card key={list.id} list={list} edit={may ? () => setForm(list) : undefined} />)}</div>
          )
        }
      </Loaded>
    </>
  );
}

function Card(props: { list: OnCallList; edit?: () => void }) {
  const text = useText();
  const { list } = props;
  const act = useAct();
  const working = list.always || Object.keys(list.working_hours).length === 0;
  return (
    <section className="card pad">
      <div className="row wrap" style={{ gap: "6px 10px" }}>
        <span className="break" style={{ fontSize: 16, fontWeight: 650 }}>{list.name}</span>
        <Chip tone={list.enabled ? "ok" : "quiet"} small>{text.t(list.enabled ? "policies.on" : "policies.off")}</Chip>
        <SeverityChip severity={list.min_severity} small />
        <span className="grow" />
        {props.edit && (
          <span className="row">
            <Button size="compact-sm" variant="default" leftSection={<Pencil size={13} />} onClick={props.edit}>{text.t("on_call.edit")}</Button>
            <Button size="compact-sm" variant="subtle" color="red" px={6} aria-label={text.t("windows.remove", { name: list.name })} onClick={() => act.mutate({ path: `/on-call-lists/${list.id}`, method: "DELETE" }, { onError: (error) => say(errorText(error, text), "bad") })}><Trash2 size={15} /></Button>
          </span>
        )}
      </div>
      <div className="small muted" style={{ marginTop: 4 }}>{working ? text.t("on_call.always") : text.t("on_call.outside", { hours: hoursText(list.working_hours, text.t), zone: list.time_zone })}</div>
      <ol className="steps">
        {list.steps.map((step, index) => (
          <li key={index}><b>{step.person?.name ?? "–"}</b> <span className="small muted">{text.t(index + 1 < list.steps.length ? "on_call.wait" : "on_call.wait_last", { time: duration(step.wait_s, text.language) })}</span></li>
        ))}
      </ol>
    </section>
  );
}
