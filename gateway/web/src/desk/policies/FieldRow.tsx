/** One field of a policy: what it does, the value in force, and a value of its own when one is wanted. */
import { Button, NumberInput, SegmentedControl, TagsInput } from "@mantine/core";
import { RotateCcw } from "lucide-react";

import type { Field, Value } from "../../api/policies";
import { useText } from "../../i18n/useText";
import { DurationInput } from "./DurationInput";

type Props = { field: Field; value: Value | undefined; fallback: string; start: unknown; disabled: boolean; change: (value: Value | undefined) => void };

export function FieldRow(props: Props) {
  const text = useText();
  const { field, value } = props;
  const label = text.code("policy.field", field.name);
  const hint = `policy.hint.${field.name}`;
  return (
    <div className="field-row">
      <div className="grow" style={{ flexBasis: 240 }}>
        <div style={{ fontWeight: 560 }}>{label}</div>
        {text.has(hint) && <div className="tiny muted">{text.t(hint)}</div>}
      </div>
      {value === undefined ? (
        <div className="row" style={{ gap: 10 }}>
          <span className="small muted">{text.t("policies.default", { value: props.fallback })}</span>
          {!props.disabled && <Button size="compact-sm" variant="default" aria-label={text.t("policies.set_field", { name: label })} onClick={() => props.change(first(field, props.start))}>{text.t("policies.set")}</Button>}
        </div>
      ) : (
        <fieldset disabled={props.disabled} className="row bare" style={{ gap: 8 }}>
          <Input {...props} value={value} label={label} />
          {!props.disabled && <Button size="compact-sm" variant="subtle" px={6} aria-label={text.t("policies.unset_field", { name: label })} title={text.t("policies.unset")} onClick={() => props.change(undefined)}><RotateCcw size={15} /></Button>}
        </fieldset>
      )}
    </div>
  );
}

/** A value to begin with: the default, or what is lowest where the default is none. */
function first(field: Field, start: unknown): Value {
  if (start !== null && start !== undefined) return start as Value;
  if (field.nullable) return field.kind === "seconds" ? 86_400 : (field.low ?? 0);
  return field.kind === "switch" ? true : field.kind === "words" ? [] : (field.low ?? 0);
}

function Input(props: Props & { value: Value; label: string }) {
  const text = useText();
  const { field, value, change, label } = props;
  if (field.kind === "switch")
    return <SegmentedControl size="xs" aria-label={label} value={value ? "yes" : "no"} onChange={(word) => change(word === "yes")} data={["yes", "no"].map((word) => ({ value: word, label: text.t(`value.${word}`) }))} />;
  if (field.kind === "words") return <TagsInput aria-label={label} value={Array.isArray(value) ? value : []} onChange={change} maxTags={20} style={{ width: 230 }} />;
  if (value === null) return <Button size="compact-sm" variant="default" onClick={() => change(first({ ...field, nullable: true }, null))}>{text.t("policies.never")}</Button>;
  return (
    <>
      {field.kind === "seconds" ? (
        <DurationInput label={label} seconds={Number(value)} low={field.low} high={field.high} change={change} />
      ) : (
        <NumberInput aria-label={label} value={Number(value)} min={field.low ?? undefined} max={field.high ?? undefined} step={field.high !== null && field.high <= 1 ? 0.05 : 1} onChange={(typed) => typed !== "" && change(Number(typed))} style={{ width: 110 }} />
      )}
      {field.nullable && <Button size="compact-sm" variant="subtle" onClick={() => change(null)}>{text.t("policies.never")}</Button>}
    </>
  );
}
