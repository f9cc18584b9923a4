/** The fields of a policy in words: what a value means, and which one holds when none is set. */
import type { Field, Policies, Settings, Value } from "../../api/policies";
import { duration } from "../../i18n/format";
import type { Text } from "../../i18n/useText";

export const EVERY = "all"; // the settings that hold for every kind without one of its own

export function fieldValue(field: Field, value: unknown, text: Text): string {
  if (value === null || value === undefined) return text.t("policies.never");
  if (field.kind === "switch" || typeof value === "boolean") return text.t(value ? "value.yes" : "value.no");
  if (Array.isArray(value)) return value.length === 0 ? text.t("policies.none") : value.map((word) => text.code("mode", String(word))).join(", ");
  if (typeof value !== "number") return String(value);
  if (field.kind === "seconds") return value === 0 ? text.t("policies.at_once") : duration(value, text.language);
  return field.name === "min_confidence" ? text.percent(value) : text.number(value);
}

/** What is set for this kind itself; undefined where a wider setting holds. */
export function own(settings: Settings, kind: string, name: string): Value | undefined {
  const place = kind === EVERY ? settings : ((settings.kinds as Record<string, Record<string, Value>> | undefined)?.[kind] ?? {});
  return (place as Record<string, Value | undefined>)[name];
}

/** A copy with the value set, or taken out when undefined. */
export function put(settings: Settings, kind: string, name: string, value: Value | undefined): Settings {
  if (kind === EVERY) return without({ ...settings, [name]: value });
  const kinds = (settings.kinds ?? {}) as Record<string, Record<string, Value | undefined>>;
  const changed = without({ ...kinds[kind], [name]: value });
  const others = { ...kinds, [kind]: changed };
  if (Object.keys(changed).length === 0) delete others[kind];
  return without({ ...settings, kinds: Object.keys(others).length ? others : undefined } as Settings);
}

function without<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** What holds when this kind sets nothing itself. */
export function inherited(page: Policies, settings: Settings, kind: string, field: Field, text: Text): string {
  if (kind !== EVERY) {
    const wider = own(settings, EVERY, field.name);
    return fieldValue(field, wider === undefined ? page.defaults[kind]?.[field.name] : wider, text);
  }
  const said = Object.entries(page.defaults).map(([word, values]) => [word, fieldValue(field, values[field.name], text)] as const);
  const first = said[0]?.[1] ?? "–";
  if (said.every(([, value]) => value === first)) return first;
  return said.map(([word, value]) => `${text.code("kind", word)} ${value}`).join(" · ");
}
