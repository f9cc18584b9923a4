/** What is not sent yet, and what the server refused: nothing of it goes away without the person's word. */
import { Button, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Camera, CheckCircle2, ChevronLeft, CloudOff, OctagonAlert, PencilLine, RotateCw, Trash2 } from "lucide-react";
import { Link, useNavigate, useOutletContext } from "react-router";

import type { Me } from "../api/types";
import { useText, type Text } from "../i18n/useText";
import { Chip } from "../ui/chips";
import { Empty, Notice } from "../ui/states";
import { push, quietly, unsentPhoto, useOutbox } from "./outbox";
import { photoAgain } from "./photos/sending";
import { discard, isHeld, tryAgain } from "./send";
import type { Entry, Photo, Problem } from "./store";

/** What was done, in words. */
export function actionWord(entry: Entry, text: Text): string {
  if (entry.kind === "visit.move") return text.code("field.moved", String(entry.body.to));
  return text.code("field.action", entry.kind);
}

export function UnsentPage() {
  const { t } = useText();
  const me = useOutletContext<Me>();
  const { entries, photos } = useOutbox();
  const waiting = entries.filter((entry) => entry.sent === null);
  const pictures = photos.filter((one) => unsentPhoto(one) || one.problem);
  const orders = [...new Set([...waiting.map((entry) => entry.order), ...pictures.map((one) => one.order)])];
  return (
    <>
      <Link to="/" className="row muted plain" style={{ minHeight: 44, fontWeight: 560 }}><ChevronLeft size={20} aria-hidden />{t("field.mine")}</Link>
      <div><h1>{t("field.unsent")}</h1><div className="muted small">{t("field.unsent_sub")}</div></div>
      {orders.length === 0 ? (
        <Empty icon={CheckCircle2} sentence={t("field.unsent_none")} action={<Button component={Link} to="/" size="md" variant="default">{t("field.to_mine")}</Button>} />
      ) : (
        <Button size="md" variant="default" leftSection={<RotateCw size={17} aria-hidden />} onClick={() => void push()}>{t("field.send_now")}</Button>
      )}
      {orders.map((order) => <Group key={order} entries={waiting.filter((entry) => entry.order === order)} photos={pictures.filter((one) => one.order === order)} me={me} />)}
    </>
  );
}

function Group(props: { entries: Entry[]; photos: Photo[]; me: Me }) {
  const text = useText();
  const first = props.entries[0] ?? props.photos[0]!;
  const others = first.person.id !== props.me.person.id;
  const at = props.entries.some((entry) => entry.subject.kind === "asset" && entry.subject.id === first.order) ? `/assets/${first.order}` : `/work/${first.order}`;
  return (
    <section className="card pad">
      <Link to={at} className="plain">
        <div className="row"><span className="grow break" style={{ fontWeight: 650, fontSize: 16 }}>{first.asset}</span><span className="small muted mono-num">{first.number}</span></div>
      </Link>
      <Steps entries={props.entries} />
      <Pictures photos={props.photos} />
      {others && <div className="small muted">{text.t("field.unsent_theirs", { name: first.person.name })}</div>}
      {!others && <RefusedNotice entries={props.entries} me={props.me} />}
    </section>
  );
}

function Steps(props: { entries: Entry[] }) {
  const text = useText();
  return (
    <div className="stack" style={{ gap: 8, margin: "10px 0" }}>
      {props.entries.map((entry) => (
        <div key={entry.key}>
          <div className="row wrap" style={{ gap: "4px 8px" }}>
            <b style={{ fontWeight: 580 }}>{actionWord(entry, text)}</b>
            <span className="small muted">{text.moment(entry.at)}</span>
            <span className="grow" />
            {entry.problem ? <Chip tone="trouble" icon={OctagonAlert} small>{text.t("field.state_refused")}</Chip> : <Chip tone="watch" icon={CloudOff} small>{text.t(isHeld(entry, props.entries) ? "field.state_held" : "field.state_waiting")}</Chip>}
          </div>
          {said(entry, text) && <div className="small muted break" style={{ marginTop: 2 }}>{said(entry, text)}</div>}
        </div>
      ))}
    </div>
  );
}

function Pictures(props: { photos: Photo[] }) {
  const text = useText();
  if (props.photos.length === 0) return null;
  const refused = props.photos.filter((one) => one.problem);
  const [done, all] = props.photos.reduce(([sent, size], one) => [sent + one.offset, size + one.size], [0, 0]);
  return (
    <div className="stack" style={{ gap: 8, margin: "10px 0" }}>
      <div className="row wrap" style={{ gap: 8 }}><Camera size={18} aria-hidden /><b className="grow" style={{ fontWeight: 580 }}>{text.t("sop.photos", { count: props.photos.length })}</b><span className="small muted num">{text.t("photo.sent_of", { done: text.number(done / 1024, 0), all: text.number(all / 1024, 0) })}</span></div>
      <div className="progress"><i style={{ width: `${all ? (done / all) * 100 : 0}%` }} /></div>
      {refused.map((one) => (
        <Notice key={one.id} tone="trouble" icon={OctagonAlert}>
          <div className="break">{one.caption || text.moment(one.captured_at)}: {text.has(`error.${one.problem!.code}`) ? text.t(`error.${one.problem!.code}`) : one.problem!.detail || text.t("error.server")}</div>
          <Button mt={8} size="md" variant="white" color="red" leftSection={<RotateCw size={16} />} onClick={() => void photoAgain(one).then(push)}>{text.t("action.retry")}</Button>
        </Notice>
      ))}
    </div>
  );
}

/** What the person entered: it must be readable even when the server does not want it. */
function said(entry: Entry, text: Text): string {
  const { body } = entry;
  const word = (name: string) => (typeof body[name] === "string" ? (body[name] as string) : "");
  const quoted = word("note") || word("text") || word("reason");
  const value = body.value === undefined || body.value === null || typeof body.value === "object" ? "" : typeof body.value === "boolean" ? text.t(body.value ? "sop.yes" : "sop.no") : String(body.value);
  const time = typeof body.minutes === "number" ? text.t("work.minutes", { count: body.minutes }) : "";
  const money = typeof body.amount === "number" ? `${text.number(body.amount, 2)} ${word("currency")}` : "";
  return [word("outcome") && text.code("outcome", word("outcome")), entry.said, value, word("category") && text.code("line_category", word("category")), time, money, word("name"), word("reason_code") && text.code("work_reason", word("reason_code")), quoted && `“${quoted}”`].filter(Boolean).join(" · ");
}

export function RefusedNotice(props: { entries: Entry[]; me: Me }) {
  const text = useText();
  const navigate = useNavigate();
  const [asking, ask] = useDisclosure(false);
  const refused = props.entries.filter((entry) => entry.problem && entry.person.id === props.me.person.id && entry.kind !== "signature.add");
  const first = refused[0];
  if (!first?.problem) return null;
  // What is held back by it has no sense without it.
  const bound = props.entries.filter((entry) => entry.problem || isHeld(entry, props.entries));
  const correct = CORRECT[first.kind];
  // What the storekeeper decides is not sent a second time.
  const decided = refused.every((entry) => entry.problem!.conflict && entry.kind === "stock.move");
  const again = () => void tryAgain(refused).then(push);
  const drop = () => void quietly(() => discard(bound)).then(() => { ask.close(); if (correct) void navigate(`/work/${first.order}/${correct}`); });
  return (
    <>
      <Notice tone="trouble" icon={OctagonAlert}>
        {refused.map((entry) => (
          <div key={entry.key} style={{ marginBottom: 4 }}>
            <div style={{ fontWeight: 600 }}>{text.t("field.refused", { action: actionWord(entry, text) })}</div>
            <div>{why(entry.problem!, props.me, text)}</div>
          </div>
        ))}
        <div>{text.t(decided ? "field.conflict" : "field.refused_kept")}</div>
        {decided ? <Button mt={10} size="md" variant="white" color="red" onClick={() => void quietly(() => discard(refused))}>{text.t("field.seen")}</Button> : <div className="row wrap" style={{ marginTop: 10 }}>
          <Button size="md" variant="white" color="red" leftSection={<RotateCw size={16} />} onClick={again}>{text.t("action.retry")}</Button>
          <Button size="md" variant="subtle" color="red" leftSection={correct ? <PencilLine size={16} /> : <Trash2 size={16} />} onClick={ask.open}>{text.t(correct ? "field.correct" : "field.discard")}</Button>
        </div>}
      </Notice>
      <Modal opened={asking} onClose={ask.close} title={text.t(correct ? "field.correct_title" : "field.discard_title")}>
        <div className="stack" style={{ gap: 14 }}>
          <Steps entries={bound} />
          <div className="small muted">{text.t(correct ? "field.correct_hint" : "field.discard_hint")}</div>
          <Button color="red" size="md" onClick={drop}>{text.t(correct ? "field.correct" : "field.discard")}</Button>
          <Button variant="default" size="md" onClick={ask.close}>{text.t("action.cancel")}</Button>
        </div>
      </Modal>
    </>
  );
}

/** Where something is entered anew. */
const CORRECT: Record<string, string> = { "procedure.answer": "checklist", "permit.enter": "checklist", "line.add": "time", "line.change": "time", "note.add": "messages", "message.post": "messages" };

/** The reason in words: who has the job now, how it stands, else what the server said. */
function why(problem: Problem, me: Me, text: Text): string {
  const { order, code } = problem;
  if (order?.assignee && order.assignee.id !== me.person.id && problem.status === 409) return text.t("field.why_taken", { name: order.assignee.name });
  if (code === "finished_already") return text.t("field.why_finished", { outcome: text.code("outcome", order?.outcome) });
  if (order && code === "illegal_move") return text.t("field.why_state", { state: text.code("state", order.state) });
  const reason = problem.params?.reason;
  if (typeof reason === "string" && text.has(`error.because.${reason}`)) return text.t(`error.because.${reason}`);
  if (code !== "illegal_move" && text.has(`error.${code}`)) return text.t(`error.${code}`, problem.params);
  return problem.detail || text.t("error.server");
}
