/** The one thread of a case: customer, desk, technician and partner; internal notes look different. */
import { Button, FileButton, SegmentedControl, Textarea } from "@mantine/core";
import { Lock, MessagesSquare, Paperclip, Send } from "lucide-react";
import { useEffect, useState } from "react";

import { newKey, problem, Unreachable } from "../../api/client";
import { may, useOne, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { Ago, CardBlock } from "../../ui/parts";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import type { CaseDetail } from "./common";

type Message = Schema["MessageItem"];
type ThreadPage = Schema["CaseThread"];

export function Thread(props: { one: CaseDetail; me: Me }) {
  const { one, me } = props;
  const text = useText();
  const thread = useOne<ThreadPage>(`/cases/${one.id}/messages?limit=500`, true, 5_000);
  const last = thread.data?.items.at(-1)?.id;
  const read = useSend();
  useEffect(() => {
    if (last && one.unread > 0) read.mutate({ path: `/cases/${one.id}/read`, body: { message_id: last } });
  }, [last, one.unread > 0]);
  return (
    <CardBlock title={text.t("thread.title")}>
      <Loaded of={thread} skeleton={<Bones rows={4} />}>
        {(page) => (
          <>
            {page.items.length === 0 && <Empty bare icon={MessagesSquare} sentence={text.t("thread.empty")} />}
            <div className="stack" style={{ gap: 10 }}>{page.items.map((message) => <Said key={message.id} message={message} reads={page.reads.filter((mark) => mark.message_id === message.id && mark.person.id !== me.person.id).map((mark) => mark.person.name)} />)}</div>
            {one.state !== "merged" && may(me, "case.write") && <Write one={one} can_note={page.can_note} />}
          </>
        )}
      </Loaded>
    </CardBlock>
  );
}

function Said(props: { message: Message; reads: string[] }) {
  const { message } = props;
  const text = useText();
  const internal = message.visibility === "internal";
  return (
    <article style={{ borderRadius: 10, padding: "10px 12px", border: "1px solid var(--line-soft)", background: internal ? "#fff8e6" : message.mine ? "#eef6f8" : "#fff", marginInlineStart: message.mine ? 24 : 0, marginInlineEnd: message.mine ? 0 : 24 }}>
      <div className="row wrap small" style={{ gap: "2px 8px", marginBottom: 4 }}>
        <span style={{ fontWeight: 620 }}>{message.author?.name ?? text.code("side", message.author_kind)}</span>
        {message.author && <span className="muted">{text.code("side", message.author_kind)}</span>}
        {internal && <Chip tone="watch" icon={Lock} small>{text.t("thread.internal")}</Chip>}
        <span className="muted"><Ago at={message.at} /></span>
      </div>
      <div className="break" style={{ whiteSpace: "pre-wrap" }}>{message.text}</div>
      {message.attachments.map((file) => (
        <div key={String(file.id)} className="small row" style={{ gap: 4, marginTop: 4 }}><Paperclip size={13} aria-hidden /><a className="link break" href={file.kind === "file" ? `/api/v1/case-files/${file.id}/file` : file.kind === "document" ? `/api/v1/documents/${file.id}/file` : `/api/v1/evidence/${file.id}/file`}>{String(file.name ?? file.id)}</a></div>
      ))}
      {message.folded && <details className="small muted" style={{ marginTop: 4 }}><summary>{text.t("thread.folded")}</summary><div className="break" style={{ whiteSpace: "pre-wrap" }}>{message.folded}</div></details>}
      {props.reads.length > 0 && <div className="tiny muted" style={{ marginTop: 4 }}>{text.t("thread.read_by", { names: props.reads.join(", ") })}</div>}
    </article>
  );
}

type Kept = Schema["CaseFileItem"];
const MAX_FILES = 10;

async function upload(case_id: string, visibility: string, file: File): Promise<Kept> {
  const form = new FormData();
  form.append("case_id", case_id);
  form.append("visibility", visibility);
  form.append("file", file);
  const answer = await fetch("/api/v1/case-files", { method: "POST", body: form, credentials: "same-origin", headers: { "X-Forewarn": "1" } }).catch((cause: unknown) => { throw new Unreachable(String(cause)); });
  if (!answer.ok) throw await problem(answer);
  return (await answer.json()) as Kept;
}

function Write(props: { one: CaseDetail; can_note: boolean }) {
  const { one } = props;
  const text = useText();
  const [visibility, setVisibility] = useState("public");
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState<File[]>([]);
  const [key, setKey] = useState(newKey);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<Error | null>(null);
  const send = useSend();
  const go = async () => {
    setBusy(true);
    setFailed(null);
    try {
      const kept: Kept[] = [];
      for (const file of chosen) kept.push(await upload(one.id, visibility, file)); // checked one by one: a refused one is named
      const attachments = kept.map((file) => ({ kind: "file", id: file.id }));
      await send.mutateAsync({ path: `/cases/${one.id}/messages`, key, body: { text: typed.trim(), visibility, attachments } });
      setTyped("");
      setChosen([]);
      setKey(newKey());
    } catch (cause) {
      setFailed(cause as Error);
    } finally {
      setBusy(false);
    }
  };
  const ready = (typed.trim() || chosen.length > 0) && !busy;
  return (
    <form className="stack" style={{ gap: 8, marginTop: 14 }} onSubmit={(event) => { event.preventDefault(); if (ready) void go(); }}>
      {props.can_note && <SegmentedControl size="xs" value={visibility} onChange={setVisibility} data={["public", "internal"].map((word) => ({ value: word, label: text.t(`thread.to.${word}`) }))} style={{ alignSelf: "flex-start" }} />}
      <Textarea aria-label={text.t("thread.write")} placeholder={text.t(visibility === "public" ? "thread.placeholder" : "thread.placeholder_internal")} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autosize minRows={2} maxRows={10} maxLength={4000} styles={visibility === "internal" ? { input: { background: "#fff8e6" } } : undefined} />
      {chosen.map((file) => <div key={file.name} className="small row" style={{ gap: 6 }}><Paperclip size={13} aria-hidden /><span className="break grow">{file.name}</span><button type="button" className="plainbutton small" onClick={() => setChosen((held) => held.filter((each) => each !== file))}>{text.t("thread.take_out")}</button></div>)}
      {failed && <Notice tone="trouble">{problemText(failed, text)}</Notice>}
      <div className="row wrap" style={{ gap: 8, justifyContent: "flex-end" }}>
        <FileButton multiple onChange={(files) => setChosen((held) => [...held, ...files].slice(0, MAX_FILES))}>{(given) => <Button {...given} variant="default" leftSection={<Paperclip size={15} />}>{text.t("thread.attach")}</Button>}</FileButton>
        <Button type="submit" leftSection={visibility === "internal" ? <Lock size={15} /> : <Send size={15} />} loading={busy} disabled={!ready}>{text.t(visibility === "internal" ? "thread.note" : "thread.send")}</Button>
      </div>
    </form>
  );
}
