/** Rules: when who is told by which ways, in what words. */
import { MultiSelect } from "@mantine/core";
import { BellRing, Pencil, Plus, Trash2 } from "lucide-react";

import { useList, useOne, type Schema } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import { NotifyTabs } from "./NotifyTabs";
import { bodyOfRule, formOf, recipientWord, ruleName, type Rule } from "./rules";

type Option = { value: string; label: string };
type Choices = Schema["NotificationChoices"];
const PRIORITIES = ["low", "normal", "high", "urgent"];
const SEVERITIES = ["info", "warning", "critical"];
const ROLES = ["administrator", "planner", "dispatcher", "technician", "storekeeper", "analyst", "partner"];

/** A word of the event log as people read it: the sentence's places are left out. */
const plain = (sentence: string): string => sentence.replace(/\{[^}]*\}/g, "…");

function useOptions(text: Text) {
  const choices = useOne<Choices>("/notification-kinds").data;
  const named = <T extends { id: string; name?: string; name_en?: string; name_zh?: string }>(rows: T[] | undefined): Option[] =>
    (rows ?? []).map((row) => ({ value: row.id, label: row.name ?? (text.language === "zh" ? row.name_zh : row.name_en) ?? row.id }));
  const people = named(useList<{ id: string; name: string }>("/people").data?.items);
  const teams = named(useList<{ id: string; name: string }>("/teams").data?.items);
  const onCall = named(useList<{ id: string; name: string }>("/on-call-lists").data?.items);
  const channels = named(useList<{ id: string; name: string }>("/notification-channels").data?.items);
  const customers = named(useList<{ id: string; name: string }>("/customers").data?.items);
  const models = named(useList<{ id: string; name_en: string; name_zh: string }>("/asset-models").data?.items);
  const types = named(useList<{ id: string; name_en: string; name_zh: string }>("/service-types").data?.items);
  const words = (rows: { word: string; en: string; zh: string }[] | undefined): Option[] =>
    (rows ?? []).map((one) => ({ value: one.word, label: `${plain(text.language === "zh" ? one.zh : one.en)} · ${one.word}` }));
  const prefixed = (prefix: string, rows: Option[]): Option[] => rows.map((row) => ({ value: `${prefix}:${row.value}`, label: `${text.t(`notify.to.${prefix}`)}: ${row.label}` }));
  const said = (prefix: string, values: readonly string[]): Option[] => values.map((value) => ({ value, label: text.t(`${prefix}.${value}`) }));
  return {
    kinds: words(choices?.kinds),
    dates: words(choices?.dates),
    recipients: [
      ...said("notify.to", (choices?.recipients ?? []).filter((one) => !["person", "on_call", "role"].includes(one))),
      ...ROLES.map((role) => ({ value: `role:${role}`, label: `${text.t("notify.to.role")}: ${text.code("role", role)}` })),
      ...prefixed("person", people), ...prefixed("team", teams), ...prefixed("on_call", onCall),
    ],
    ways: [...said("notify.way", choices?.ways ?? []), ...prefixed("channel", channels)],
    priorities: PRIORITIES.map((value) => ({ value, label: text.code("priority", value) })),
    severities: SEVERITIES.map((value) => ({ value, label: text.code("severity", value) })),
    customers, asset_models: models, service_types: types, teams,
    places: (choices?.places ?? []).map((name) => `{${name}}`).join(" "),
  };
}

const many = (name: string, label: string, data: Option[], text: Text, more: Partial<Field> = {}): Field => ({
  name, label, kind: "own", ...more,
  own: (value, change) => <MultiSelect label={text.t(label)} description={more.hint && text.t(more.hint)} data={data} value={(value as string[] | undefined) ?? []} onChange={change} searchable clearable hidePickedOptions withAsterisk={more.required} limit={100} />,
});

function fieldsOf(options: ReturnType<typeof useOptions>, text: Text): Field[] {
  const select = (name: string, values: readonly string[]): Option[] => values.map((value) => ({ value, label: text.t(`notify.${name}.${value}`) }));
  const dated = (values: Record<string, unknown>) => values.about === "date";
  return [
    { name: "name", label: "col.name", required: true, most: 200 },
    { name: "about", label: "notify.about", kind: "select", required: true, options: select("about", ["event", "date"]) },
    many("kinds", "notify.kinds", options.kinds, text, { show: (values) => !dated(values) }),
    { name: "on", label: "notify.date", kind: "select", options: options.dates, show: dated },
    { name: "amount", label: "notify.amount", kind: "integer", min: 0, max: 1_000_000, half: true, show: dated },
    { name: "unit", label: "notify.unit", kind: "select", options: select("unit", ["minutes", "hours", "days"]), half: true, show: dated },
    { name: "side", label: "notify.side", kind: "select", options: select("side", ["before", "after"]), half: true, show: dated },
    { name: "clock", label: "notify.clock", example: "08:00", half: true, show: dated },
    many("recipients", "notify.recipients", options.recipients, text),
    many("ways", "notify.ways", options.ways, text, { required: true }),
    many("priorities", "col.priority", options.priorities, text, { half: true }),
    many("severities", "notify.severity", options.severities, text, { half: true }),
    many("service_types", "notify.service_types", options.service_types, text, { half: true }),
    many("teams", "notify.teams", options.teams, text, { half: true }),
    many("customers", "nav.customers", options.customers, text, { half: true }),
    many("asset_models", "nav.asset_models", options.asset_models, text, { half: true }),
    { name: "regions", label: "notify.regions", kind: "words" },
    { name: "subject_en", label: "notify.subject_en", most: 200, hint: "notify.places" },
    { name: "body_en", label: "notify.body_en", kind: "area", most: 4000 },
    { name: "subject_zh", label: "notify.subject_zh", most: 200 },
    { name: "body_zh", label: "notify.body_zh", kind: "area", most: 4000 },
    { name: "quiet_from", label: "notify.quiet_from", example: "22:00", half: true },
    { name: "quiet_until", label: "notify.quiet_until", example: "07:00", half: true },
    { name: "time_zone", label: "notify.time_zone", example: "Asia/Shanghai", half: true },
    { name: "digest", label: "notify.digest", kind: "select", options: ["hour", "day"].map((value) => ({ value, label: text.t(`notify.digest.${value}`) })), half: true },
    { name: "delay_s", label: "notify.delay", kind: "integer", min: 0, max: 86_400, half: true, hint: "notify.delay_hint" },
    { name: "again_s", label: "notify.again", kind: "integer", min: 0, max: 2_592_000, half: true, hint: "notify.again_hint" },
    { name: "critical", label: "notify.critical", kind: "switch" },
    { name: "enabled", label: "webhooks.enabled", kind: "switch" },
  ];
}

export function RulesPage() {
  const text = useText();
  const rules = useList<Rule>("/notification-rules");
  const options = useOptions(text);
  const fields = fieldsOf(options, text);
  useTitle(text.t("notify.tab.rules"));
  const note = <span className="mono tiny break">{options.places}</span>;
  const add = <FormButton primary icon={Plus} label={text.t("notify.add_rule")} form={{ path: "/notification-rules", fields, initial: formOf(null), body: bodyOfRule, note, size: "xl" }} />;
  const label = (list: Option[], value: string) => list.find((one) => one.value === value)?.label ?? value;
  return (
    <>
      <PageHead title={text.t("notify.tab.rules")} sub={text.t("notify.rules_sub")} right={add} />
      <NotifyTabs />
      <Loaded of={rules} skeleton={<Bones rows={6} />}>
        {(page) => page.items.length === 0 ? <Empty icon={BellRing} sentence={text.t("notify.no_rules")} action={add} /> : (
          <div className="stack" style={{ gap: 12 }}>{page.items.map((rule) => {
            const path = `/notification-rules/${rule.id}`;
            const reminder = rule.reminder as { on: string } | null;
            const words = (rule.recipients as Parameters<typeof recipientWord>[0][]).map(recipientWord);
            return (
              <section key={rule.id} className="card pad">
                <div className="row wrap" style={{ gap: "6px 10px" }}>
                  <span className="break" style={{ fontSize: 16, fontWeight: 650 }}>{ruleName(rule, text)}</span>
                  <Chip small tone={rule.enabled ? "ok" : "quiet"}>{text.t(rule.enabled ? "webhooks.state.on" : "notify.off")}</Chip>
                  {rule.critical && <Chip small tone="trouble">{text.t("notify.critical")}</Chip>}
                  {rule.code && <Chip small plain tone="quiet">{text.t("notify.builtin")}</Chip>}
                  <span className="grow" />
                  <ActButton small label={text.t(rule.enabled ? "notify.switch_off" : "notify.switch_on")} path={path} method="PUT" version={rule.version} body={{ ...rule, enabled: !rule.enabled }} />
                  <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: ruleName(rule, text), submit: text.t("action.save"), path, method: "PUT", version: rule.version, fields, initial: formOf(rule), body: bodyOfRule, note, size: "xl", done: "form.saved" }} />
                  {!rule.code && <FormButton small icon={Trash2} danger label={text.t("action.delete")} form={{ title: rule.name, path, method: "DELETE", version: rule.version, fields: [], danger: true, body: () => undefined }} />}
                </div>
                <div className="row wrap" style={{ gap: 6, marginTop: 8 }}>
                  {reminder ? <Chip small plain tone="quiet">{label(options.dates, reminder.on)}</Chip> : rule.kinds?.map((kind) => <Chip key={kind} small plain tone="quiet" title={kind}>{label(options.kinds, kind).replace(` · ${kind}`, "")}</Chip>)}
                </div>
                <div className="small muted break" style={{ marginTop: 8 }}>
                  {words.map((word) => label(options.recipients, word)).join(", ")} · {rule.ways.map((way) => label(options.ways, way)).join(", ")}
                </div>
              </section>
            );
          })}</div>
        )}
      </Loaded>
    </>
  );
}

