/** Edit an on-call list: when it holds, from which severity on, and whom it calls in which order. */
import { ActionIcon, Button, Checkbox, Modal, NumberInput, Select, Switch, TextInput } from "@mantine/core";
import { ArrowUp, Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { useAct, usePeople } from "../../api/hooks";
import { named, useAssetModels, useSites, type OnCallList } from "../../api/policies";
import { useText } from "../../i18n/useText";
import { say } from "../../ui/Providers";
import { errorText, Notice } from "../../ui/states";
import { HoursInput, hoursOf, isIrregular, WORKDAYS, type Hours } from "./HoursInput";

type Step = { person_id: string; wait_s: number };
const WAIT_S = 600; // long enough to find the phone, short enough for what is critical

export function OnCallForm(props: { list: OnCallList | null; close: () => void }) {
  const text = useText();
  const { list } = props;
  const [name, setName] = useState(list?.name ?? "");
  const [severity, setSeverity] = useState<string>(list?.min_severity ?? "critical");
  const [site, setSite] = useState(list?.site_id ?? "");
  const [model, setModel] = useState(list?.asset_model_id ?? "");
  const [always, setAlways] = useState(list?.always ?? false);
  const [hours, setHours] = useState<Hours>(list?.working_hours ?? hoursOf({ days: WORKDAYS, from: "08:00", to: "17:00" }));
  const [steps, setSteps] = useState<Step[]>((list?.steps ?? []).map((step) => ({ person_id: step.person?.id ?? "", wait_s: step.wait_s })));
  const [enabled, setEnabled] = useState(list?.enabled ?? true);
  const sites = useSites().data?.items ?? [];
  const models = useAssetModels().data?.items ?? [];
  const act = useAct();
  const zone = list?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const irregular = isIrregular(hours);
  const send = () =>
    act.mutate(
      {
        path: list ? `/on-call-lists/${list.id}` : "/on-call-lists",
        method: list ? "PUT" : "POST",
        body: { name: name.trim(), min_severity: severity, site_id: site || null, asset_model_id: model || null, always, working_hours: hours, time_zone: zone, steps, enabled },
      },
      { onSuccess: () => (say(text.t("on_call.saved")), props.close()) },
    );
  const whole = { value: "", label: text.t("on_call.everywhere") };
  return (
    <Modal opened onClose={props.close} title={list?.name ?? text.t("on_call.add")} size="lg">
      <div className="stack" style={{ gap: 14 }}>
        <TextInput required label={text.t("policies.name")} placeholder={text.t("on_call.name_example")} value={name} maxLength={120} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
        <div className="row wrap top" style={{ gap: 12 }}>
          <Select className="grow" style={{ flexBasis: 150 }} label={text.t("on_call.from_severity")} value={severity} onChange={(word) => word && setSeverity(word)} data={["critical", "warning", "info"].map((word) => ({ value: word, label: text.code("severity", word) }))} />
          <Select className="grow" style={{ flexBasis: 170 }} label={text.t("windows.scope.site")} value={site} onChange={(id) => setSite(id ?? "")} data={[whole, ...sites.map((one) => ({ value: one.id, label: named(one, text.language) }))]} />
          <Select className="grow" style={{ flexBasis: 170 }} label={text.t("windows.scope.model")} value={model} onChange={(id) => setModel(id ?? "")} data={[whole, ...models.map((one) => ({ value: one.id, label: named(one, text.language) }))]} />
        </div>
        <Checkbox label={text.t("on_call.always_field")} checked={always} onChange={(event) => setAlways(event.currentTarget.checked)} />
        {!always && (irregular ? <Notice tone="quiet">{text.t("on_call.irregular")}</Notice> : <HoursInput label={text.t("on_call.working_hours", { zone })} hours={hours} change={setHours} />)}
        <Steps steps={steps} change={setSteps} />
        <Switch label={text.t("on_call.enabled")} checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />
        {act.error && <Notice tone="trouble">{errorText(act.error, text)}</Notice>}
        <Button loading={act.isPending} disabled={!name.trim() || steps.length === 0 || steps.some((step) => !step.person_id)} onClick={send}>{text.t("policies.save")}</Button>
      </div>
    </Modal>
  );
}

function Steps(props: { steps: Step[]; change: (steps: Step[]) => void }) {
  const text = useText();
  const people = usePeople().data?.items ?? [];
  const { steps } = props;
  const set = (index: number, more: Partial<Step>) => props.change(steps.map((step, at) => (at === index ? { ...step, ...more } : step)));
  const up = (index: number) => props.change(steps.map((step, at) => (at === index - 1 ? steps[index]! : at === index ? steps[index - 1]! : step)));
  return (
    <div>
      <div className="label">{text.t("on_call.steps")}</div>
      <div className="stack" style={{ gap: 8 }}>
        {steps.map((step, index) => (
          <div key={index} className="row" style={{ gap: 8 }}>
            <span className="num muted" style={{ width: 16 }}>{index + 1}</span>
            <Select className="grow" aria-label={text.t("on_call.person", { number: index + 1 })} searchable value={step.person_id || null} onChange={(id) => id && set(index, { person_id: id })} data={people.map((one) => ({ value: one.id, label: one.name }))} />
            <NumberInput aria-label={text.t("on_call.minutes", { number: index + 1 })} value={Math.round(step.wait_s / 60)} min={1} max={1440} suffix=" min" style={{ width: 96 }} onChange={(typed) => Number(typed) >= 1 && set(index, { wait_s: Math.min(1440, Number(typed)) * 60 })} />
            <ActionIcon variant="subtle" color="gray" disabled={index === 0} aria-label={text.t("on_call.up")} onClick={() => up(index)}><ArrowUp size={16} /></ActionIcon>
            <ActionIcon variant="subtle" color="red" aria-label={text.t("on_call.remove_step")} onClick={() => props.change(steps.filter((_, at) => at !== index))}><Trash2 size={16} /></ActionIcon>
          </div>
        ))}
      </div>
      <Button mt={8} size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => props.change([...steps, { person_id: "", wait_s: WAIT_S }])}>{text.t("on_call.add_step")}</Button>
      <div className="tiny muted" style={{ marginTop: 6 }}>{text.t("on_call.steps_hint")}</div>
    </div>
  );
}
