/** Change what is known of a machine, its model's own fields among it; and say that what is normal begins anew. */
import { Pencil, RotateCcw } from "lucide-react";

import { useText, type Text } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import type { Field, Values } from "../../ui/Form";
import type { AssetLife, CustomField } from "./LifeTab";
import { MODELS, SITES } from "./look";

const KINDS = { text: "text", number: "number", date: "date", choice: "select", boolean: "switch" } as const;

const fieldOf = (field: CustomField, text: Text): Field => ({
  name: `custom.${field.key}`,
  label: (text.language === "zh" ? field.label_zh : field.label_en) || field.key, // no key of ours: shown as it is
  kind: KINDS[field.kind],
  required: field.required && field.kind !== "boolean",
  suffix: field.unit ?? undefined,
  min: field.minimum ?? undefined,
  max: field.maximum ?? undefined,
  half: true,
  options: field.choices?.map((one) => ({ value: one.value, label: text.language === "zh" ? one.zh : one.en })),
});

export function EditAsset(props: { asset: AssetLife }) {
  const text = useText();
  const { asset } = props;
  const own = (asset.custom_fields ?? []).map((field) => fieldOf(field, text));
  const model = asset.model ? ((text.language === "zh" && asset.model.name_zh) || asset.model.name_en) : "";
  const initial: Values = {
    name: asset.name,
    asset_model_id: asset.asset_model_id ? { id: asset.asset_model_id, label: model } : null,
    site_id: asset.site_id ? { id: asset.site_id, label: asset.site?.name ?? "" } : null,
    ...Object.fromEntries((asset.custom_fields ?? []).map((field) => [`custom.${field.key}`, asset.custom?.[field.key] ?? null])),
  };
  const fields: Field[] = [{ name: "name", label: "col.name", required: true }, { name: "asset_model_id", label: "col.model", kind: "pick", of: MODELS, half: true }, { name: "site_id", label: "col.site", kind: "pick", of: SITES, half: true }, ...own];
  const body = (values: Values) => {
    const idOf = (name: string) => (values[name] as { id: string } | null)?.id ?? null;
    const custom = Object.fromEntries((asset.custom_fields ?? []).map((field): [string, unknown] => [field.key, values[`custom.${field.key}`] === "" ? null : (values[`custom.${field.key}`] ?? null)]));
    return {
      ...(values.name !== asset.name ? { name: String(values.name).trim() } : {}),
      ...(idOf("asset_model_id") !== (asset.asset_model_id ?? null) ? { asset_model_id: idOf("asset_model_id") } : {}),
      ...(idOf("site_id") !== (asset.site_id ?? null) ? { site_id: idOf("site_id") } : {}),
      ...(own.length ? { custom: { ...asset.custom, ...custom } } : {}),
    };
  };
  return <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: asset.name, path: `/assets/${asset.id}`, method: "PATCH", version: asset.version, fields, initial, body, done: "form.saved", submit: text.t("action.save") }} />;
}

export function Rebaseline(props: { asset: string }) {
  const text = useText();
  return <FormButton small icon={RotateCcw} label={text.t("rebaseline.button")} form={{ title: text.t("rebaseline.title"), path: `/assets/${props.asset}/rebaseline`, note: text.t("rebaseline.note"), fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }], done: "rebaseline.done" }} />;
}
