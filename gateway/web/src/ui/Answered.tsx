/** What a form asks and what was answered, as words in the reader's language. */
import { useText, type Text } from "../i18n/useText";

export type Answers = Record<string, unknown>;
export type Asked = { type?: string; title_en?: string; title_zh?: string; title?: string; help_en?: string; help_zh?: string; enum?: unknown[]; enum_en?: string[]; enum_zh?: string[]; items?: Asked; format?: string; multiline?: boolean; minimum?: number; maximum?: number; maxLength?: number; pattern?: string };
export type FormSchema = { properties?: Record<string, Asked>; required?: string[]; order?: string[]; [more: string]: unknown };

/** Fields as they are asked: the server names their order. */
export function fieldsOf(form: FormSchema): [string, Asked][] {
  const properties = form.properties ?? {};
  const order = (form.order ?? []).filter((name) => name in properties);
  return [...order, ...Object.keys(properties).filter((name) => !order.includes(name))].map((name) => [name, properties[name]!]);
}

export const said = (en: string | undefined, zh: string | undefined, text: Text) => (text.language === "zh" ? zh || en : en || zh);
export const titleOf = (name: string, field: Asked, text: Text) => said(field.title_en, field.title_zh, text) ?? field.title ?? name;
export const optionsOf = (field: Asked, text: Text) => {
  const names = (text.language === "zh" ? field.enum_zh : field.enum_en) ?? field.enum_en ?? [];
  return (field.enum ?? []).map((value, index) => ({ value: String(value), label: names[index] ?? String(value) }));
};

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
