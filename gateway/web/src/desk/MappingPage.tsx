/** One mapping: its topics and rules on one side, a sample to try them on at the other, the switch above. */
import { Button, JsonInput, Modal, SegmentedControl, Switch, TextInput } from "@mantine/core";
import { useDebouncedValue, useDisclosure } from "@mantine/hooks";
import { Trash2, TriangleAlert } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useNavigate, useOutletContext, useParams } from "react-router";

import { ApiError, newKey } from "../api/client";
import { useHeard, useMapping, useRemoveMapping, useSaveMapping, useTrial, type Mapping, type NewMapping, type Rules, type Trial } from "../api/mappings";
import { useAct } from "../api/hooks";
import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Ago, CardBlock, CopyIcon, Facts, PageHead, useTitle } from "../ui/parts";
import { say } from "../ui/Providers";
import { Bones, errorText, Loaded, Notice } from "../ui/states";
import { manages } from "./DevicePage";
import { topicOf } from "./mapping/paths";
import { RulesForm } from "./mapping/RulesForm";
import { ruleErrors, TryCard, type Sample } from "./mapping/TryCard";
import { Enabled } from "./MappingsPage";

const EMPTY: Rules = { values: [{ metric: "", path: "" }] };
type Account = Pick<NewMapping, "username" | "password" | "topic_filter">;

const WAIT_MS = 350; // the rules are tried when the typing pauses

export function NewMappingPage() {
  return <Editor latest={null} />;
}

export function MappingPage() {
  const { id = "" } = useParams();
  const mapping = useMapping(id);
  return <Loaded of={mapping} skeleton={<Bones rows={8} height={24} />}>{(data) => <Editor key={data.id} latest={data} />}</Loaded>;
}

/** `mapping` is what the edits are based on; `latest` may be somebody else's newer one. */
function Editor(props: { latest: Mapping | null }) {
  const { latest } = props;
  const [mapping, setMapping] = useState(latest);
  const text = useText();
  const manage = manages(useOutletContext<Me>());
  const navigate = useNavigate();
  const heard = useHeard(mapping?.id ?? null).data?.items[0];
  const [name, setName] = useState(mapping?.name ?? "");
  const [filter, setFilter] = useState(mapping?.topic_filter ?? "");
  const [rules, setRules] = useState<Rules>(mapping?.rules ?? EMPTY);
  const [typed, setSample] = useState<Sample | null>(null);
  const [key] = useState(newKey);
  const [made, setMade] = useState<NewMapping | null>(null);
  const save = useSaveMapping();
  useTitle(mapping?.name ?? text.t("mappings.add"));
  // Until somebody types, the newest message that was heard is the sample.
  const sample = typed ?? (heard ? { topic: heard.topic, payload: heard.payload } : { topic: topicOf(filter), payload: "" });
  const asked = sample.payload && manage ? JSON.stringify({ ...sample, topic_filter: filter || sample.topic, rules }) : "null";
  const [settled] = useDebouncedValue(asked, WAIT_MS);
  const trial = useMemo(() => JSON.parse(settled) as Trial | null, [settled]);
  const trying = useTrial(trial);
  const read = trial !== null && settled === asked && !trying.error && (trying.data?.samples.length ?? 0) > 0;
  const changed = mapping === null || name !== mapping.name || filter !== mapping.topic_filter || JSON.stringify(rules) !== JSON.stringify(mapping.rules);
  const adopt = (saved: Mapping) => {
    setMapping(saved);
    setName(saved.name);
    setFilter(saved.topic_filter);
    setRules(saved.rules);
  };
  const isStale = mapping !== null && latest !== null && latest.version > mapping.version;
  useEffect(() => {
    if (isStale && !changed) adopt(latest);
  }, [isStale, changed, latest]);
  const store = () =>
    save.mutate(
      { id: mapping?.id ?? null, version: mapping?.version, body: { name: name.trim(), topic_filter: filter.trim(), rules }, key },
      { onSuccess: (saved) => (mapping === null ? setMade(saved as NewMapping) : (adopt(saved), say(text.t("mappings.saved")))) },
    );
  return (
    <>
      <PageHead
        back={{ to: "/devices/mappings", label: text.t("mappings.title") }}
        title={mapping?.name ?? text.t("mappings.add")}
        marks={mapping && <Enabled mapping={mapping} />}
        right={mapping && manage && <OnSwitch mapping={mapping} ready={read && !changed} changed={changed} done={setMapping} />}
      />
      {made && <Credentials made={made} close={() => void navigate(`/devices/mappings/${made.id}`, { replace: true })} />}
      <div className="halves">
        <div className="stack" style={{ gap: 16 }}>
          <CardBlock title={text.t("mappings.rules")}>
            <fieldset disabled={!manage} className="stack bare" style={{ gap: 16 }}>
              <TextInput required label={text.t("mappings.name")} placeholder={text.t("mappings.name_example")} value={name} maxLength={120} onChange={(event) => setName(event.currentTarget.value)} />
              <TextInput required label={text.t("mappings.filter")} description={text.t("mappings.filter_hint")} placeholder="shellies/+/status" className="mono-input" spellCheck={false} value={filter} maxLength={200} onChange={(event) => setFilter(event.currentTarget.value)} />
              <RulesEditor rules={rules} change={setRules} topic={sample.topic} />
              {isStale && changed && <Notice tone="watch" icon={TriangleAlert}>{text.t("mappings.stale")}</Notice>}
              {save.error && <Notice tone="trouble" icon={TriangleAlert}>{save.error instanceof ApiError && save.error.status === 412 ? text.t("mappings.stale") : ruleErrors(save.error, text).map((line) => <div key={line} className="break">{line}</div>)}</Notice>}
              {manage && (
                <div className="row wrap">
                  <Button disabled={!changed || !name.trim() || !filter.trim()} loading={save.isPending} onClick={store}>{text.t(mapping === null ? "mappings.create" : "mappings.save")}</Button>
                  {mapping && <Remove mapping={mapping} />}
                </div>
              )}
            </fieldset>
          </CardBlock>
          {latest && <About mapping={latest} manage={manage} />}
        </div>
        <TryCard mapping={mapping?.id ?? null} sample={sample} setSample={setSample} rules={rules} change={setRules} tried={trial ? trying.data : undefined} error={trial ? trying.error : null} busy={trying.isFetching} />
      </div>
    </>
  );
}

/** On only once a sample has been read with what is saved; off at any time. */
function OnSwitch(props: { mapping: Mapping; ready: boolean; changed: boolean; done: (mapping: Mapping) => void }) {
  const text = useText();
  const { mapping } = props;
  const save = useSaveMapping();
  const turn = () =>
    save.mutate({ id: mapping.id, version: mapping.version, body: { enabled: !mapping.enabled } }, { onSuccess: props.done, onError: (error) => say(errorText(error, text), "bad") });
  const hint = mapping.enabled || props.ready ? null : text.t(props.changed ? "mappings.save_first" : "mappings.try_first");
  return (
    <div className="row wrap" style={{ gap: 10 }}>
      {hint && <span className="small muted">{hint}</span>}
      <Switch size="md" label={text.t("mappings.enabled")} checked={mapping.enabled} disabled={save.isPending || (!mapping.enabled && !props.ready)} onChange={turn} />
    </div>
  );
}

function RulesEditor(props: { rules: Rules; change: (rules: Rules) => void; topic: string }) {
  const text = useText();
  const [view, setView] = useState("form");
  const [json, setJson] = useState("");
  const [broken, setBroken] = useState(false);
  const show = (next: string) => {
    if (next === "json") setJson(JSON.stringify(props.rules, null, 2));
    setBroken(false);
    setView(next);
  };
  const type = (value: string) => {
    setJson(value);
    try {
      const rules = JSON.parse(value) as Rules;
      setBroken(!Array.isArray(rules.values));
      if (Array.isArray(rules.values)) props.change(rules);
    } catch {
      setBroken(true);
    }
  };
  return (
    <>
      <SegmentedControl size="xs" style={{ alignSelf: "flex-start" }} value={view} onChange={show} data={[{ value: "form", label: text.t("rules.form") }, { value: "json", label: "JSON" }]} />
      {view === "form" ? (
        <RulesForm {...props} />
      ) : (
        <JsonInput className="mono-input" aria-label={text.t("mappings.rules")} value={json} onChange={type} autosize minRows={10} maxRows={28} error={broken ? text.t("rules.broken") : undefined} spellCheck={false} />
      )}
    </>
  );
}

function About(props: { mapping: Mapping; manage: boolean }) {
  const text = useText();
  const { mapping } = props;
  const renew = useAct<{ username: string; password: string }>();
  const ask = () => renew.mutate({ path: `/mappings/${mapping.id}/password` }, { onError: (error) => say(errorText(error, text), "bad") });
  return (
    <CardBlock title={text.t("mappings.so_far")}>
      <Facts
        rows={[
          [text.t("mappings.username"), <span className="row" style={{ gap: 6 }}><span className="mono break">{mapping.username}</span><CopyIcon value={mapping.username} /></span>],
          [text.t("mappings.last"), mapping.last_received_at ? <Ago at={mapping.last_received_at} /> : "–"],
          [text.t("mappings.received"), text.number(mapping.received, 0)],
          [text.t("mappings.stored"), text.number(mapping.stored, 0)],
          [text.t("mappings.problems"), text.number(mapping.problems, 0)],
        ]}
      />
      {props.manage && <Button mt="md" size="compact-sm" variant="default" loading={renew.isPending} onClick={ask}>{text.t("mappings.new_password")}</Button>}
      {renew.data && <Credentials made={{ ...renew.data, topic_filter: mapping.topic_filter }} close={renew.reset} />}
    </CardBlock>
  );
}

/** The broker account of the mapping: the password is told once. */
function Credentials(props: { made: Account; close: () => void }) {
  const text = useText();
  const { made } = props;
  const rows: [string, string][] = [[text.t("mappings.username"), made.username], [text.t("sign_in.password"), made.password], [text.t("mappings.filter"), made.topic_filter]];
  return (
    <Modal opened onClose={props.close} title={text.t("mappings.created")} size="lg" closeOnClickOutside={false} closeOnEscape={false}>
      <div className="stack" style={{ gap: 14 }}>
        <div className="small">{text.t("mappings.created_hint")}</div>
        <Facts rows={rows.map(([label, value]) => [label, <span key={label} className="row" style={{ gap: 6 }}><span className="mono break">{value}</span><CopyIcon value={value} /></span>])} />
        <Notice tone="watch" icon={TriangleAlert}>{text.t("mappings.once")}</Notice>
        <Button onClick={props.close}>{text.t("mappings.kept")}</Button>
      </div>
    </Modal>
  );
}

function Remove(props: { mapping: Mapping }) {
  const text = useText();
  const navigate = useNavigate();
  const remove = useRemoveMapping();
  const [asking, ask] = useDisclosure(false);
  const go = () => remove.mutate(props.mapping.id, { onSuccess: () => void navigate("/devices/mappings"), onError: (error) => say(errorText(error, text), "bad") });
  return (
    <>
      <Button variant="subtle" color="red" leftSection={<Trash2 size={15} />} onClick={ask.open}>{text.t("mappings.remove")}</Button>
      <Modal opened={asking} onClose={ask.close} title={text.t("mappings.remove_title", { name: props.mapping.name })}>
        <div className="stack" style={{ gap: 14 }}>
          <div className="small">{text.t("mappings.remove_hint")}</div>
          <Button color="red" loading={remove.isPending} onClick={go}>{text.t("mappings.remove")}</Button>
          <Button variant="default" onClick={ask.close}>{text.t("action.cancel")}</Button>
        </div>
      </Modal>
    </>
  );
}
