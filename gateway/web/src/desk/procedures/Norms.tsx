/** What a version takes: people and minutes, parts, tools, permits; and what that costs, with the day of its prices. */
import { MultiSelect } from "@mantine/core";
import { Calculator, Gauge, Pencil, Plus, ShieldAlert, Trash2 } from "lucide-react";
import { useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import type { Field, Values } from "../../ui/Form";
import { CardBlock } from "../../ui/parts";
import { Notice } from "../../ui/states";
import { SKILLS } from "../people/common";
import { amount, money, PARTS } from "../stock/common";
import { words, type Step } from "../work/Checklist";
import { duration } from "../work/look";
import { permitName } from "./PermitCard";
import type { Permit } from "./permits";

type Item = { part_id: string; number: string; name_en: string; name_zh: string };
export type NormSet = { labour?: { skill: string | null; level: number; people: number; minutes: number }[]; parts?: (Item & { quantity: number; unit?: string })[]; tools?: (Item & { minutes: number })[]; permits?: Permit[]; currency?: string };
export type Cost = { labour: number; parts: number; tools: number; total: number; currency: string; on: string; complete: boolean; missing: { kind: string; of: string | null; why: string }[]; lines: { kind: string; of: string | null; quantity: number; unit: string; price: number; amount: number; basis: string }[] };
export type NormVersion = { id: string; number: number; state: string; steps: Step[]; note: string | null; norms: NormSet; standard_cost: Cost | null; version: number };
type Props = { procedure: { id: string }; version: NormVersion; edit: boolean };

const KINDS = ["electrical", "hot_work", "confined_space", "work_at_height", "lifting", "line_breaking", "pressure", "chemical", "radiation", "excavation", "cold_work", "other"];
const ENERGIES = ["electrical", "mechanical", "hydraulic", "pneumatic", "thermal", "chemical", "steam", "gravity", "stored", "other"];
const BY_CODE = { ...SKILLS, value: (row: any) => row.code as string };
const TOOLS = { ...PARTS, asked: { kind: "tool" } };

export function NormsCard(props: Props) {
  const text = useText();
  const { version, edit } = props;
  const { labour = [], parts = [], tools = [] } = version.norms;
  const total = labour.reduce((sum, one) => sum + one.people * one.minutes, 0);
  return (
    <CardBlock title={text.t("norm.title")} right={edit && <EditNorms {...props} />}>
      {labour.length + parts.length + tools.length === 0 && <div className="small muted">{text.t("norm.none")}</div>}
      {labour.map((one, at) => (
        <div key={`${one.skill}${at}`} className="row line small" style={{ gap: 10 }}>
          <span className="grow break">{one.skill ? text.t("norm.skill_from", { skill: one.skill, level: one.level }) : text.t("norm.anybody")}</span>
          <span className="num">{one.people > 1 ? `${one.people} × ` : ""}{duration(one.minutes, text)}</span>
        </div>
      ))}
      {labour.length > 1 && <div className="row small" style={{ gap: 10, fontWeight: 600, paddingTop: 6 }}><span className="grow">{text.t("norm.labour_total")}</span><span className="num">{duration(total, text)}</span></div>}
      {parts.map((one) => <Line key={one.part_id} item={one} value={amount(one.quantity, one.unit, text)} />)}
      {tools.map((one) => <Line key={one.part_id} item={one} value={duration(one.minutes, text)} />)}
    </CardBlock>
  );
}

function Line(props: { item: Item; value: string }) {
  const text = useText();
  return <div className="row line small" style={{ gap: 10 }}><span className="grow break">{permitName(props.item, text)} <span className="mono muted">{props.item.number}</span></span><span className="num">{props.value}</span></div>;
}

function EditNorms(props: Props) {
  const text = useText();
  const { norms } = props.version;
  const pick = (id: string | null, label: string | null) => (id ? { id, label: label ?? id } : null);
  const items = (rows: Item[] | undefined) => (rows ?? []).map((one) => ({ ...one, part_id: pick(one.part_id, `${one.number} · ${permitName(one, text)}`) }));
  const fields: Field[] = [
    { name: "labour", label: "norm.labour", kind: "lines", add: "norm.add_labour", lines: [{ name: "skill", label: "norm.skill", kind: "pick", of: BY_CODE }, { name: "level", label: "norm.level", kind: "integer", min: 1, max: 5 }, { name: "people", label: "norm.people", kind: "integer", min: 1, max: 100 }, { name: "minutes", label: "norm.minutes", kind: "integer", min: 1, required: true }] },
    { name: "parts", label: "norm.parts", kind: "lines", add: "norm.add_part", lines: [{ name: "part_id", label: "norm.part", kind: "pick", of: PARTS, required: true }, { name: "quantity", label: "norm.quantity", kind: "number", min: 0 }] },
    { name: "tools", label: "norm.tools", kind: "lines", add: "norm.add_tool", lines: [{ name: "part_id", label: "norm.tool", kind: "pick", of: TOOLS, required: true }, { name: "minutes", label: "norm.minutes", kind: "integer", min: 1, required: true }] },
    { name: "currency", label: "norm.currency", most: 3, half: true },
  ];
  const kept = (values: Values, name: string) => ((values[name] as Values[] | undefined) ?? []).map((row) => Object.fromEntries(["skill", "part_id", "level", "people", "minutes", "quantity"].filter((key) => row[key] !== undefined && row[key] !== null && row[key] !== "").map((key) => [key, typeof row[key] === "object" ? (row[key] as { id: string }).id : row[key]])));
  return (
    <FormButton small icon={Pencil} label={text.t("action.edit")} form={{
      ...toDraft(props), title: text.t("norm.title"), size: "xl", note: text.t("norm.hint"), fields,
      initial: { labour: (norms.labour ?? []).map((one) => ({ ...one, skill: pick(one.skill, one.skill) })), parts: items(norms.parts), tools: items(norms.tools), currency: norms.currency ?? "CNY" },
      body: (values) => bodyWith(props, { labour: kept(values, "labour"), parts: kept(values, "parts"), tools: kept(values, "tools"), currency: String(values.currency ?? "").toUpperCase() || "CNY" }),
    }} />
  );
}

const toDraft = (props: Props) => ({ path: `/procedures/${props.procedure.id}/draft`, now: `/procedures/${props.procedure.id}`, method: "PUT" as const, version: props.version.version, done: "form.saved" });

/** The draft with other norms: items by id, the names are the catalogue's. */
function bodyWith(props: Props, change: Record<string, unknown>) {
  const { norms } = props.version;
  const bare = { labour: norms.labour ?? [], parts: (norms.parts ?? []).map(({ part_id, quantity }) => ({ part_id, quantity })), tools: (norms.tools ?? []).map(({ part_id, minutes }) => ({ part_id, minutes })), permits: norms.permits ?? [], currency: norms.currency ?? "CNY" };
  return { steps: props.version.steps, note: props.version.note, norms: { ...bare, ...change } };
}

export function PermitsCard(props: Props) {
  const text = useText();
  const { version, edit } = props;
  const permits = version.norms.permits ?? [];
  if (permits.length === 0 && !edit) return null;
  const titles = (permit: Permit) => permit.steps.map((key) => version.steps.find((step) => step.key === key)).filter((step) => step !== undefined).map((step) => words(step, "title", text)).join(" · ");
  return (
    <CardBlock title={text.t("permit.title")} right={edit && <EditPermit {...props} at={permits.length} />}>
      {permits.length === 0 && <div className="small muted">{text.t("permit.none")}</div>}
      {permits.map((permit, at) => (
        <div key={permit.code} className="row top line" style={{ gap: 8 }}>
          <ShieldAlert size={16} style={{ flex: "none", marginTop: 2 }} aria-hidden />
          <div className="grow small" style={{ minWidth: 0 }}>
            <div className="break" style={{ fontWeight: 560 }}>{permitName(permit, text)}</div>
            <div className="tiny muted break">{[permit.code, text.code("permit_kind", permit.kind), permit.valid_hours ? text.t("permit.valid", { hours: permit.valid_hours }) : "", permit.steps.length ? titles(permit) : text.t("permit.all_steps")].filter(Boolean).join(" · ")}</div>
            {permit.points.map((point) => <div key={point.code} className="tiny break">{point.code} · {permitName(point, text)} · {text.code("permit_energy", point.energy)}</div>)}
          </div>
          {edit && <span className="row" style={{ gap: 4, flex: "none" }}><EditPermit {...props} at={at} /><ActButton small danger icon={Trash2} label={text.t("action.delete")} path={toDraft(props).path} method="PUT" version={version.version} body={bodyWith(props, { permits: permits.filter((_, index) => index !== at) })} /></span>}
        </div>
      ))}
    </CardBlock>
  );
}

function EditPermit(props: Props & { at: number }) {
  const text = useText();
  const { version, at } = props;
  const permits = version.norms.permits ?? [];
  const present = permits[at];
  const choose = (family: string, all: string[]) => all.map((value) => ({ value, label: text.code(family, value) }));
  const named: Field[] = [{ name: "name_en", label: "col.name_en", required: true, half: true, most: 200 }, { name: "name_zh", label: "col.name_zh", required: true, half: true, most: 200 }];
  const fields: Field[] = [
    { name: "code", label: "col.code", required: true, most: 40, example: "LOTO-01", half: true },
    { name: "kind", label: "permit.kind", kind: "select", options: choose("permit_kind", KINDS), required: true, half: true },
    ...named,
    { name: "valid_hours", label: "permit.valid_hours", kind: "integer", min: 1, max: 168, half: true },
    { name: "lock_out", label: "permit.lock_out", kind: "switch" },
    { name: "points", label: "permit.points", kind: "lines", add: "permit.add_point", show: (values) => values.lock_out === true, lines: [{ name: "code", label: "col.code", required: true, most: 40 }, ...named.map((one) => ({ ...one, half: undefined })), { name: "energy", label: "permit.energy", kind: "select", options: choose("permit_energy", ENERGIES), required: true }] },
    { name: "steps", label: "permit.steps", kind: "own", hint: "permit.steps_hint", own: (value, change) => <MultiSelect label={text.t("permit.steps")} description={text.t("permit.steps_hint")} data={version.steps.map((step) => ({ value: step.key, label: words(step, "title", text) }))} value={(value as string[] | undefined) ?? []} onChange={change} clearable /> },
  ];
  const body = (values: Values) => {
    const lock = values.lock_out === true;
    const made = { code: values.code, kind: values.kind, name_en: values.name_en, name_zh: values.name_zh, lock_out: lock, valid_hours: values.valid_hours ? Number(values.valid_hours) : null, points: lock ? (values.points ?? []) : [], steps: values.steps ?? [] };
    return bodyWith(props, { permits: present ? permits.map((one, index) => (index === at ? made : one)) : [...permits, made] });
  };
  return <FormButton small icon={present ? Pencil : Plus} label={text.t(present ? "action.edit" : "permit.add")} form={{ ...toDraft(props), title: text.t("permit.title"), size: "xl", note: text.t("permit.hint"), fields, initial: present ? { ...present } : { kind: "electrical", lock_out: true, points: [{ energy: "electrical" }], steps: [] }, body }} />;
}

export function CostCard(props: Props) {
  const text = useText();
  const me = useOutletContext<Me>();
  const { version } = props;
  if (!may(me, "price.read")) return null;
  const cost = version.standard_cost;
  const manage = may(me, "procedure.manage");
  const recount = manage && <FormButton small icon={Calculator} label={text.t("norm.count")} form={{ path: `/procedures/${props.procedure.id}/versions/${version.number}/standard-cost`, done: "form.saved", note: text.t("norm.count_hint"), fields: [{ name: "on", label: "norm.on", kind: "date" }] }} />;
  return (
    <CardBlock title={text.t("norm.cost")} right={recount}>
      {!cost && <div className="small muted">{text.t(version.state === "draft" ? "norm.cost_later" : "norm.cost_none")}</div>}
      {cost?.lines.map((one, at) => (
        <div key={`${one.kind}${one.of}${at}`} className="row wrap line small" style={{ gap: "2px 10px" }}>
          <span className="grow break">{text.code("norm_kind", one.kind)}{one.of ? ` · ${one.of}` : ""}</span>
          <span className="tiny muted num">{text.number(one.quantity, 2)} {one.unit === "h" ? "h" : text.code("part_unit", one.unit)} × {money(one.price, cost.currency, text)}</span>
          <b className="num">{money(one.amount, cost.currency, text)}</b>
          <span className="tiny muted break" style={{ flexBasis: "100%" }}>{basis(one.basis, text)}</span>
        </div>
      ))}
      {cost && <div className="row" style={{ paddingTop: 8, fontWeight: 640 }}><span className="grow">{text.t("norm.total")}</span><span className="num">{money(cost.total, cost.currency, text)}</span></div>}
      {cost && <div className="tiny muted row" style={{ gap: 6 }}><Gauge size={13} aria-hidden />{text.t("norm.as_of", { day: text.day(cost.on) })}</div>}
      {cost && !cost.complete && <Notice tone="watch">{text.t("norm.incomplete")} {cost.missing.map((one) => `${text.code("norm_kind", one.kind)}${one.of ? ` ${one.of}` : ""}: ${text.code("norm_why", one.why)}`).join("; ")}</Notice>}
    </CardBlock>
  );
}

const basis = (word: string, text: Text): string => (["labour_rate", "own", "mean_of_tools"].includes(word) ? text.code("norm_basis", word) : text.t("norm.from_book", { book: word }));
