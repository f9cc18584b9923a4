/** One service type: its form and workflow with a preview beside the editor, and every version that it had. */
import { Button, JsonInput, NumberInput, Select, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { CheckCircle2, Plus } from "lucide-react";
import { useState } from "react";
import { useOutletContext, useParams } from "react-router";

import { useQuery } from "@tanstack/react-query";
import { api } from "../../api/client";
import { may, useList, useOne, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Pick, type Chosen } from "../../ui/Pick";
import { say } from "../../ui/Providers";
import { Bones, Loaded, Notice } from "../../ui/states";
import { nameOf, PRIORITIES, words, type ServiceType } from "./common";
import { fieldsOf, FormFields, type Answers, type FormSchema } from "./FormFields";
import { NAMES } from "./ServiceTypesPage";

type Version = Schema["ServiceVersion"];
type Fault = { in: string; path: string; message: string };
const SETTLEMENTS = ["none", "piece_rate", "hourly", "package", "revenue_share", "tiered"];
const FIELD_KINDS: Record<string, object> = {
  text: { type: "string", maxLength: 200 },
  long: { type: "string", maxLength: 1000, multiline: true },
  number: { type: "number" },
  date: { type: "string", format: "date" },
  yes_no: { type: "boolean" },
  choice: { type: "string", enum: ["one", "two"], enum_en: ["One", "Two"], enum_zh: ["一", "二"] },
};
/** The form as somebody edits it: its fields stand in their order, so that no list of names is needed. */
const editable = ({ order: _, ...form }: FormSchema): FormSchema => (form.properties ? { ...form, properties: Object.fromEntries(fieldsOf({ order: _, properties: form.properties })) } : form);
const pretty = (value: unknown) => JSON.stringify(value, null, 2);
const parsed = (typed: string): Record<string, unknown> | null => { try { const made: unknown = JSON.parse(typed || "{}"); return made && typeof made === "object" && !Array.isArray(made) ? (made as Record<string, unknown>) : null; } catch { return null; } };

export function ServiceTypePage() {
  const { id = "" } = useParams();
  const found = useOne<ServiceType>(`/service-types/${id}`);
  return <Loaded of={found} skeleton={<Bones rows={10} />}>{(kind) => <Shown key={kind.latest} kind={kind} />}</Loaded>;
}

function Shown(props: { kind: ServiceType }) {
  const { kind } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  useTitle(nameOf(kind, text));
  const manage = may(me, "service_type.manage");
  const path = `/service-types/${kind.id}`;
  return (
    <>
      <PageHead
        back={{ to: "/cases/service-types", label: text.t("cases.tab.types") }}
        over={<span className="mono">{kind.code}</span>}
        title={nameOf(kind, text)}
        marks={<><Chip tone={kind.active ? "ok" : "quiet"}>{text.t(kind.active ? "types.active" : "types.off")}</Chip><Chip tone="quiet">{text.t("types.version_no", { number: kind.latest })}</Chip></>}
        sub={(text.language === "zh" ? kind.description_zh : kind.description_en) ?? undefined}
        right={manage ? <>
          <FormButton label={text.t("cases.edit")} form={{ path, method: "PATCH", version: kind.version, size: "lg", initial: { ...kind }, fields: [...NAMES(text), { name: "position", label: "types.position", kind: "integer", min: 0, half: true }] }} />
          <ActButton label={text.t(kind.active ? "types.switch_off" : "types.switch_on")} path={path} method="PATCH" body={{ active: !kind.active }} version={kind.version} />
        </> : undefined}
      />
      {kind.in_force && (manage ? <Editor kind={kind} version={kind.in_force} /> : <Preview form={kind.in_force.form as FormSchema} />)}
      <Versions kind={kind} />
    </>
  );
}

function Editor(props: { kind: ServiceType; version: Version }) {
  const { kind, version } = props;
  const text = useText();
  const [part, setPart] = useState("form");
  const [form, setForm] = useState(pretty(editable(version.form as FormSchema)));
  const [workflow, setWorkflow] = useState(pretty(version.workflow));
  const [rest, setRest] = useState({ priority: version.priority, duration_minutes: version.duration_minutes as number | "" | null, settlement_rule: version.settlement_rule, note: "" });
  const [price, setPrice] = useState<Chosen | null>(version.price_part ? { id: version.price_part.id, label: version.price_part.name } : null);
  const [procedure, setProcedure] = useState<Chosen | null>(version.procedure_id ? { id: version.procedure_id, label: version.procedure_id } : null);
  const [sla, setSla] = useState<Chosen | null>(version.sla_policy_id ? { id: version.sla_policy_id, label: version.sla_policy_id } : null);
  const send = useSend();
  const faults = useFaults(form, workflow);
  const here = faults.filter((fault) => fault.in === part);
  const publish = () =>
    send.mutate(
      { path: `/service-types/${kind.id}/versions`, version: kind.version, body: { form: parsed(form), workflow: parsed(workflow), priority: rest.priority, duration_minutes: rest.duration_minutes === "" ? null : rest.duration_minutes, settlement_rule: rest.settlement_rule, note: rest.note || null, price_part_id: price?.id ?? null, procedure_id: procedure?.id ?? null, sla_policy_id: sla?.id ?? null } },
      { onSuccess: () => say(text.t("types.published")) },
    );
  return (
    <div className="pair" style={{ marginBottom: 16 }}>
      <CardBlock title={text.t("types.edit")}>
        <div className="stack" style={{ gap: 14 }}>
          <SegmentedControl value={part} onChange={setPart} data={["form", "workflow", "rest"].map((word) => ({ value: word, label: text.t(`types.part.${word}`) }))} />
          {part === "form" && <AddField form={form} change={setForm} />}
          {part === "form" && <JsonInput aria-label={text.t("types.part.form")} value={form} onChange={setForm} autosize minRows={12} maxRows={28} styles={{ input: { fontFamily: "var(--mono, monospace)", fontSize: 13 } }} />}
          {part === "workflow" && <JsonInput aria-label={text.t("types.part.workflow")} value={workflow} onChange={setWorkflow} autosize minRows={12} maxRows={28} styles={{ input: { fontFamily: "var(--mono, monospace)", fontSize: 13 } }} />}
          {part === "rest" && (
            <>
              <Select label={text.t("orders.priority")} data={words("priority", PRIORITIES, text)} value={rest.priority} onChange={(value) => setRest({ ...rest, priority: value ?? "normal" })} />
              <NumberInput label={text.t("types.duration")} value={rest.duration_minutes ?? ""} onChange={(value) => setRest({ ...rest, duration_minutes: value === "" ? "" : Number(value) })} min={1} max={20160} allowDecimal={false} />
              <Select label={text.t("types.settlement")} data={words("settlement", SETTLEMENTS, text)} value={rest.settlement_rule} onChange={(value) => setRest({ ...rest, settlement_rule: value })} clearable />
              <Pick label={text.t("types.procedure")} of={{ path: "/procedures" }} value={procedure} change={setProcedure} />
              <Pick label={text.t("types.sla")} of={{ path: "/sla-policies", local: true }} value={sla} change={setSla} />
              <Pick label={text.t("types.price")} of={{ path: "/parts" }} value={price} change={setPrice} hint={text.t("types.price_hint")} />
            </>
          )}
          {here.map((fault) => <Notice key={fault.path + fault.message} tone="trouble"><span className="mono">{fault.path || "/"}</span> {fault.message}</Notice>)}
          {faults.length > here.length && <div className="small muted">{text.t("types.faults_elsewhere")}</div>}
          <TextInput label={text.t("types.note")} value={rest.note} onChange={(event) => setRest({ ...rest, note: event.currentTarget.value })} maxLength={1000} />
          {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
          <Button leftSection={<CheckCircle2 size={16} />} disabled={faults.length > 0} loading={send.isPending} onClick={publish}>{text.t("types.publish", { number: kind.latest + 1 })}</Button>
        </div>
      </CardBlock>
      <div className="stack" style={{ gap: 16 }}>
        <Preview form={parsed(form) as FormSchema | null} />
        <Stages workflow={parsed(workflow)} />
      </div>
    </div>
  );
}

/** What the server says of both while somebody types; text that is no JSON is said here. */
function useFaults(form: string, workflow: string): Fault[] {
  const { t } = useText();
  const [typed] = useDebouncedValue({ form, workflow }, 400);
  const broken = [["form", typed.form] as const, ["workflow", typed.workflow] as const].filter(([, words]) => parsed(words) === null);
  const checked = useQuery({ queryKey: ["check", typed.form, typed.workflow], enabled: broken.length === 0, queryFn: () => api<{ faults: Fault[] }>("/service-types/check", { method: "POST", body: { form: parsed(typed.form), workflow: parsed(typed.workflow) } }) });
  if (broken.length > 0) return broken.map(([where]) => ({ in: where, path: "", message: t("types.no_json") }));
  return checked.data?.faults ?? [];
}

function AddField(props: { form: string; change: (form: string) => void }) {
  const text = useText();
  const [name, setName] = useState("");
  const [kind, setKind] = useState<string | null>("text");
  const [titles, setTitles] = useState({ en: "", zh: "" });
  const form = parsed(props.form) as FormSchema | null;
  const ready = /^[a-z][a-z0-9_]{0,39}$/.test(name) && form !== null && kind !== null && titles.en.trim() && titles.zh.trim();
  const add = () => {
    if (!ready) return;
    const properties = { ...(form.properties ?? {}), [name]: { ...FIELD_KINDS[kind], title_en: titles.en.trim(), title_zh: titles.zh.trim() } };
    props.change(pretty({ type: "object", additionalProperties: false, ...form, properties }));
    setName("");
    setTitles({ en: "", zh: "" });
  };
  return (
    <div className="row wrap" style={{ gap: 8, alignItems: "flex-end" }}>
      <TextInput size="xs" label={text.t("types.field_name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={40} w={120} />
      <TextInput size="xs" label={text.t("types.name_en")} value={titles.en} onChange={(event) => { const { value } = event.currentTarget; setTitles((held) => ({ ...held, en: value })); }} maxLength={100} w={130} />
      <TextInput size="xs" label={text.t("types.name_zh")} value={titles.zh} onChange={(event) => { const { value } = event.currentTarget; setTitles((held) => ({ ...held, zh: value })); }} maxLength={100} w={130} />
      <Select size="xs" label={text.t("types.field_kind")} data={Object.keys(FIELD_KINDS).map((word) => ({ value: word, label: text.t(`types.kind.${word}`) }))} value={kind} onChange={setKind} w={130} />
      <Button size="xs" variant="default" leftSection={<Plus size={14} />} disabled={!ready} onClick={add}>{text.t("types.add_field")}</Button>
    </div>
  );
}

function Preview(props: { form: FormSchema | null }) {
  const text = useText();
  const [answers, setAnswers] = useState<Answers>({});
  const fields = Object.keys(props.form?.properties ?? {});
  return (
    <CardBlock title={text.t("types.preview")}>
      {fields.length === 0 ? <div className="small muted">{text.t("types.asks_nothing")}</div> : <FormFields form={props.form!} answers={answers} change={setAnswers} />}
    </CardBlock>
  );
}

type Stage = { code?: string; name_en?: string; name_zh?: string; next?: string[]; approval?: boolean; children?: string[]; public?: boolean };

function Stages(props: { workflow: Record<string, unknown> | null }) {
  const text = useText();
  const stages = Array.isArray(props.workflow?.stages) ? (props.workflow.stages as Stage[]) : [];
  return (
    <CardBlock title={text.t("types.part.workflow")}>
      {stages.length === 0 && <div className="small muted">{text.t("types.no_workflow")}</div>}
      {stages.map((stage, index) => (
        <div key={index} className="row wrap" style={{ gap: "4px 8px", padding: "6px 0", borderTop: index ? "1px solid var(--line-soft)" : undefined }}>
          <span style={{ fontWeight: 600 }}>{index + 1}. {(text.language === "zh" ? stage.name_zh : stage.name_en) ?? stage.code}</span>
          {stage.approval && <Chip tone="watch" small>{text.t("types.approval")}</Chip>}
          {stage.public === false && <Chip tone="quiet" small>{text.t("thread.internal")}</Chip>}
          {(stage.children ?? []).map((kind) => <Chip key={kind} tone="quiet" small>{text.code("child", kind)}</Chip>)}
          {(stage.next?.length ?? 0) > 1 && <span className="small muted">→ {stage.next!.join(", ")}</span>}
        </div>
      ))}
    </CardBlock>
  );
}

function Versions(props: { kind: ServiceType }) {
  const text = useText();
  const versions = useList<Version>(`/service-types/${props.kind.id}/versions`);
  return (
    <CardBlock title={text.t("types.versions")}>
      <Loaded of={versions} skeleton={<Bones rows={3} />}>
        {(page) => <Facts rows={page.items.map((each): [React.ReactNode, React.ReactNode] => [text.t("types.version_no", { number: each.version }), <span>{text.moment(each.created_at)}{each.created_by && ` · ${each.created_by.name}`}{each.note && ` · ${each.note}`}</span>])} />}
      </Loaded>
    </CardBlock>
  );
}
