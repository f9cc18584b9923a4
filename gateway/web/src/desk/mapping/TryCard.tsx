/** Try the rules on a sample before they count: a message in, readings and problems out, at once. */
import { Button, Textarea, TextInput } from "@mantine/core";
import { CheckCircle2, Inbox, Plus, TriangleAlert } from "lucide-react";
import { useState } from "react";

import { ApiError } from "../../api/client";
import { useHeard, type Heard, type Rules, type Tried } from "../../api/mappings";
import { useText, type Text } from "../../i18n/useText";
import { metricLabel } from "../../text/metrics";
import { Chip } from "../../ui/chips";
import { Ago, CardBlock } from "../../ui/parts";
import { errorText, Notice } from "../../ui/states";
import { leavesOf, listsOf } from "./paths";

const SHOWN = 20;

export type Sample = { topic: string; payload: string };

type Props = {
  mapping: string | null;
  sample: Sample;
  setSample: (sample: Sample) => void;
  rules: Rules;
  change: (rules: Rules) => void;
  tried: Tried | undefined;
  error: Error | null;
  busy: boolean;
};

export function TryCard(props: Props) {
  const text = useText();
  const { sample, setSample } = props;
  return (
    <CardBlock title={text.t("try.title")}>
      <div className="stack" style={{ gap: 12 }}>
        <p className="small muted" style={{ margin: 0 }}>{text.t("try.hint")}</p>
        <HeardList mapping={props.mapping} choose={(heard) => setSample({ topic: heard.topic, payload: heard.payload })} />
        <TextInput label={text.t("try.topic")} className="mono-input" spellCheck={false} value={sample.topic} onChange={(event) => setSample({ ...sample, topic: event.currentTarget.value })} />
        <Textarea label={text.t("try.payload")} className="mono-input" spellCheck={false} autosize minRows={4} maxRows={14} placeholder='{"temp": 61.2, "ts": 1763726400123}' value={sample.payload} onChange={(event) => setSample({ ...sample, payload: event.currentTarget.value })} />
        <Offers sample={sample} rules={props.rules} change={props.change} />
        <Outcome {...props} />
      </div>
    </CardBlock>
  );
}

/** The last messages that came on these topics. */
function HeardList(props: { mapping: string | null; choose: (heard: Heard) => void }) {
  const text = useText();
  const heard = useHeard(props.mapping);
  const items = heard.data?.items ?? [];
  if (props.mapping === null) return null;
  if (items.length === 0) return <div className="small muted row" style={{ gap: 8 }}><Inbox size={16} aria-hidden />{text.t("try.none_heard")}</div>;
  return (
    <div>
      <div className="label">{text.t("try.heard")}</div>
      <div className="stack heard" style={{ gap: 0 }}>
        {items.map((item, index) => (
          <button key={`${item.received_at}${index}`} type="button" className="plainbutton" onClick={() => props.choose(item)}>
            <span className="row"><span className="mono tiny grow clamp1">{item.topic}</span><span className="tiny muted nowrap"><Ago at={item.received_at} /></span></span>
            <span className="mono tiny muted clamp1" style={{ display: "block" }}>{item.payload}</span>
          </button>
        ))}
      </div>
    </div>
  );
}

/** Values of the sample that no rule reads yet: one press makes the rule. */
function Offers(props: { sample: Sample; rules: Rules; change: (rules: Rules) => void }) {
  const text = useText();
  const [all, setAll] = useState(false);
  const { rules, change } = props;
  const read = new Set(rules.values.map((rule) => rule.path));
  const taken = [rules.time?.path, rules.asset?.path, rules.quality?.path];
  const leaves = leavesOf(props.sample.payload, rules).filter((leaf) => !read.has(leaf.path) && !taken.includes(leaf.path));
  const lists = rules.each ? [] : listsOf(props.sample.payload);
  if (leaves.length + lists.length === 0) return null;
  const add = (path: string, name: string) => change({ ...rules, values: [...rules.values.filter((rule) => rule.metric !== "" || rule.path), { metric: name, path }] });
  return (
    <div>
      <div className="label">{text.t("try.offers")}</div>
      <div className="row wrap" style={{ gap: 6 }}>
        {lists.map((path) => <Button key={path} size="compact-xs" variant="default" onClick={() => change({ ...rules, each: path })}>{text.t("try.list", { path })}</Button>)}
        {leaves.slice(0, all ? undefined : 10).map((leaf) => (
          <Button key={leaf.path} size="compact-xs" variant="default" leftSection={<Plus size={12} />} onClick={() => add(leaf.path, leaf.name)} styles={{ root: { maxWidth: "100%" } }}>
            <span className="mono">{leaf.path}</span>&nbsp;<span className="muted">= {String(leaf.value).slice(0, 24)}</span>
          </Button>
        ))}
        {!all && leaves.length > 10 && <button type="button" className="plainbutton link small" onClick={() => setAll(true)}>{text.t("action.show_all", { count: leaves.length })}</button>}
      </div>
    </div>
  );
}

function Outcome(props: Props) {
  const text = useText();
  const { tried, error } = props;
  if (!props.sample.payload) return null;
  if (error) return <Notice tone="trouble" icon={TriangleAlert}>{ruleErrors(error, text).map((line) => <div key={line} className="break">{line}</div>)}</Notice>;
  if (!tried) return null;
  const readings = tried.samples.reduce((total, sample) => total + sample.values.length, 0);
  return (
    <div className="stack" style={{ gap: 10, opacity: props.busy ? 0.6 : 1 }} role="status">
      {readings > 0 ? (
        <Notice tone={tried.problems.length > 0 ? "watch" : "ok"} icon={CheckCircle2}>{text.t("try.read", { count: readings })}</Notice>
      ) : (
        <Notice tone="trouble" icon={TriangleAlert}>{text.t("try.nothing")}</Notice>
      )}
      {tried.problems.map((problem, index) => (
        <Notice key={index} tone="watch" icon={TriangleAlert}>
          <b>{text.code("quarantine_reason", problem.reason)}</b> {problem.path !== null && <span className="small">{text.t("try.sample", { number: Number(problem.path) + 1 })}</span>} <span className="small break">{problem.detail}</span>
        </Notice>
      ))}
      {tried.samples.slice(0, SHOWN).map((sample, index) => (
        <div key={index} className="tried">
          <div className="row wrap small" style={{ gap: "2px 10px" }}><span className="mono" style={{ fontWeight: 600 }}>{sample.asset ?? text.t("rules.whose.own")}</span><span className="muted">{text.moment(sample.t)}{text.clock(sample.t).slice(-3)}</span></div>
          {sample.values.map((value) => (
            <div key={value.metric} className="row" style={{ gap: 10 }}>
              <span className="grow break">{metricLabel(value.metric, text.language)} <span className="mono tiny faint">{value.metric}</span></span>
              {value.quality !== "good" && <Chip tone="watch" small>{text.code("quality", value.quality)}</Chip>}
              <b className="num nowrap">{text.value(value.value, value.unit)}</b>
            </div>
          ))}
        </div>
      ))}
      {tried.samples.length + tried.more > SHOWN && <div className="small muted">{text.t("bulk.more", { count: tried.samples.length + tried.more - SHOWN })}</div>}
    </div>
  );
}

/** Which field of the rules is wrong, as the server says. */
export function ruleErrors(error: Error, text: Text): string[] {
  const fields = error instanceof ApiError ? error.params.fields : undefined;
  if (!Array.isArray(fields) || fields.length === 0) return [error instanceof ApiError && error.status === 422 && error.message ? error.message : errorText(error, text)];
  return fields.slice(0, 6).map((one) => {
    const { field, message } = one as { field: string; message: string };
    return `${field.replace(/^body\.(rules\.)?/, "")}: ${message}`;
  });
}
