/** A form from a list of its fields: sends once, says what is wrong and where, and never overwrites somebody unseen. */
import { ActionIcon, Button, Modal, NumberInput, Select, Switch, TagsInput, Textarea, TextInput } from "@mantine/core";
import { Plus, Trash2, TriangleAlert } from "lucide-react";
import { useState, type FormEvent, type ReactNode } from "react";

import { api, ApiError, newKey } from "../api/client";
import { useSend } from "../api/rows";
import { useText, type Text } from "../i18n/useText";
import { Pick, type Chosen, type Source } from "./Pick";
import { say } from "./Providers";
import { errorText, hasReason, Notice } from "./states";

export type Values = Record<string, unknown>;
export type Field = {
  name: string;
  label: string; // the key of its text
  kind?: "text" | "area" | "number" | "integer" | "date" | "moment" | "select" | "switch" | "pick" | "words" | "lines" | "own";
  required?: boolean;
  hint?: string; // the key of a text
  example?: string;
  options?: { value: string; label: string }[];
  of?: Source;
  min?: number;
  max?: number;
  decimals?: number;
  most?: number; // characters
  suffix?: string;
  half?: boolean; // beside its neighbour
  lines?: Field[]; // what each row of a list of rows holds
  add?: string; // the key of the button that adds a row
  show?: (values: Values) => boolean;
  own?: (value: unknown, change: (value: unknown) => void, values: Values) => ReactNode;
};

export type FormProps = {
  title: string;
  fields: Field[];
  initial?: Values;
  path: string;
  method?: "POST" | "PATCH" | "PUT" | "DELETE";
  version?: number | null;
  now?: string; // where the present state is read after a 412; the path itself unless given
  submit?: string;
  body?: (values: Values) => unknown;
  note?: ReactNode;
  done?: string; // the key of what is said afterwards
  after?: (answer: any) => void;
  close: () => void;
  danger?: boolean;
  size?: string;
};

/** What <input type="datetime-local"> shows for a moment. */
export const localMoment = (at: string | number | Date): string => {
  const when = new Date(at).getTime();
  return new Date(when - new Date(when).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

function plain(field: Field, value: unknown): unknown {
  if (field.kind === "pick") return (value as Chosen | null | undefined)?.id ?? null;
  if (field.kind === "moment") return typeof value === "string" && value ? new Date(value).toISOString() : null;
  if (field.kind === "number" || field.kind === "integer") return value === "" || value === null || value === undefined ? null : Number(value);
  if (field.kind === "lines") return ((value as Values[] | undefined) ?? []).map((row) => bodyOf(field.lines ?? [], row, {}, "POST")).filter((row) => Object.keys(row).length > 0);
  if (typeof value === "string") return value.trim() || null;
  return value ?? null;
}

const missing = (field: Field, value: unknown): boolean => {
  const said = plain(field, value);
  return said === null || (Array.isArray(said) && said.length === 0);
};
const same = (one: unknown, other: unknown): boolean => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

/** A new thing is sent without what was left empty; a change sends only what changed. */
export function bodyOf(fields: Field[], values: Values, initial: Values, method: string): Values {
  const entries = fields.map((field): [string, unknown] => [field.name, plain(field, values[field.name])]);
  if (method === "PATCH") return Object.fromEntries(entries.filter(([name, value], index) => !same(value, plain(fields[index]!, initial[name]))));
  return Object.fromEntries(method === "PUT" ? entries : entries.filter(([, value]) => value !== null));
}

function wrongFields(error: Error | null): Set<string> {
  if (!(error instanceof ApiError)) return new Set();
  const one = error.params.field;
  const many = Array.isArray(error.params.fields) ? (error.params.fields as { field?: unknown }[]).map((each) => String(each.field ?? "")) : [];
  return new Set([...(typeof one === "string" ? [one] : []), ...many].flatMap((path) => path.replace(/^body\./, "").split(".").slice(0, 1)));
}

export function FormModal(props: FormProps) {
  const text = useText();
  const method = props.method ?? "POST";
  const initial = props.initial ?? {};
  const [values, setValues] = useState<Values>(initial);
  const [key] = useState(newKey);
  const [current, setCurrent] = useState<Values | null>(null);
  const send = useSend<unknown>();
  const fields = props.fields.filter((field) => field.show?.(values) ?? true);
  const lacking = fields.some((field) => field.required && missing(field, values[field.name]));
  const wrong = wrongFields(send.error);
  const go = (version?: number | null) => {
    const body = props.body ? props.body(values) : bodyOf(fields, values, initial, method);
    send.mutate(
      { path: props.path, method, body, version: version ?? undefined, key: method === "POST" ? key : undefined },
      {
        onSuccess: (answer) => { if (props.done) say(text.t(props.done)); props.after?.(answer); props.close(); },
        onError: (error) => { if (error instanceof ApiError && error.status === 412) void api<Values>(props.now ?? props.path).then(setCurrent).catch(() => undefined); },
      },
    );
  };
  const submit = (event: FormEvent) => { event.preventDefault(); event.stopPropagation(); if (!lacking && !send.isPending) go(props.version); };
  return (
    <Modal opened onClose={props.close} title={props.title} size={props.size ?? (props.fields.length > 6 ? "lg" : "md")} closeOnClickOutside={same(values, initial)}>
      <form onSubmit={submit} className="stack" style={{ gap: 14 }} noValidate>
        {props.note && <div className="small muted">{props.note}</div>}
        <div className="form-grid">
          {fields.map((field, index) => (
            <div key={field.name} className={field.half ? "half" : undefined}>
              <Input field={field} value={values[field.name]} values={values} first={index === 0} error={wrong.has(field.name) ? text.t("form.look_here") : undefined} change={(value) => setValues((held) => ({ ...held, [field.name]: value }))} />
            </div>
          ))}
        </div>
        {send.error && !current && <Notice tone="trouble" icon={TriangleAlert}>{problemText(send.error, text)}</Notice>}
        {current && <Changed fields={fields} current={current} initial={initial} mine={() => { setCurrent(null); go(typeof current.version === "number" ? current.version : undefined); }} theirs={props.close} />}
        {!current && <Button type="submit" color={props.danger ? "red" : undefined} loading={send.isPending} disabled={lacking}>{props.submit ?? text.t("action.save")}</Button>}
      </form>
    </Modal>
  );
}

/** What the server says, in the reader's language where there are words for it. */
export function problemText(error: Error, text: Text): string {
  const said = errorText(error, text);
  const detail = error instanceof ApiError && error.status === 422 && error.message && !text.has(`error.${error.code}`) ? error.message : "";
  const vague = error instanceof ApiError && ["invalid", "conflict"].includes(error.code) && !hasReason(error, text) && error.message;
  return vague ? `${said} (${error.message})` : detail || said;
}

function Changed(props: { fields: Field[]; current: Values; initial: Values; mine: () => void; theirs: () => void }) {
  const { t } = useText();
  const differs = props.fields.filter((field) => field.name in props.current && !same(plainly(props.current[field.name]), plainly(plain(field, props.initial[field.name]))));
  return (
    <Notice tone="watch" icon={TriangleAlert}>
      <div style={{ fontWeight: 600 }}>{t("form.changed")}</div>
      {differs.map((field) => <div key={field.name} className="small break">{t(field.label)}: <s>{spoken(plain(field, props.initial[field.name]))}</s> → <b>{spoken(props.current[field.name])}</b></div>)}
      <div className="row wrap" style={{ marginTop: 10 }}>
        <Button size="compact-sm" variant="default" onClick={props.theirs}>{t("form.keep_theirs")}</Button>
        <Button size="compact-sm" color="orange" onClick={props.mine}>{t("form.keep_mine")}</Button>
      </div>
    </Notice>
  );
}

const plainly = (value: unknown): unknown => (value && typeof value === "object" && "id" in value ? (value as { id: unknown }).id : value);
function spoken(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "object") return String((value as Values).name ?? (value as Values).number ?? JSON.stringify(value));
  return String(value);
}

function Input(props: { field: Field; value: unknown; values: Values; change: (value: unknown) => void; error?: string; first: boolean }) {
  const { t } = useText();
  const { field, value, change } = props;
  const shared = { label: t(field.label), description: field.hint ? t(field.hint) : undefined, error: props.error, withAsterisk: field.required, "data-autofocus": props.first || undefined };
  const typed = typeof value === "string" ? value : "";
  switch (field.kind ?? "text") {
    case "area":
      return <Textarea {...shared} placeholder={field.example} value={typed} onChange={(event) => change(event.currentTarget.value)} autosize minRows={2} maxRows={10} maxLength={field.most ?? 2000} />;
    case "number":
    case "integer":
      return <NumberInput {...shared} placeholder={field.example} value={value === null || value === undefined ? "" : (value as number | string)} onChange={change} min={field.min} max={field.max} decimalScale={field.kind === "integer" ? 0 : field.decimals} suffix={field.suffix ? ` ${field.suffix}` : undefined} thousandSeparator="," />;
    case "date":
      return <TextInput {...shared} type="date" value={typed} onChange={(event) => change(event.currentTarget.value)} />;
    case "moment":
      return <TextInput {...shared} type="datetime-local" value={typed} onChange={(event) => change(event.currentTarget.value)} />;
    case "select":
      return <Select {...shared} data={field.options ?? []} value={typed || null} onChange={(word) => change(word)} clearable={!field.required} searchable={(field.options?.length ?? 0) > 8} />;
    case "switch":
      return <Switch label={shared.label} description={shared.description} checked={value === true} onChange={(event) => change(event.currentTarget.checked)} style={{ paddingTop: 4 }} />;
    case "words":
      return <TagsInput {...shared} placeholder={field.example} value={Array.isArray(value) ? (value as string[]) : []} onChange={change} data={[]} />;
    case "pick":
      return <Pick of={field.of!} value={(value as Chosen | null) ?? null} change={(chosen) => change(chosen)} label={shared.label} hint={shared.description} error={shared.error} required={field.required} autoFocus={props.first} />;
    case "lines":
      return <Lines field={field} rows={(value as Values[] | undefined) ?? []} change={change} />;
    case "own":
      return <>{field.own!(value, change, props.values)}</>;
    default:
      return <TextInput {...shared} placeholder={field.example} value={typed} onChange={(event) => change(event.currentTarget.value)} maxLength={field.most ?? 200} />;
  }
}

function Lines(props: { field: Field; rows: Values[]; change: (rows: Values[]) => void }) {
  const { t } = useText();
  const { field, rows } = props;
  const set = (index: number, name: string, value: unknown) => props.change(rows.map((row, at) => (at === index ? { ...row, [name]: value } : row)));
  return (
    <fieldset className="bare">
      <div className="label">{t(field.label)}</div>
      {field.hint && <div className="tiny muted" style={{ marginBottom: 6 }}>{t(field.hint)}</div>}
      <div className="stack" style={{ gap: 8 }}>
        {rows.map((row, index) => (
          <div key={index} className="linebox">
            <div className="grow row wrap top" style={{ gap: 8 }}>
              {(field.lines ?? []).filter((one) => one.show?.(row) ?? true).map((one) => <div key={one.name} className={one.kind === "lines" || one.kind === "area" ? "whole" : one.kind === "pick" ? "wide" : one.half ? "slim" : "plainly"}><Input field={one} value={row[one.name]} values={row} first={false} change={(value) => set(index, one.name, value)} /></div>)}
            </div>
            <ActionIcon variant="subtle" color="red" aria-label={t("action.delete")} onClick={() => props.change(rows.filter((_, at) => at !== index))}><Trash2 size={15} /></ActionIcon>
          </div>
        ))}
      </div>
      <Button mt={8} size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => props.change([...rows, {}])}>{t(field.add ?? "form.add_row")}</Button>
    </fieldset>
  );
}
