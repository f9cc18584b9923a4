/** One policy: its settings, and what it would have done on history; only what was replayed can be switched on. */
import { Button, Modal, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Power, Save, Trash2 } from "lucide-react";
import { useState } from "react";
import { useNavigate, useOutletContext, useParams } from "react-router";

import { useAct } from "../../api/hooks";
import { KINDS, named, useAssetModels, usePolicies, useSavePolicy, type Draft, type Policies, type Policy, type Settings } from "../../api/policies";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, errorText, Loaded } from "../../ui/states";
import { decides } from "../alarms/AlarmsPage";
import { NotFoundPage } from "../NotFoundPage";
import { EVERY, inherited, own, put } from "./fields";
import { FieldRow } from "./FieldRow";
import { ReplayCard } from "./ReplayCard";

export function PolicyPage() {
  const { id = "new" } = useParams();
  const policies = usePolicies();
  return (
    <Loaded of={policies} skeleton={<Bones rows={9} height={24} />}>
      {(page) => {
        const policy = page.items.find((one) => one.id === id) ?? null;
        return policy || id === "new" ? <Editor page={page} policy={policy} /> : <NotFoundPage />;
      }}
    </Loaded>
  );
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

const asDraft = (policy: Policy | null): Draft => ({
  name: policy?.name ?? "",
  asset_model_id: policy?.asset_model?.id ?? null,
  settings: (policy?.settings ?? {}) as Settings,
});

/** As text, whichever order the server keeps the fields in. */
function written(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    typeof one === "object" && one !== null && !Array.isArray(one) ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => a.localeCompare(b))) : one,
  );
}

function Editor(props: { page: Policies; policy: Policy | null }) {
  const { page, policy } = props;
  const text = useText();
  const may = decides(useOutletContext<Me>());
  const [draft, setDraft] = useState<Draft>(() => asDraft(policy));
  const [kind, setKind] = useState<string>(EVERY);
  const [replayed, setReplayed] = useState<string | null>(null);
  useTitle(policy?.name ?? text.t("policies.new"));
  const shape = written([draft.asset_model_id, draft.settings]);
  const saved = policy !== null && written(asDraft(policy)) === written(draft);
  // What was replayed must be what is switched on: the draft on the screen, or the saved row as it was replayed before.
  const looked = replayed === shape || (saved && policy.last_replay !== null && policy.last_replay.at >= (policy.updated_at ?? ""));
  return (
    <>
      <PageHead
        back={{ to: "/policies", label: text.t("nav.policies") }}
        title={policy?.name ?? text.t("policies.new")}
        marks={policy && <Chip tone={policy.enabled ? "ok" : "quiet"} small>{text.t(policy.enabled ? "policies.on" : "policies.off")}</Chip>}
        sub={text.t("policies.edit_sub")}
        right={may && <Acts draft={draft} policy={policy} saved={saved} looked={looked} />}
      />
      <div className="pair">
        <CardBlock title={text.t("policies.settings")}>
          <Scope draft={draft} disabled={!may} change={setDraft} />
          <div className="scroll" style={{ margin: "16px 0 6px" }}>
            <SegmentedControl size="xs" value={kind} onChange={setKind} data={[EVERY, ...KINDS].map((word) => ({ value: word, label: word === EVERY ? text.t("policies.every_kind") : capital(text.code("kind", word)) }))} />
          </div>
          {page.fields.map((field) => (
            <FieldRow
              key={`${kind}/${field.name}`}
              field={field}
              value={own(draft.settings, kind, field.name)}
              fallback={inherited(page, draft.settings, kind, field, text)}
              start={own(draft.settings, EVERY, field.name) ?? page.defaults[kind === EVERY ? "machine" : kind]?.[field.name]}
              disabled={!may}
              change={(value) => setDraft({ ...draft, settings: put(draft.settings, kind, field.name, value) })}
            />
          ))}
        </CardBlock>
        <ReplayCard draft={draft} policy={policy} stale={replayed !== null && replayed !== shape} done={() => setReplayed(shape)} may={may} />
      </div>
    </>
  );
}

function Scope(props: { draft: Draft; disabled: boolean; change: (draft: Draft) => void }) {
  const text = useText();
  const models = useAssetModels();
  const { draft } = props;
  const listed = (models.data?.items ?? []).map((model) => ({ value: model.id, label: named(model, text.language) }));
  return (
    <fieldset disabled={props.disabled} className="row wrap bare" style={{ gap: 12 }}>
      <TextInput className="grow" style={{ flexBasis: 200 }} required label={text.t("policies.name")} placeholder={text.t("policies.name_example")} value={draft.name} maxLength={120} onChange={(event) => props.change({ ...draft, name: event.currentTarget.value })} />
      <Select className="grow" style={{ flexBasis: 200 }} label={text.t("policies.for")} value={draft.asset_model_id ?? ""} data={[{ value: "", label: text.t("policies.all_models") }, ...listed]} onChange={(value) => props.change({ ...draft, asset_model_id: value || null })} />
    </fieldset>
  );
}

function Acts(props: { draft: Draft; policy: Policy | null; saved: boolean; looked: boolean }) {
  const text = useText();
  const { draft, policy, saved, looked } = props;
  const navigate = useNavigate();
  const save = useSavePolicy();
  const act = useAct();
  const [asking, ask] = useDisclosure(false);
  const bad = (error: Error) => say(errorText(error, text), "bad");
  const keep = () =>
    save.mutate({ draft: { ...draft, name: draft.name.trim() }, policy }, { onSuccess: (made) => (say(text.t("policies.saved")), void navigate(`/policies/${made.id}`, { replace: true })), onError: bad });
  const turn = (word: "enable" | "disable") => act.mutate({ path: `/policies/${policy!.id}/${word}` }, { onSuccess: () => say(text.t(`policies.done.${word}`)), onError: bad });
  const remove = () => act.mutate({ path: `/policies/${policy!.id}`, method: "DELETE" }, { onSuccess: () => void navigate("/policies"), onError: bad });
  // A policy in force changes what is in force: that too is replayed first.
  const blocked = policy?.enabled === true && !looked;
  return (
    <>
      <Button variant={policy?.enabled ? "filled" : "default"} leftSection={<Save size={16} />} loading={save.isPending} disabled={!draft.name.trim() || saved || blocked} title={blocked && !saved ? text.t("policies.replay_first") : undefined} onClick={keep}>{text.t("policies.save")}</Button>
      {policy && !policy.enabled && <Button leftSection={<Power size={16} />} loading={act.isPending} disabled={!saved || !looked} title={saved && looked ? undefined : text.t("policies.replay_first")} onClick={() => turn("enable")}>{text.t("policies.enable")}</Button>}
      {policy?.enabled && <Button variant="default" leftSection={<Power size={16} />} loading={act.isPending} onClick={() => turn("disable")}>{text.t("policies.disable")}</Button>}
      {policy && <Button variant="subtle" color="red" px={8} aria-label={text.t("policies.remove")} title={text.t("policies.remove")} onClick={ask.open}><Trash2 size={16} /></Button>}
      <Modal opened={asking} onClose={ask.close} title={text.t("policies.remove_title", { name: policy?.name ?? "" })}>
        <div className="stack" style={{ gap: 14 }}>
          <div className="small">{text.t("policies.remove_hint")}</div>
          <Button color="red" loading={act.isPending} onClick={remove}>{text.t("policies.remove")}</Button>
          <Button variant="default" onClick={ask.close}>{text.t("action.cancel")}</Button>
        </div>
      </Modal>
    </>
  );
}
