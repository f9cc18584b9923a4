/** How feedback is used: how long a nothing-found counts, the budget of false alarms, the daily cap, what things cost. */
import { Button, NumberInput, TextInput } from "@mantine/core";
import { Save } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { useFeedbackSettings, useSaveFeedbackSettings, type FeedbackSettings } from "../../api/performance";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, errorText, Loaded } from "../../ui/states";
import { decides } from "../alarms/AlarmsPage";
import { PolicyTabs } from "./PolicyTabs";

type Numbers = "suppress_days" | "dismiss_days" | "audit_share" | "budget_per_month" | "daily_cap" | "failure_cost" | "visit_cost";
// Name, lowest, highest, decimals.
const FIELDS: [Numbers, number, number, number][] = [
  ["budget_per_month", 0.001, 100, 3],
  ["daily_cap", 0, 10_000, 0],
  ["suppress_days", 1, 3650, 0],
  ["dismiss_days", 1, 3650, 0],
  ["audit_share", 0, 1, 3],
  ["failure_cost", 0, 1e9, 2],
  ["visit_cost", 0, 1e9, 2],
];

export function FeedbackPage() {
  const text = useText();
  const settings = useFeedbackSettings();
  const may = decides(useOutletContext<Me>());
  useTitle(text.t("policies.tab.feedback"));
  return (
    <>
      <PageHead title={text.t("policies.tab.feedback")} sub={text.t("feedback.sub")} />
      <PolicyTabs />
      <Loaded of={settings} skeleton={<Bones rows={7} height={24} />}>{(data) => <Form key={JSON.stringify(data)} settings={data} may={may} />}</Loaded>
    </>
  );
}

function Form(props: { settings: FeedbackSettings; may: boolean }) {
  const text = useText();
  const [draft, setDraft] = useState(props.settings);
  const save = useSaveFeedbackSettings();
  const changed = JSON.stringify(draft) !== JSON.stringify(props.settings);
  const send = () => save.mutate(draft, { onSuccess: () => say(text.t("policies.saved")), onError: (error) => say(errorText(error, text), "bad") });
  return (
    <CardBlock title={text.t("policies.settings")} right={props.settings.inherited && <span className="small muted">{text.t("feedback.inherited")}</span>}>
      <fieldset disabled={!props.may} className="bare">
        {FIELDS.map(([name, low, high, digits]) => (
          <div key={name} className="field-row">
            <div className="grow" style={{ flexBasis: 240 }}><div style={{ fontWeight: 560 }}>{text.t(`feedback.field.${name}`)}</div><div className="tiny muted">{text.t(`feedback.hint.${name}`)}</div></div>
            <NumberInput aria-label={text.t(`feedback.field.${name}`)} value={draft[name]} min={low} max={high} decimalScale={digits} thousandSeparator style={{ width: 150 }} onChange={(typed) => typed !== "" && setDraft({ ...draft, [name]: Number(typed) })} />
          </div>
        ))}
        <div className="field-row">
          <div className="grow" style={{ flexBasis: 240 }}><div style={{ fontWeight: 560 }}>{text.t("feedback.field.currency")}</div></div>
          <TextInput aria-label={text.t("feedback.field.currency")} value={draft.currency} maxLength={3} style={{ width: 150 }} onChange={(event) => setDraft({ ...draft, currency: event.currentTarget.value.toUpperCase() })} />
        </div>
      </fieldset>
      {props.may && <Button mt={14} leftSection={<Save size={16} />} loading={save.isPending} disabled={!changed || draft.currency.length !== 3} onClick={send}>{text.t("policies.save")}</Button>}
    </CardBlock>
  );
}
