/** A service type's form as fields: what its JSON Schema asks, in the reader's language. */
import { Checkbox, MultiSelect, NumberInput, Select, Textarea, TextInput } from "@mantine/core";

import { useText, type Text } from "../../i18n/useText";

import { fieldsOf, optionsOf, said, titleOf, type Answers, type Asked, type FormSchema } from "../../ui/Answered";

export { Answered, fieldsOf, type Answers, type FormSchema } from "../../ui/Answered";

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
