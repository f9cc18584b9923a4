/** Writes a plan, and shows beside it which dates it would give. */
import { ActionIcon, Button, NumberInput, SegmentedControl, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import { Plus, Trash2, TriangleAlert } from "lucide-react";
import { useState, type FormEvent, type ReactNode } from "react";
import { useNavigate, useParams } from "react-router";

import { ApiError, newKey } from "../../api/client";
import { useList, useOne, useSend } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { named, Pick, type Source } from "../../ui/Pick";
import { say } from "../../ui/Providers";
import { Bones, Loaded, Notice } from "../../ui/states";
import { ASSETS, MODELS } from "../assets/look";
import { PROCEDURES, SERVICE_TYPES, TEAMS } from "../work/look";
import { DaysForm } from "./DaysForm";
import { bodyOf, draftOf, FRESH_PLAN, type Draft } from "./draft";
import { CALENDARS, ROUNDS, SKILLS, type Machine, type Plan } from "./look";
import { Preview } from "./Preview";
import { FRESH, TriggerForm } from "./TriggerForm";

const PRIORITIES = ["low", "normal", "high", "urgent"];

export function NewPlanPage() {
  const text = useText();
  useTitle(text.t("plan.add"));
  return <Editor initial={FRESH_PLAN} />;
}

export function EditPlanPage() {
  const { id = "" } = useParams();
  const plan = useOne<Plan>(`/maintenance-plans/${id}`);
  const held = useList<Machine>(`/maintenance-plans/${id}/machines`);
  if (!held.data && !held.error) return <Bones rows={9} />;
  return <Loaded of={plan} skeleton={<Bones rows={9} />}>{(data) => <Editor initial={draftOf(data, held.data?.items ?? [])} plan={data} />}</Loaded>;
}

/** A pick of which only the id is known so far: asks for its name. */
export function Known(props: { of: Source; id: string | null; change: (id: string | null) => void; label: string; hint?: string }) {
  const text = useText();
  const found = useOne<Record<string, unknown>>(`${props.of.path}/${props.id}`, !!props.id);
  const label = found.data ? (props.of.label ? props.of.label(found.data, text.language) : named(found.data, text.language)) : "…";
  return <Pick key={`${props.id}${found.data ? 1 : 0}`} of={props.of} value={props.id ? { id: props.id, label } : null} change={(one) => props.change(one?.id ?? null)} label={text.t(props.label)} hint={props.hint && text.t(props.hint)} />;
}

function Editor(props: { initial: Draft; plan?: Plan }) {
  const text = useText();
  const navigate = useNavigate();
  const [draft, setDraft] = useState(props.initial);
  const [key] = useState(newKey);
  const send = useSend<Plan>();
  const set = <N extends keyof Draft>(name: N, value: Draft[N]) => setDraft((held) => ({ ...held, [name]: value }));
  const field = send.error instanceof ApiError && typeof send.error.params.field === "string" ? send.error.params.field : "";
  const lacking = !draft.code.trim() || !(draft.name.en?.trim() || draft.name.zh?.trim());
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (lacking || send.isPending) return;
    send.mutate(
      { path: props.plan ? `/maintenance-plans/${props.plan.id}` : "/maintenance-plans", method: props.plan ? "PUT" : "POST", body: bodyOf(draft), version: props.plan?.version, key: props.plan ? undefined : key },
      { onSuccess: (made) => { say(text.t("form.saved")); void navigate(`/plans/${made.id}`); } },
    );
  };
  const wrong = (name: string) => (field.startsWith(name) ? text.t("form.look_here") : undefined);
  return (
    <form onSubmit={submit} noValidate>
      <PageHead back={{ to: props.plan ? `/plans/${props.plan.id}` : "/plans", label: text.t("nav.plans") }} title={text.t(props.plan ? "plan.change" : "plan.add")} right={<Button type="submit" loading={send.isPending} disabled={lacking}>{text.t("action.save")}</Button>} />
      {send.error && <Notice tone="trouble" icon={TriangleAlert}>{problemText(send.error, text)}{field && <span className="small"> · {field}</span>}</Notice>}
      <div className="two" style={{ marginTop: 12 }}>
        <div>
          <CardBlock title={text.t("plan.what")}>
            <Grid>
              <div className="half"><TextInput label={text.t("col.code")} withAsterisk value={draft.code} maxLength={80} error={wrong("code")} placeholder="PM-PUMP-01" onChange={(event) => set("code", event.currentTarget.value)} /></div>
              <div className="half"><Select label={text.t("plan.priority")} allowDeselect={false} value={draft.priority} data={PRIORITIES.map((one) => ({ value: one, label: text.code("priority", one) }))} onChange={(one) => one && set("priority", one)} /></div>
              <div className="half"><TextInput label={text.t("col.name_en")} value={draft.name.en ?? ""} maxLength={200} error={wrong("name")} onChange={(event) => set("name", { ...draft.name, en: event.currentTarget.value })} /></div>
              <div className="half"><TextInput label={text.t("col.name_zh")} value={draft.name.zh ?? ""} maxLength={200} error={wrong("name")} onChange={(event) => set("name", { ...draft.name, zh: event.currentTarget.value })} /></div>
            </Grid>
          </CardBlock>
          <CardBlock title={text.t("plan.for_which")}><Whom draft={draft} setDraft={setDraft} /></CardBlock>
          <Packages draft={draft} setDraft={setDraft} wrong={wrong} />
          <CardBlock title={text.t("plan.when")}><DaysForm draft={draft} set={set} wrong={wrong} calendar={<Known of={CALENDARS} id={draft.calendar_id} change={(id) => set("calendar_id", id)} label="plan.calendar" hint="plan.calendar_hint" />} /></CardBlock>
          <CardBlock title={text.t("plan.how")}>
            <Grid>
              <div className="half"><Known of={PROCEDURES} id={draft.procedure_id} change={(id) => set("procedure_id", id)} label="plan.procedure" /></div>
              <div className="half"><Known of={SERVICE_TYPES} id={draft.service_type_id} change={(id) => set("service_type_id", id)} label="plan.service_type" /></div>
              <div className="half"><Known of={TEAMS} id={draft.team_id} change={(id) => set("team_id", id)} label="plan.team" /></div>
              <div className="half"><NumberInput label={text.t("plan.duration")} suffix={` ${text.t("plan.min")}`} value={draft.duration_minutes ?? ""} min={1} onChange={(next) => set("duration_minutes", next === "" ? null : Number(next))} /></div>
              <div><SkillsOf draft={draft} set={(skills) => set("skills", skills)} /></div>
              <div className="half"><NumberInput label={text.t("plan.lead")} description={text.t("plan.lead_hint")} value={draft.lead_days} min={0} max={730} error={wrong("lead_days")} onChange={(next) => set("lead_days", Number(next))} /></div>
              <div className="half"><NumberInput label={text.t("plan.horizon")} description={text.t("plan.horizon_hint")} value={draft.horizon_days} min={1} max={1830} error={wrong("horizon_days")} onChange={(next) => set("horizon_days", Number(next))} /></div>
              <div><Textarea label={text.t("plan.note")} value={draft.note ?? ""} maxLength={2000} autosize onChange={(event) => set("note", event.currentTarget.value || null)} /></div>
            </Grid>
          </CardBlock>
        </div>
        <div><Preview draft={draft} /></div>
      </div>
    </form>
  );
}

const Grid = (props: { children: ReactNode }) => <div className="form-grid">{props.children}</div>;
type Change = { draft: Draft; setDraft: (next: (held: Draft) => Draft) => void };

function Whom(props: Change) {
  const text = useText();
  const { draft, setDraft } = props;
  const put = (change: Partial<Draft>) => setDraft((held) => ({ ...held, ...change }));
  const rules = (name: string, value: unknown) => put({ effectivity: { ...draft.effectivity, [name]: value || undefined } });
  const told = draft.effectivity as Record<string, string | string[] | undefined>;
  return (
    <div className="stack" style={{ gap: 12 }}>
      <SegmentedControl value={draft.whom} onChange={(whom) => put({ whom: whom as Draft["whom"] })} data={["model", "assets", "round"].map((one) => ({ value: one, label: text.code("plan.whom", one) }))} style={{ alignSelf: "flex-start", maxWidth: "100%" }} />
      {draft.whom === "model" && <Known of={MODELS} id={draft.asset_model_id} change={(id) => put({ asset_model_id: id })} label="col.model" />}
      {draft.whom === "round" && <Known of={ROUNDS} id={draft.round_id} change={(id) => put({ round_id: id })} label="plan.round" hint="plan.round_hint" />}
      {draft.whom === "assets" && (
        <>
          {draft.assets.map((one) => <div key={one.id} className="row small"><span className="grow break">{one.label}</span><ActionIcon variant="subtle" color="gray" aria-label={text.t("plan.remove_part")} onClick={() => put({ assets: draft.assets.filter((other) => other.id !== one.id) })}><Trash2 size={15} /></ActionIcon></div>)}
          <Pick key={draft.assets.length} of={ASSETS} value={null} change={(one) => one && !draft.assets.some((other) => other.id === one.id) && put({ assets: [...draft.assets, one] })} label={text.t("plan.add_machine")} />
        </>
      )}
      <Grid>
        <div className="half"><TextInput type="date" label={text.t("plan.valid_from")} value={String(told.valid_from ?? "")} onChange={(event) => rules("valid_from", event.currentTarget.value)} /></div>
        <div className="half"><TextInput type="date" label={text.t("plan.valid_until")} value={String(told.valid_until ?? "")} onChange={(event) => rules("valid_until", event.currentTarget.value)} /></div>
        {draft.whom === "model" && <>
          <div className="half"><TextInput label={text.t("plan.serial_from")} value={String(told.serial_from ?? "")} onChange={(event) => rules("serial_from", event.currentTarget.value)} /></div>
          <div className="half"><TextInput label={text.t("plan.serial_until")} value={String(told.serial_until ?? "")} onChange={(event) => rules("serial_until", event.currentTarget.value)} /></div>
          <div><TagsInput label={text.t("plan.versions")} description={text.t("plan.versions_hint")} value={(told.versions as string[] | undefined) ?? []} onChange={(versions) => rules("versions", versions.length ? versions : undefined)} /></div>
        </>}
      </Grid>
    </div>
  );
}

function Packages(props: Change & { wrong: (name: string) => string | undefined }) {
  const text = useText();
  const { draft, setDraft } = props;
  const put = (packages: Draft["packages"]) => setDraft((held) => ({ ...held, packages }));
  const change = (index: number, next: Partial<Draft["packages"][number]>) => put(draft.packages.map((one, at) => (at === index ? { ...one, ...next } : one)));
  const several = draft.packages.length > 1;
  return (
    <CardBlock title={text.t(several ? "plan.packages" : "plan.how_often")} right={<Button size="compact-sm" variant="default" leftSection={<Plus size={14} />} disabled={draft.packages.length >= 20} onClick={() => put([...draft.packages, { code: `P${draft.packages.length + 1}`, name: {}, hierarchy: draft.packages.length + 1, trigger: structuredClone(FRESH.calendar!), procedure_id: null, duration_minutes: null }])}>{text.t("plan.add_package")}</Button>}>
      {several && <div className="small muted" style={{ marginBottom: 10 }}>{text.t("plan.packages_hint")}</div>}
      <div className="stack" style={{ gap: 12 }}>
        {draft.packages.map((each, index) => (
          <div key={index} className={several ? "linebox" : undefined}>
            <div className="grow stack" style={{ gap: 12 }}>
              {several && (
                <Grid>
                  <div className="half"><TextInput label={text.t("col.code")} value={each.code} maxLength={40} error={props.wrong(`packages[${index}].code`)} onChange={(event) => change(index, { code: event.currentTarget.value })} /></div>
                  <div className="half"><NumberInput label={text.t("plan.hierarchy")} min={1} max={99} value={each.hierarchy} onChange={(next) => change(index, { hierarchy: Number(next) })} /></div>
                  <div className="half"><Known of={PROCEDURES} id={each.procedure_id} change={(id) => change(index, { procedure_id: id })} label="plan.procedure" /></div>
                  <div className="half"><NumberInput label={text.t("plan.duration")} suffix={` ${text.t("plan.min")}`} min={1} value={each.duration_minutes ?? ""} onChange={(next) => change(index, { duration_minutes: next === "" ? null : Number(next) })} /></div>
                </Grid>
              )}
              <TriggerForm value={each.trigger} kinds={draft.whom === "round" ? ["calendar"] : undefined} change={(trigger) => change(index, { trigger })} />
              {props.wrong(`packages[${index}].trigger`) && <div className="small" style={{ color: "var(--mantine-color-red-8)" }}>{props.wrong(`packages[${index}].trigger`)}</div>}
            </div>
            {several && <ActionIcon variant="subtle" color="gray" aria-label={text.t("plan.remove_part")} onClick={() => put(draft.packages.filter((_, at) => at !== index))}><Trash2 size={16} /></ActionIcon>}
          </div>
        ))}
      </div>
    </CardBlock>
  );
}

function SkillsOf(props: { draft: Draft; set: (skills: Draft["skills"]) => void }) {
  const text = useText();
  const { skills } = props.draft;
  return (
    <div className="stack" style={{ gap: 6 }}>
      {skills.map((one, index) => (
        <div key={one.skill} className="row small">
          <span className="grow break">{one.skill}</span>
          <NumberInput size="xs" w={90} min={1} max={5} aria-label={text.t("plan.skill_level")} value={one.level} onChange={(level) => props.set(skills.map((other, at) => (at === index ? { ...other, level: Number(level) || 1 } : other)))} />
          <ActionIcon variant="subtle" color="gray" aria-label={text.t("plan.remove_part")} onClick={() => props.set(skills.filter((_, at) => at !== index))}><Trash2 size={15} /></ActionIcon>
        </div>
      ))}
      <Pick key={skills.length} of={SKILLS} value={null} change={(one) => one && !skills.some((other) => other.skill === one.id) && props.set([...skills, { skill: one.id, level: 1 }])} label={text.t("plan.skills")} />
    </div>
  );
}
