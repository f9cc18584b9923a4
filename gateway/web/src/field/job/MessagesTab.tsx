/** The thread that customer, desk and technician share; what is internal looks it and is marked. */
import { Button, SegmentedControl, Textarea } from "@mantine/core";
import { CloudOff, Lock, MessagesSquare, OctagonAlert, Send } from "lucide-react";
import { useState } from "react";

import type { Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { Ago } from "../../ui/parts";
import { Bones, Empty, Failure, Notice } from "../../ui/states";
import type { Job } from "../jobs";
import { useKept } from "../kept";
import { useOutbox } from "../outbox";
import { threadPath } from "../refresh";
import type { Entry } from "../store";

type Said = { id: string; text: string; internal: boolean; mine: boolean; who: string; at: string; entry: Entry | null };

export function MessagesTab(props: { order: Job; me: Me }) {
  const { order, me } = props;
  return order.case_id ? <CaseThread one={order.case_id} order={order} me={me} /> : <Notes order={order} me={me} />;
}

function CaseThread(props: { one: string; order: Job; me: Me }) {
  const text = useText();
  const { one, me } = props;
  const { entries } = useOutbox();
  const thread = useKept<Schema["CaseThread"]>(["thread"], threadPath(one), 10_000);
  const waiting = entries.filter((entry) => entry.kind === "message.post" && entry.subject.id === one && entry.person.id === me.person.id);
  if (!thread.data && waiting.length === 0) return thread.error ? <Failure error={thread.error} retry={() => void thread.refetch()} /> : <Bones rows={5} height={40} />;
  const said: Said[] = (thread.data?.items ?? []).map((message) => ({ id: message.id, text: message.text, internal: message.visibility === "internal", mine: message.mine, who: message.author?.name ?? text.code("side", message.author_kind), at: message.at, entry: null }));
  return <Thread said={[...said, ...waiting.map((entry) => mine(entry, me))]} write={<Write order={props.order} me={me} one={one} note={thread.data?.can_note ?? true} />} />;
}

/** Work without a case has no customer in it: notes of the work alone. */
function Notes(props: { order: Job; me: Me }) {
  const { order, me } = props;
  const { entries } = useOutbox();
  const waiting = entries.filter((entry) => entry.kind === "note.add" && entry.order === order.id && entry.person.id === me.person.id);
  const said: Said[] = (order.events ?? []).filter((event) => event.kind === "work_order.noted" && event.payload.text).map((event) => ({ id: String(event.id), text: String(event.payload.text), internal: true, mine: event.actor?.name === me.person.name, who: event.actor?.name ?? "–", at: event.at, entry: null })).toReversed();
  return <Thread said={[...said, ...waiting.map((entry) => mine(entry, me))]} write={<Write order={order} me={me} one={null} note />} alone />;
}

const mine = (entry: Entry, me: Me): Said => ({ id: entry.key, text: String(entry.body.text), internal: entry.body.visibility !== "public", mine: true, who: me.person.name, at: entry.at, entry });

function Thread(props: { said: Said[]; write: React.ReactNode; alone?: boolean }) {
  const text = useText();
  return (
    <>
      {props.alone && <Notice tone="quiet" icon={Lock}>{text.t("thread.no_case")}</Notice>}
      {props.said.length === 0 && <Empty icon={MessagesSquare} sentence={text.t("thread.empty")} />}
      <div className="stack" style={{ gap: 10 }}>
        {props.said.map((one) => (
          <article key={one.id} className={`said${one.internal ? " internal" : one.mine ? " mine" : ""}`} style={one.mine ? { marginInlineStart: 28 } : { marginInlineEnd: 28 }}>
            <div className="row wrap small" style={{ gap: "2px 8px", marginBottom: 4 }}>
              <b style={{ fontWeight: 640 }}>{one.who}</b>
              {one.internal && <Chip small tone="watch" icon={Lock}>{text.t("thread.internal")}</Chip>}
              <span className="grow" />
              {one.entry ? <Chip small tone={one.entry.problem ? "trouble" : "watch"} icon={one.entry.problem ? OctagonAlert : CloudOff}>{text.t(one.entry.problem ? "field.state_refused" : "field.state_waiting")}</Chip> : <span className="muted"><Ago at={one.at} /></span>}
            </div>
            <div className="break" style={{ whiteSpace: "pre-wrap", fontSize: 16, lineHeight: 1.45 }}>{one.text}</div>
          </article>
        ))}
      </div>
      {props.write}
    </>
  );
}

function Write(props: { order: Job; me: Me; one: string | null; note: boolean }) {
  const text = useText();
  const { act } = useOutbox();
  // Who writes from a hall means the desk; the customer is a choice, not an accident.
  const [visibility, setVisibility] = useState(props.note ? "internal" : "public");
  const [typed, setTyped] = useState("");
  const internal = visibility === "internal" || props.one === null;
  const send = async () => {
    const words = typed.trim();
    if (!words) return;
    const made = props.one ? { order: props.order, kind: "message.post", subject: { kind: "case" as const, id: props.one }, body: { text: words, visibility } } : { order: props.order, kind: "note.add", body: { text: words, visibility: "internal" } };
    if (await act(props.me, made)) setTyped("");
  };
  return (
    <section className="card pad stack" style={{ gap: 10 }}>
      {props.note && props.one && <SegmentedControl fullWidth size="md" value={visibility} onChange={setVisibility} data={["internal", "public"].map((word) => ({ value: word, label: text.t(`thread.to.${word}`) }))} />}
      <Textarea size="md" aria-label={text.t("thread.write")} placeholder={text.t(internal ? "thread.placeholder_internal" : "thread.placeholder")} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autosize minRows={2} maxRows={8} maxLength={4000} styles={internal ? { input: { background: "#fff8e6" } } : undefined} />
      <Button size="lg" leftSection={internal ? <Lock size={18} aria-hidden /> : <Send size={18} aria-hidden />} disabled={!typed.trim()} onClick={() => void send()}>{text.t(internal ? "thread.note" : "thread.send")}</Button>
    </section>
  );
}
