/** One procedure: its published steps, the draft that comes next, what work gets it, and all its versions. */
import { ActionIcon, Button, SegmentedControl } from "@mantine/core";
import { Archive, ArrowDown, ArrowUp, Download, GitBranch, Link2, OctagonMinus, Pencil, Plus, Send, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { Link, useOutletContext, useParams } from "react-router";

import { api } from "../../api/client";
import { may, useOne, useSend } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { ActButton, FormButton, REASON } from "../../ui/Act";
import { Chip, WorkChip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { MODELS } from "../assets/look";
import { limits, words, type Condition, type Step } from "../work/Checklist";
import { FAILURE_MODES, SERVICE_TYPES } from "../work/look";
import { CostCard, NormsCard, PermitsCard, type NormVersion } from "./Norms";
import { StepForm } from "./StepForm";
import type { ProcedureRow } from "./ProceduresPage";

type Origin = { work_order_id: string | null; number: string; facts: Record<string, number> };
type Version = NormVersion & { created_at: string; published_at: string | null; withdrawn_at: string | null; withdrawn_reason: string | null; origin: Origin | null };
type Use = { run_id: string; work_order_id: string; number: string; state: string; version_number: number; stopped_at: string | null };
type LinkOf = { asset_model_id: string | null; failure_mode_id: string | null; service_type_id: string | null; asset_model: string | null; failure_mode: string | null; service_type: string | null };
type Procedure = ProcedureRow & { description_en: string; description_zh: string; links: LinkOf[]; versions: Version[] };

export function ProcedurePage() {
  const { id = "" } = useParams();
  const found = useOne<Procedure>(`/procedures/${id}`);
  return <Loaded of={found} skeleton={<Bones rows={9} />}>{(data) => <Sop procedure={data} />}</Loaded>;
}

function Sop(props: { procedure: Procedure }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const { procedure } = props;
  const manage = may(me, "procedure.manage");
  const published = procedure.versions.find((one) => one.state === "published");
  const draft = procedure.versions.find((one) => one.state === "draft");
  const [number, setNumber] = useState<number | null>(null);
  const shown = procedure.versions.find((one) => one.number === number) ?? draft ?? published ?? procedure.versions[0];
  const last = procedure.versions[0];
  useTitle(words(procedure, "name", text));
  const path = `/procedures/${procedure.id}`;
  return (
    <>
      <PageHead
        back={{ to: "/procedures", label: text.t("nav.procedures") }}
        title={words(procedure, "name", text)}
        over={<span className="mono">{procedure.code}</span>}
        sub={<span className="row wrap" style={{ gap: 8, marginTop: 4 }}>{procedure.retired_at ? <Chip small tone="quiet">{text.t("sop.retired")}</Chip> : published ? <Chip small tone="ok">{text.t("sop.published_as", { number: published.number })}</Chip> : <Chip small tone="watch">{text.t("sop.unpublished")}</Chip>}{words(procedure, "description", text) && <span className="small muted break">{words(procedure, "description", text)}</span>}</span>}
        right={manage && <>
          {draft && !procedure.retired_at && draft.steps.length > 0 && <ActButton primary icon={Send} label={text.t("sop.publish", { number: draft.number })} path={`${path}/publish`} version={procedure.version} done="sop.was_published" after={() => setNumber(null)} />}
          <FormButton icon={Pencil} label={text.t("action.edit")} form={{ path, method: "PATCH", version: procedure.version, done: "form.saved", initial: { ...procedure }, fields: [{ name: "name_en", label: "col.name_en", required: true, half: true }, { name: "name_zh", label: "col.name_zh", required: true, half: true }, { name: "description_en", label: "sop.description_en", kind: "area", most: 4000 }, { name: "description_zh", label: "sop.description_zh", kind: "area", most: 4000 }] }} />
          {published && !procedure.retired_at && <FormButton danger icon={OctagonMinus} label={text.t("sop.withdraw")} form={{ path: `${path}/withdraw`, version: procedure.version, done: "sop.was_withdrawn", note: text.t("sop.withdraw_hint"), danger: true, fields: [REASON, { name: "stop", label: "sop.withdraw_stop", kind: "switch" }] }} />}
          {(published ?? draft) && <Button variant="default" leftSection={<Download size={16} />} onClick={() => void carry(procedure)}>{text.t("sop.carry_out")}</Button>}
          <ActButton icon={Archive} label={text.t(procedure.retired_at ? "sop.restore" : "sop.retire")} path={path} method="PATCH" body={{ retired: !procedure.retired_at }} version={procedure.version} />
        </>}
      />
      <div className="two">
        <div>
          {procedure.versions.length > 1 && <SegmentedControl value={String(shown?.number ?? "")} onChange={(value) => setNumber(Number(value))} data={procedure.versions.slice(0, 6).map((one) => ({ value: String(one.number), label: `v${one.number} · ${text.code("sop_state", one.state)}` }))} style={{ alignSelf: "flex-start", maxWidth: "100%", overflowX: "auto" }} />}
          {shown && <Steps key={`${shown.id}.${shown.version}`} procedure={procedure} version={shown} edit={manage && shown.state === "draft" && !procedure.retired_at} />}
          {shown?.state === "withdrawn" && <Notice tone="trouble" icon={OctagonMinus}>{text.t("sop.withdrawn_note", { number: shown.number, reason: shown.withdrawn_reason ?? "" })}</Notice>}
          {shown?.origin && <OriginLine origin={shown.origin} />}
          {manage && !draft && !published && last && !procedure.retired_at && <div className="row"><ActButton icon={GitBranch} label={text.t("sop.next_version")} path={`${path}/draft`} method="PUT" body={{ steps: last.steps, norms: bare(last) }} after={() => setNumber(null)} /></div>}
          {manage && !draft && published && !procedure.retired_at && <div className="row"><ActButton icon={GitBranch} label={text.t("sop.next_version")} path={`${path}/draft`} method="PUT" body={{ steps: published.steps }} after={() => setNumber(null)} /></div>}
        </div>
        <div>
          {shown && <NormsCard key={`n${shown.id}.${shown.version}`} procedure={procedure} version={shown} edit={manage && shown.state === "draft" && !procedure.retired_at} />}
          {shown && <PermitsCard key={`p${shown.id}.${shown.version}`} procedure={procedure} version={shown} edit={manage && shown.state === "draft" && !procedure.retired_at} />}
          {shown && <CostCard procedure={procedure} version={shown} edit={false} />}
          {manage && <Uses procedure={procedure} />}
          <CardBlock title={text.t("sop.for")} right={manage && <Links procedure={procedure} />}>
            {procedure.links.length === 0 ? <div className="small muted">{text.t("sop.for_none")}</div> : procedure.links.map((link) => <div key={`${link.asset_model_id}${link.failure_mode_id}${link.service_type_id}`} className="line small break">{[link.asset_model, link.failure_mode, link.service_type].filter(Boolean).join(" + ")}</div>)}
          </CardBlock>
          <CardBlock title={text.t("sop.versions")}>
            {procedure.versions.map((one) => (
              <div key={one.id} className="row wrap line small" style={{ gap: "2px 10px" }}>
                <b>v{one.number}</b><span className="grow muted">{text.code("sop_state", one.state)}</span><span className="muted">{text.day(one.published_at ?? one.created_at)}</span>
                {one.note && <span className="tiny muted break" style={{ flexBasis: "100%" }}>{one.note}</span>}
              </div>
            ))}
          </CardBlock>
        </div>
      </div>
    </>
  );
}

/** A version's norms as they are sent: items by id. */
const bare = (version: Version) => ({ ...version.norms, parts: (version.norms.parts ?? []).map(({ part_id, quantity }) => ({ part_id, quantity })), tools: (version.norms.tools ?? []).map(({ part_id, minutes }) => ({ part_id, minutes })) });

/** Save the procedure as a file that another Forewarn takes. */
async function carry(procedure: Procedure) {
  const file = await api<object>(`/procedures/${procedure.id}/file`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }));
  link.download = `${procedure.code}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function OriginLine(props: { origin: Origin }) {
  const text = useText();
  const { origin } = props;
  return <div className="small muted">{text.t("sop.made_from")} {origin.work_order_id ? <Link className="link" to={`/work-orders/${origin.work_order_id}`}>{origin.number}</Link> : origin.number} · {Object.entries(origin.facts).filter(([, count]) => count > 0).map(([what, count]) => text.t(`sop.gave.${what}`, { count })).join(" · ")}</div>;
}

function Uses(props: { procedure: Procedure }) {
  const text = useText();
  const uses = useOne<{ items: Use[]; next: string | null }>(`/procedures/${props.procedure.id}/in-use`);
  const items = uses.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <CardBlock title={text.t("sop.in_use", { count: `${items.length}${uses.data?.next ? "+" : ""}` })}>
      {items.slice(0, 8).map((one) => <div key={one.run_id} className="row line small" style={{ gap: 10 }}><Link className="link mono-num grow" to={`/work-orders/${one.work_order_id}/checklist`}>{one.number}</Link><span className="muted">v{one.version_number}</span>{one.stopped_at ? <Chip small tone="trouble">{text.t("sop.stopped_short")}</Chip> : <WorkChip state={one.state} small />}</div>)}
    </CardBlock>
  );
}

function Links(props: { procedure: Procedure }) {
  const text = useText();
  const { procedure } = props;
  const chosen = (id: string | null, label: string | null) => (id ? { id, label: label ?? id } : null);
  return (
    <FormButton small icon={Link2} label={text.t("action.edit")} form={{
      path: `/procedures/${procedure.id}`, method: "PATCH", version: procedure.version, title: text.t("sop.for"), size: "xl", done: "form.saved", note: text.t("sop.for_hint"),
      initial: { links: procedure.links.map((link) => ({ asset_model_id: chosen(link.asset_model_id, link.asset_model), failure_mode_id: chosen(link.failure_mode_id, link.failure_mode), service_type_id: chosen(link.service_type_id, link.service_type) })) },
      fields: [{ name: "links", label: "sop.for", kind: "lines", add: "sop.add_link", lines: [{ name: "asset_model_id", label: "col.model", kind: "pick", of: MODELS }, { name: "failure_mode_id", label: "sop.failure_mode", kind: "pick", of: FAILURE_MODES }, { name: "service_type_id", label: "work.service_type", kind: "pick", of: SERVICE_TYPES }] }],
    }} />
  );
}

function Steps(props: { procedure: Procedure; version: Version; edit: boolean }) {
  const text = useText();
  const send = useSend();
  const { version, edit } = props;
  const [steps, setSteps] = useState<Step[]>(version.steps);
  const [open, setOpen] = useState<number | null>(null);
  const dirty = JSON.stringify(steps) !== JSON.stringify(version.steps);
  useEffect(() => {
    if (!dirty) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [dirty]);
  const move = (at: number, by: number) => setSteps((held) => { const next = [...held]; const [one] = next.splice(at, 1); next.splice(at + by, 0, one!); return next; });
  const put = (at: number, step: Step) => { setSteps((held) => (at < held.length ? held.map((one, index) => (index === at ? step : one)) : [...held, step])); setOpen(null); };
  const save = () => send.mutate({ path: `/procedures/${props.procedure.id}/draft`, method: "PUT", body: { steps, note: version.note }, version: version.version }, { onSuccess: () => say(text.t("form.saved")) });
  return (
    <CardBlock title={text.t("sop.steps_of", { number: version.number })} right={edit && <span className="row" style={{ gap: 8 }}><Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} onClick={() => setOpen(steps.length)}>{text.t("sop.add_step")}</Button><Button size="compact-sm" disabled={!dirty} loading={send.isPending} onClick={save}>{text.t("sop.save_draft")}</Button></span>}>
      {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
      {steps.length === 0 && <Empty bare icon={Plus} sentence={text.t("sop.no_steps")} example={text.t("sop.no_steps_example")} />}
      {steps.map((step, index) => (
        <div key={step.key} className="row top line" style={{ gap: 10 }}>
          <span className="muted num" style={{ width: 22, flex: "none" }}>{index + 1}</span>
          <div className="grow" style={{ minWidth: 0 }}>
            <div className="break" style={{ fontWeight: 560 }}>{words(step, "title", text)}{step.required && <span className="muted"> *</span>}</div>
            <div className="tiny muted break">{facts(step, steps, text)}</div>
          </div>
          {edit && (
            <span className="row" style={{ gap: 0, flex: "none" }}>
              <ActionIcon variant="subtle" color="gray" disabled={index === 0} aria-label={text.t("sop.up")} onClick={() => move(index, -1)}><ArrowUp size={15} /></ActionIcon>
              <ActionIcon variant="subtle" color="gray" disabled={index === steps.length - 1} aria-label={text.t("sop.down")} onClick={() => move(index, 1)}><ArrowDown size={15} /></ActionIcon>
              <ActionIcon variant="subtle" color="gray" aria-label={text.t("action.edit")} onClick={() => setOpen(index)}><Pencil size={15} /></ActionIcon>
              <ActionIcon variant="subtle" color="red" aria-label={text.t("action.delete")} onClick={() => setSteps((held) => held.filter((_, at) => at !== index))}><Trash2 size={15} /></ActionIcon>
            </span>
          )}
        </div>
      ))}
      {open !== null && <StepForm step={steps[open]} earlier={steps.slice(0, open)} taken={steps.filter((_, at) => at !== open).map((one) => one.key)} close={() => setOpen(null)} save={(step) => put(open, step)} />}
    </CardBlock>
  );
}

export function conditionText(one: Condition, steps: Step[], text: Text): string {
  const on = steps.find((step) => step.key === one.step);
  const value = typeof one.value === "boolean" ? text.t(one.value ? "sop.yes" : "sop.no") : (on?.choices?.find((each) => each.value === one.value) ?? { en: one.value, zh: one.value });
  const said = typeof value === "string" ? value : String((text.language === "zh" ? value.zh : value.en) ?? "");
  return text.t("sop.when", { step: on ? words(on, "title", text) : one.step, condition: [text.code("sop_op", one.op), said].filter(Boolean).join(" ") });
}

function facts(step: Step, steps: Step[], text: Text): string {
  const choices = (step.choices ?? []).map((one) => (text.language === "zh" ? one.zh : one.en)).join(" / ");
  return [text.code("sop_kind", step.kind), limits(step, text), choices, step.kind !== "photo" && step.photos > 0 ? text.t("sop.photos", { count: step.photos }) : "", ...step.when.map((one) => conditionText(one, steps, text)), step.follow_up ? text.t("sop.opens", { title: words(step.follow_up, "title", text) }) : ""].filter(Boolean).join(" · ");
}
