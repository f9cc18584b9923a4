/** Warranty terms: versions that are never edited, each with its clauses in words and in rules. */
import { Plus, ScrollText } from "lucide-react";
import { useNavigate, useOutletContext, useParams } from "react-router";

import { newKey } from "../../api/client";
import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field, Values } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Bones, Loaded } from "../../ui/states";
import { MODELS } from "../assets/look";
import { clausesOf, clauseText, metersText, scopeText, termsName } from "./look";
import type { Clause, Start, Terms } from "./types";
import { WarrantyTabs } from "./WarrantyTabs";

const KINDS = ["warranty", "statutory", "goodwill"];
const FACT_WORDS = ["invoice", "purchase", "delivery", "installation", "commissioning", "registration", "production", "contract"];

export function TermsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const add = may(me, "warranty.manage") ? <EditTerms label={text.t("terms.add")} /> : undefined;
  return (
    <ListPage<Terms>
      title={text.t("warranty.tab.terms")}
      sub={text.t("terms.sub")}
      tabs={<WarrantyTabs />}
      path="/warranty-terms"
      asked={{ current: true }}
      search="terms.search"
      exports="warranty-terms"
      filters={[{ name: "asset_model_id", label: "col.model", of: MODELS }]}
      columns={[
        { label: "col.name", cell: (row) => termsName(row, text) },
        { label: "col.code", cell: (row) => <span className="mono">{row.code} v{row.version}</span> },
        { label: "col.kind", cell: (row) => text.code("terms_kind", row.kind) },
        { label: "col.model", cell: (row) => (row.asset_model ? termsName(row.asset_model, text) : text.t("terms.all_models")) },
        { label: "terms.sold", phone: "hide", cell: (row) => soldText(row, text) },
        { label: "terms.clauses", num: true, phone: "named", cell: (row) => row.clauses.length },
        { label: "col.state", phone: "side", cell: (row) => <Chip tone={row.withdrawn_at ? "quiet" : "ok"} small>{text.t(row.withdrawn_at ? "terms.withdrawn" : "terms.in_force")}</Chip> },
      ]}
      to={(row) => `/warranties/terms/${row.id}`}
      right={add}
      empty={{ icon: ScrollText, sentence: "terms.empty", example: "terms.example", action: add }}
    />
  );
}

const start = (one: Start, text: Text): string => `${text.code("warranty_fact", one.fact)}${one.plus_months ? ` + ${text.t("terms.months", { count: one.plus_months })}` : ""}${one.plus_days ? ` + ${text.t("terms.days", { count: one.plus_days })}` : ""}`;

/** How long, from when, up to which meter: the rule of a clause in one line. */
export function ruleText(clause: Clause, text: Text): string {
  const span = [clause.months ? text.t("terms.months", { count: clause.months }) : "", clause.days ? text.t("terms.days", { count: clause.days }) : ""].filter(Boolean).join(" ");
  const from = clause.begins?.length ? text.t("terms.from", { fact: clause.begins.map((one) => start(one, text)).join(text.language === "zh" ? "，否则" : ", else ") }) : "";
  const at = clause.at_latest ? text.t("terms.at_latest", { fact: start(clause.at_latest, text) }) : "";
  return [span, from, at, metersText(clause.meters ?? [], text), clause.share_percent < 100 ? `${text.number(clause.share_percent, 0)}%` : "", clause.regions?.join(", "), clause.causes_excluded?.length ? text.t("terms.except", { causes: clause.causes_excluded.map((word) => text.code("cause", word)).join(", ") }) : "", clause.replacement?.rule ? text.code("replacement_rule", clause.replacement.rule) : ""].filter(Boolean).join(" · ");
}

export function ClauseRow(props: { clause: Clause }) {
  const text = useText();
  const { clause } = props;
  return (
    <div className="line">
      <div className="row wrap" style={{ gap: 8 }}><Chip tone={clause.kind === "exclusion" ? "trouble" : clause.kind === "remedy" ? "learning" : "ok"} small>{text.code("clause_kind", clause.kind)}</Chip><span className="grow" style={{ fontWeight: 600 }}>{scopeText({ ...clause }, text)}</span></div>
      <div className="clause break">“{clauseText(clause, text)}”</div>
      <div className="small muted break" style={{ marginTop: 4 }}>{ruleText(clause, text)}</div>
    </div>
  );
}

export function TermPage() {
  const { id = "" } = useParams();
  const text = useText();
  const me = useOutletContext<Me>();
  const terms = useOne<Terms>(`/warranty-terms/${id}`);
  useTitle(terms.data?.code);
  return (
    <Loaded of={terms} skeleton={<Bones rows={8} />}>
      {(data) => (
        <>
          <PageHead back={{ to: "/warranties/terms", label: text.t("warranty.tab.terms") }} title={termsName(data, text)} marks={<Chip tone={data.withdrawn_at ? "quiet" : "ok"} small>{text.t(data.withdrawn_at ? "terms.withdrawn" : "terms.in_force")}</Chip>} sub={<span className="mono">{data.code} v{data.version}</span>} right={may(me, "warranty.manage") && <><EditTerms terms={data} label={text.t("terms.next_version")} />{!data.withdrawn_at && <FormButton danger label={text.t("terms.withdraw")} form={{ path: `/warranty-terms/${data.id}/withdraw`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }] }} />}</>} />
          <div className="two">
            <div><CardBlock title={text.t("terms.clauses")}>{clausesOf(data).map((clause) => <ClauseRow key={clause.id} clause={clause} />)}</CardBlock></div>
            <div><CardBlock title={text.t("asset.about")}><Facts rows={[[text.t("col.kind"), text.code("terms_kind", data.kind)], [text.t("col.model"), data.asset_model ? termsName(data.asset_model, text) : text.t("terms.all_models")], [text.t("terms.regions"), data.regions.join(", ") || "–"], [text.t("terms.sold"), soldText(data, text)], [text.t("terms.payer"), text.code("payer", data.payer)], [text.t("terms.precedence"), data.precedence]]} /></CardBlock></div>
          </div>
        </>
      )}
    </Loaded>
  );
}

export const clauseFields = (text: Text): Field[] => [
  { name: "kind", label: "col.kind", kind: "select", required: true, options: ["cover", "exclusion", "remedy"].map((word) => ({ value: word, label: text.code("clause_kind", word) })) },
  { name: "scope", label: "terms.scope", kind: "words", example: "labour, parts, travel" },
  { name: "components", label: "terms.components", kind: "words" },
  { name: "months", label: "terms.month_count", kind: "integer", min: 0, max: 600, half: true },
  { name: "days", label: "terms.day_count", kind: "integer", min: 0, max: 20_000, half: true },
  { name: "share_percent", label: "terms.share", kind: "number", min: 0, max: 100, half: true },
  { name: "begins", label: "terms.begins", kind: "lines", lines: [{ name: "fact", label: "terms.fact", kind: "select", required: true, options: FACT_WORDS.map((word) => ({ value: word, label: text.code("warranty_fact", word) })) }, { name: "plus_months", label: "terms.month_count", kind: "integer", half: true }] },
  { name: "meters", label: "terms.meters", kind: "lines", lines: [{ name: "meter", label: "col.meter", required: true, example: "running_hours" }, { name: "limit", label: "terms.limit", kind: "number", required: true, half: true }] },
  { name: "regions", label: "terms.regions", kind: "words", example: "CN, DE" },
  { name: "causes_excluded", label: "terms.causes_excluded", kind: "words" },
  { name: "remedies", label: "terms.remedies", kind: "words", example: "repair, replace, refund", show: (row) => row.kind === "remedy" },
  { name: "replacement_rule", label: "terms.replacement", kind: "select", options: ["inherit", "restart", "longer"].map((word) => ({ value: word, label: text.code("replacement_rule", word) })) },
  { name: "text_en", label: "terms.text_en", kind: "area", required: true },
  { name: "text_zh", label: "terms.text_zh", kind: "area", required: true },
];

/** What the form holds of a clause, and what is sent of it; what the form does not show goes along unchanged. */
export const clauseRow = (clause: Clause): Values => ({ ...clause, replacement_rule: clause.replacement?.rule ?? null });
export function clauseBody(row: Values): Values {
  const { replacement_rule: rule, ...rest } = row;
  const held = rest.replacement as Record<string, unknown> | null | undefined;
  const number = (value: unknown) => (value === "" || value === null || value === undefined ? null : Number(value));
  // A clause keeps its id through all versions: verdicts name it.
  return { ...rest, id: rest.id ?? newKey(), months: number(rest.months), days: number(rest.days), share_percent: number(rest.share_percent) ?? 100, begins: ((rest.begins as Values[] | undefined) ?? []).filter((one) => one.fact).map((one) => ({ ...one, plus_months: number(one.plus_months) ?? 0 })), meters: ((rest.meters as Values[] | undefined) ?? []).filter((one) => one.meter), ...(rule ? { replacement: { ...held, rule } } : {}) };
}

function EditTerms(props: { terms?: Terms; label: string }) {
  const text = useText();
  const navigate = useNavigate();
  const { terms } = props;
  const fields: Field[] = [
    { name: "code", label: "col.code", required: true, half: true, most: 60 },
    { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: KINDS.map((word) => ({ value: word, label: text.code("terms_kind", word) })) },
    { name: "name_en", label: "col.name_en", required: true, half: true },
    { name: "name_zh", label: "col.name_zh", required: true, half: true },
    { name: "asset_model_id", label: "col.model", kind: "pick", of: MODELS, half: true },
    { name: "payer", label: "terms.payer", kind: "select", required: true, half: true, options: ["manufacturer", "dealer", "operator"].map((word) => ({ value: word, label: text.code("payer", word) })) },
    { name: "sold_from", label: "terms.sold_from", kind: "date", half: true },
    { name: "sold_to", label: "terms.sold_to", kind: "date", half: true },
    { name: "regions", label: "terms.regions", kind: "words", half: true },
    { name: "precedence", label: "terms.precedence", hint: "terms.precedence_hint", kind: "integer", half: true },
    { name: "clauses", label: "terms.clauses", kind: "lines", add: "terms.add_clause", lines: clauseFields(text) },
  ];
  const initial: Values = terms ? { ...terms, asset_model_id: terms.asset_model ? { id: terms.asset_model.id, label: termsName(terms.asset_model, text) } : null, clauses: clausesOf(terms).map(clauseRow) } : { kind: "warranty", payer: "manufacturer", precedence: 100, clauses: [{ kind: "cover", scope: ["labour", "parts"], share_percent: 100, begins: [{ fact: "purchase" }] }] };
  const body = (values: Values) => ({ code: values.code, kind: values.kind, name_en: values.name_en, name_zh: values.name_zh, asset_model_id: (values.asset_model_id as { id: string } | null)?.id ?? null, payer: values.payer, sold_from: values.sold_from || null, sold_to: values.sold_to || null, regions: values.regions ?? [], precedence: Number(values.precedence ?? 100), clauses: (values.clauses as Values[]).map(clauseBody) });
  return <FormButton primary icon={Plus} label={props.label} form={{ path: "/warranty-terms", size: "xl", fields, initial, body, note: text.t("terms.version_note"), after: (made: { id: string }) => void navigate(`/warranties/terms/${made.id}`) }} />;
}

/** For sales of which days; without any bound that is said in a word. */
function soldText(one: { sold_from: string | null; sold_to: string | null }, text: Text): string {
  if (!one.sold_from && !one.sold_to) return text.t("terms.always");
  return `${one.sold_from ? text.day(one.sold_from) : "…"} – ${one.sold_to ? text.day(one.sold_to) : "…"}`;
}
