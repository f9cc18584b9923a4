/** The one thread of a case: customer, desk, technician and partner; internal notes look different. */
import { Button, SegmentedControl, Textarea } from "@mantine/core";
import { Lock, MessagesSquare, Paperclip, Send } from "lucide-react";
import { useEffect, useState } from "react";

import { newKey } from "../../api/client";
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
        <div key={String(file.id)} className="small row" style={{ gap: 4, marginTop: 4 }}><Paperclip size={13} aria-hidden /><a className="link break" href={file.kind === "document" ? `/api/v1/documents/${file.id}/file` : `/api/v1/evidence/${file.id}/file`}>{String(file.name ?? file.id)}</a></div>
      ))}
      {props.reads.length > 0 && <div className="tiny muted" style={{ marginTop: 4 }}>{text.t("thread.read_by", { names: props.reads.join(", ") })}</div>}
    </article>
  );
}

function Write(props: { one: CaseDetail; can_note: boolean }) {
  const { one } = props;
  const text = useText();
  const [visibility, setVisibility] = useState("public");
  const [typed, setTyped] = useState("");
  const [key, setKey] = useState(newKey);
  const send = useSend();
  const go = () => send.mutate({ path: `/cases/${one.id}/messages`, key, body: { text: typed.trim(), visibility } }, { onSuccess: () => { setTyped(""); setKey(newKey()); } });
  return (
    <form className="stack" style={{ gap: 8, marginTop: 14 }} onSubmit={(event) => { event.preventDefault(); if (typed.trim() && !send.isPending) go(); }}>
      {props.can_note && <SegmentedControl size="xs" value={visibility} onChange={setVisibility} data={["public", "internal"].map((word) => ({ value: word, label: text.t(`thread.to.${word}`) }))} style={{ alignSelf: "flex-start" }} />}
      <Textarea aria-label={text.t("thread.write")} placeholder={text.t(visibility === "public" ? "thread.placeholder" : "thread.placeholder_internal")} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autosize minRows={2} maxRows={10} maxLength={4000} styles={visibility === "internal" ? { input: { background: "#fff8e6" } } : undefined} />
      {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
      <Button type="submit" leftSection={visibility === "internal" ? <Lock size={15} /> : <Send size={15} />} loading={send.isPending} disabled={!typed.trim()} style={{ alignSelf: "flex-end" }}>{text.t(visibility === "internal" ? "thread.note" : "thread.send")}</Button>
    </form>
  );
}
