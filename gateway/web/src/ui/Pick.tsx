/** Choose one of many: asks the server for what was typed, so that a hundred thousand rows are no burden. */
import { Loader, Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";

import { useList, type Asked } from "../api/rows";
import { useText } from "../i18n/useText";
import type { Language } from "../api/types";

/** `local`: a short list that does not look for what is typed itself. */
export type Source = { path: string; asked?: Asked; label?: (row: any, language: Language) => string; value?: (row: any) => string; local?: boolean };
export type Chosen = { id: string; label: string };

const MOST = 30;

/** Number, serial and name of whatever row it is, in the reader's language. */
export function named(row: Record<string, unknown>, language: Language): string {
  const name = (language === "zh" && row.name_zh) || row.name || row.name_en || row.name_zh || row.title || row.label || "";
  const key = row.number ?? row.serial ?? row.code ?? "";
  return [...new Set([key, name].filter((part) => typeof part === "string" && part))].join(" · ") || String(row.id ?? "");
}

export function Pick(props: { of: Source; value: Chosen | null; change: (chosen: Chosen | null, row?: Record<string, unknown>) => void; label?: string; placeholder?: string; required?: boolean; hint?: string; error?: string; disabled?: boolean; autoFocus?: boolean }) {
  const text = useText();
  const { of, value } = props;
  const [typed, setTyped] = useState(value?.label ?? "");
  const [asked] = useDebouncedValue(typed, 250);
  const sought = asked === value?.label ? "" : asked.trim();
  const found = useList<Record<string, unknown> & { id: string }>(of.path, { ...of.asked, q: of.local ? undefined : sought || undefined, limit: of.local ? 200 : MOST }, !props.disabled);
  const say = (row: Record<string, unknown>) => (of.label ? of.label(row, text.language) : named(row, text.language));
  const keyOf = (row: Record<string, unknown>) => (of.value ? of.value(row) : String(row.id));
  const options = (found.data?.items ?? []).map((row) => ({ value: keyOf(row), label: say(row) }));
  if (value && !options.some((one) => one.value === value.id)) options.unshift({ value: value.id, label: value.label });
  const once = [...new Map(options.map((one) => [one.value, one])).values()];
  return (
    <Select
      label={props.label}
      description={props.hint}
      error={props.error}
      placeholder={props.placeholder ?? text.t("list.type_to_find")}
      withAsterisk={props.required}
      disabled={props.disabled}
      data-autofocus={props.autoFocus || undefined}
      searchable
      clearable={!props.required}
      data={once}
      // What the server found is shown as it is: it also looks at what the label does not say.
      filter={({ options: all, search }) => (of.local && search.trim() && search !== value?.label ? all.filter((one) => "label" in one && one.label.toLowerCase().includes(search.toLowerCase())) : all)}
      value={value?.id ?? null}
      searchValue={typed}
      onSearchChange={setTyped}
      onChange={(id) => {
        const row = found.data?.items.find((one) => keyOf(one) === id);
        props.change(id ? { id, label: once.find((one) => one.value === id)?.label ?? id } : null, row);
      }}
      nothingFoundMessage={found.error ? text.t("error.unreachable") : found.isFetching ? text.t("list.looking") : text.t("list.nothing")}
      rightSection={found.isFetching ? <Loader size={14} /> : undefined}
      maxDropdownHeight={280}
      comboboxProps={{ withinPortal: true }}
    />
  );
}
