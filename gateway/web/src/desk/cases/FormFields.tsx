/** A service type's form as fields: what its JSON Schema asks, in the reader's language. */
import { Checkbox, MultiSelect, NumberInput, Select, Textarea, TextInput } from "@mantine/core";

import { useText, type Text } from "../../i18n/useText";

export type Answers = Record<string, unknown>;
type Asked = { type?: string; title_en?: string; title_zh?: string; title?: string; help_en?: string; help_zh?: string; enum?: unknown[]; enum_en?: string[]; enum_zh?: string[]; items?: Asked; format?: string; multiline?: boolean; minimum?: number; maximum?: number; maxLength?: number; pattern?: string };
export type FormSchema = { properties?: Record<string, Asked>; required?: string[]; order?: string[]; [more: string]: unknown };

/** Fields as they are asked: the server names their order. */
export function fieldsOf(form: FormSchema): [string, Asked][] {
  const properties = form.properties ?? {};
  const order = (form.order ?? []).filter((name) => name in properties);
  return [...order, ...Object.keys(properties).filter((name) => !order.includes(name))].map((name) => [name, properties[name]!]);
}

const said = (en: string | undefined, zh: string | undefined, text: Text) => (text.language === "zh" ? zh || en : en || zh);
const titleOf = (name: string, field: Asked, text: Text) => said(field.title_en, field.title_zh, text) ?? field.title ?? name;
const optionsOf = (field: Asked, text: Text) => {
  const names = (text.language === "zh" ? field.enum_zh : field.enum_en) ?? field.enum_en ?? [];
  return (field.enum ?? []).map((value, index) => ({ value: String(value), label: names[index] ?? String(value) }));
};

export function FormFields(props: { form: FormSchema; answers: Answers; change: (answers: Answers) => void; faults?: Record<string, string>; optional?: boolean }) {
  const text = useText();
  const fields = fieldsOf(props.form);
  const set = (name: string, value: unknown) => {
    const next = { ...props.answers, [name]: value };
    if (value === "" || value === null || value === undefined || (Array.isArray(value) && value.length === 0)) delete next[name];
    props.change(next);
  };
  return <div className="stack" style={{ gap: 14 }}>{fields.map(([name, field]) => <Field key={name} name={name} field={field} value={props.answers[name]} change={(value) => set(name, value)} required={!props.optional && (props.form.required ?? []).includes(name)} fault={props.faults?.[`/${name}`]} text={text} />)}</div>;
}

function Field(props: { name: string; field: Asked; value: unknown; change: (value: unknown) => void; required: boolean; fault?: string; text: Text }) {
  const { field, value, change, text } = props;
  const shared = { label: titleOf(props.name, field, text), description: said(field.help_en, field.help_zh, text), error: props.fault, withAsterisk: props.required };
  if (field.type === "boolean") return <Checkbox label={shared.label} description={shared.description} error={props.fault} checked={value === true} onChange={(event) => change(event.currentTarget.checked)} />;
  if (field.type === "array") return <MultiSelect {...shared} data={optionsOf(field.items ?? {}, text)} value={(value as string[] | undefined) ?? []} onChange={change} clearable />;
  if (field.enum) return <Select {...shared} data={optionsOf(field, text)} value={value === undefined ? null : String(value)} onChange={change} clearable={!props.required} />;
  if (field.type === "integer" || field.type === "number") return <NumberInput {...shared} value={(value as number | undefined) ?? ""} onChange={(typed) => change(typed === "" ? undefined : Number(typed))} min={field.minimum} max={field.maximum} allowDecimal={field.type === "number"} />;
  if (field.format === "date") return <TextInput {...shared} type="date" value={String(value ?? "")} onChange={(event) => change(event.currentTarget.value)} />;
  const typed = { ...shared, value: String(value ?? ""), maxLength: field.maxLength ?? 4000, onChange: (event: { currentTarget: { value: string } }) => change(event.currentTarget.value) };
  return field.multiline ? <Textarea {...typed} autosize minRows={2} /> : <TextInput {...typed} type={field.format === "email" ? "email" : "text"} />;
}

/** What was answered, as words. */
export function Answered(props: { form: FormSchema; answers: Answers }) {
  const text = useText();
  const rows = fieldsOf(props.form).filter(([name]) => props.answers[name] !== undefined);
  if (rows.length === 0) return <div className="small muted">{text.t("cases.no_answers")}</div>;
  return (
    <dl className="facts">
      {rows.map(([name, field]) => (
        <div key={name} style={{ display: "contents" }}><dt>{titleOf(name, field, text)}</dt><dd className="break">{answerText(field, props.answers[name], text)}</dd></div>
      ))}
    </dl>
  );
}

function answerText(field: Asked, value: unknown, text: Text): string {
  if (typeof value === "boolean") return text.t(value ? "value.yes" : "value.no");
  const options = [...optionsOf(field, text), ...optionsOf(field.items ?? {}, text)];
  const named = (one: unknown) => options.find((option) => option.value === String(one))?.label ?? String(one);
  return Array.isArray(value) ? value.map(named).join(", ") : field.format === "date" ? text.day(String(value)) : named(value);
}
