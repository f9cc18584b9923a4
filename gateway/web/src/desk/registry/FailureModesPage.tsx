/** Failure modes: what can go wrong, in both languages, and which evidence tells it. */
import { ActionIcon, Button, TextInput } from "@mantine/core";
import { Plus, Stethoscope, Trash2 } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useRows } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { metricLabel } from "../../text/metrics";
import { ActButton, FormButton } from "../../ui/Act";
import { FormModal, type Field } from "../../ui/Form";
import { PageHead, useTitle } from "../../ui/parts";
import { Filters } from "../../ui/Filters";
import { Pick, type Chosen } from "../../ui/Pick";
import { Rows } from "../../ui/Rows";
import { Empty } from "../../ui/states";
import { MODELS } from "../assets/look";
import { KindTabs } from "./ModelTabs";

export type Match = { metric?: string | null; signature?: string | null; detector?: string | null };
export type Mode = { id: string; asset_model_id: string | null; code: string; name_en: string; name_zh: string; mechanism_en: string | null; mechanism_zh: string | null; matches: Match[]; rank: number };

export function FailureModesPage() {
  const text = useText();
  const [model, setModel] = useState<Chosen | null>(null);
  useTitle(text.t("nav.failure_modes"));
  return (
    <>
      <PageHead title={text.t("nav.failure_modes")} sub={text.t("modes.sub")} />
      <KindTabs />
      <Filters set={model ? 1 : 0}><div className="filter"><Pick of={MODELS} value={model} change={setModel} placeholder={text.t("col.model")} /></div></Filters>
      <FailureModes model={model?.id} />
    </>
  );
}

export function FailureModes(props: { model?: string; plain?: boolean }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const modes = useRows<Mode>("/failure-modes", { asset_model_id: props.model });
  const [open, setOpen] = useState<Mode | null>(null);
  const manage = may(me, "policy.manage");
  const add = manage ? <FormButton primary={!props.plain} small={props.plain} icon={Plus} label={text.t("modes.add")} form={{ path: "/failure-modes", size: "lg", fields: fields(text, true), initial: { rank: 100, matches: [{}], asset_model_id: null }, body: (values) => ({ ...bodyOf(values), code: values.code, asset_model_id: (values.asset_model_id as Chosen | null)?.id ?? props.model ?? null }) }} /> : undefined;
  return (
    <>
      {add && <div className="row" style={{ marginBottom: 12 }}>{add}</div>}
      <Rows
        of={modes}
        plain={props.plain}
        pick={manage ? setOpen : undefined}
        columns={[
          { label: "col.name", cell: (mode) => (text.language === "zh" ? mode.name_zh : mode.name_en) },
          { label: "col.code", cell: (mode) => <span className="mono">{mode.code}</span> },
          { label: "modes.mechanism", cell: (mode) => (text.language === "zh" ? mode.mechanism_zh : mode.mechanism_en) ?? <span className="faint">–</span> },
          { label: "modes.told_by", cell: (mode) => <span className="small">{mode.matches.map((match) => told(match, text)).join(text.language === "zh" ? "；" : "; ") || "–"}</span> },
          { label: "modes.for", cell: (mode) => text.t(mode.asset_model_id ? "modes.one_model" : "modes.any_model"), phone: "side" },
          { label: "modes.rank", num: true, cell: (mode) => mode.rank, phone: "hide" },
        ]}
        empty={<Empty icon={Stethoscope} bare={props.plain} sentence={text.t("modes.empty")} example={text.t("modes.example")} action={undefined} />}
      />
      {open && (
        <FormModal title={`${open.code} · ${text.language === "zh" ? open.name_zh : open.name_en}`} path={`/failure-modes/${open.id}`} method="PATCH" size="lg" fields={fields(text, false)} initial={{ ...open }} body={bodyOf} done="form.saved" close={() => setOpen(null)}
          note={<span className="row wrap"><span className="grow">{text.t("modes.keep_note")}</span><ActButton small danger icon={Trash2} label={text.t("action.delete")} path={`/failure-modes/${open.id}`} method="DELETE" after={() => setOpen(null)} /></span>} />
      )}
    </>
  );
}

function told(match: Match, text: Text): string {
  return [match.metric && metricLabel(match.metric, text.language), match.signature && `“${match.signature}”`, match.detector && text.code("detector", match.detector)].filter(Boolean).join(" + ");
}

const clean = (matches: Match[]): Match[] => matches.map((match) => Object.fromEntries(Object.entries(match).filter(([, word]) => typeof word === "string" && word.trim())) as Match).filter((match) => Object.keys(match).length > 0);

const bodyOf = (values: Record<string, unknown>) => ({ name_en: values.name_en, name_zh: values.name_zh, mechanism_en: values.mechanism_en || null, mechanism_zh: values.mechanism_zh || null, rank: Number(values.rank ?? 100), matches: clean((values.matches as Match[]) ?? []) });

const fields = (text: Text, fresh: boolean): Field[] => [
  ...(fresh ? ([{ name: "code", label: "col.code", hint: "modes.code_hint", required: true, half: true, most: 100, example: "bearing_wear" }, { name: "asset_model_id", label: "col.model", hint: "modes.model_hint", kind: "pick", of: MODELS, half: true }] as Field[]) : []),
  { name: "name_en", label: "col.name_en", required: true, half: true },
  { name: "name_zh", label: "col.name_zh", required: true, half: true },
  { name: "mechanism_en", label: "modes.mechanism_en", half: true, most: 500 },
  { name: "mechanism_zh", label: "modes.mechanism_zh", half: true, most: 500 },
  { name: "rank", label: "modes.rank", hint: "modes.rank_hint", kind: "integer", min: 0, max: 10_000 },
  { name: "matches", label: "modes.told_by", kind: "own", own: (value, change) => <Matches matches={(value as Match[]) ?? []} change={change} text={text} /> },
];

function Matches(props: { matches: Match[]; change: (matches: Match[]) => void; text: Text }) {
  const { matches, text } = props;
  const set = (index: number, more: Match) => props.change(matches.map((one, at) => (at === index ? { ...one, ...more } : one)));
  return (
    <div>
      <div className="label">{text.t("modes.told_by")}</div>
      <div className="tiny muted" style={{ marginBottom: 6 }}>{text.t("modes.told_hint")}</div>
      <div className="stack" style={{ gap: 8 }}>
        {matches.map((match, index) => (
          <div key={index} className="row" style={{ gap: 8 }}>
            {(["metric", "signature", "detector"] as const).map((word) => <TextInput key={word} className="grow" aria-label={text.t(`modes.match.${word}`)} placeholder={text.t(`modes.match.${word}`)} value={match[word] ?? ""} onChange={(event) => set(index, { [word]: event.currentTarget.value })} maxLength={200} />)}
            <ActionIcon variant="subtle" color="red" aria-label={text.t("action.delete")} onClick={() => props.change(matches.filter((_, at) => at !== index))}><Trash2 size={15} /></ActionIcon>
          </div>
        ))}
      </div>
      <Button mt={8} size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => props.change([...matches, {}])}>{text.t("modes.add_match")}</Button>
    </div>
  );
}
