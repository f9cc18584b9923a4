/** What is not sent yet, and what the server refused: nothing of it goes away without the person's word. */
import { Button, Modal } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { CheckCircle2, ChevronLeft, CloudOff, OctagonAlert, RotateCw, Trash2 } from "lucide-react";
import { Link, useOutletContext } from "react-router";

import type { Me } from "../api/types";
import { useText, type Text } from "../i18n/useText";
import { Chip } from "../ui/chips";
import { Empty, Notice } from "../ui/states";
import { Kept } from "./OnSite";
import { push, quietly, useOutbox } from "./outbox";
import { discard, tryAgain } from "./send";
import type { Entry, Problem } from "./store";

export function UnsentPage() {
  const { t } = useText();
  const me = useOutletContext<Me>();
  const { entries } = useOutbox();
  const orders = [...new Set(entries.map((entry) => entry.order))].map((id) => entries.filter((entry) => entry.order === id));
  return (
    <>
      <Link to="/" className="row muted plain" style={{ minHeight: 40, fontWeight: 560 }}><ChevronLeft size={18} aria-hidden />{t("field.mine")}</Link>
      <div><h1>{t("field.unsent")}</h1><div className="muted small">{t("field.unsent_sub")}</div></div>
      <Kept person={me.person.id} />
      {orders.length === 0 && (
        <Empty icon={CheckCircle2} sentence={t("field.unsent_none")} action={<Button component={Link} to="/" size="md" variant="default">{t("field.to_mine")}</Button>} />
      )}
      {orders.map((group) => <Group key={group[0]!.order} entries={group} me={me} />)}
    </>
  );
}

function Group(props: { entries: Entry[]; me: Me }) {
  const text = useText();
  const first = props.entries[0]!;
  const refused = props.entries.find((entry) => entry.problem);
  const others = first.person.id !== props.me.person.id;
  return (
    <section className="card pad">
      <Link to={`/work/${first.order}`} className="plain">
        <div className="row"><span className="grow break" style={{ fontWeight: 650, fontSize: 16 }}>{first.asset}</span><span className="small muted mono-num">{first.number}</span></div>
      </Link>
      <Steps entries={props.entries} />
      {others && <div className="small muted">{text.t("field.unsent_theirs", { name: first.person.name })}</div>}
      {refused && !others && <RefusedNotice order={first.order} entries={props.entries} me={props.me} />}
    </section>
  );
}

function Steps(props: { entries: Entry[] }) {
  const text = useText();
  const stuck = props.entries.some((entry) => entry.problem);
  return (
    <div className="stack" style={{ gap: 8, margin: "10px 0" }}>
      {props.entries.map((entry) => (
        <div key={entry.key}>
          <div className="row wrap" style={{ gap: "4px 8px" }}>
            <b style={{ fontWeight: 580 }}>{text.code("field.action", entry.action)}</b>
            <span className="small muted">{text.moment(entry.at)}</span>
            <span className="grow" />
            {entry.problem ? (
              <Chip tone="trouble" icon={OctagonAlert} small>{text.t("field.state_refused")}</Chip>
            ) : (
              <Chip tone="watch" icon={CloudOff} small>{text.t(stuck ? "field.state_held" : "field.state_waiting")}</Chip>
            )}
          </div>
          {entry.action === "finish" && <div className="small muted break" style={{ marginTop: 2 }}>{said(entry, text)}</div>}
        </div>
      ))}
    </div>
  );
}

/** What the person entered: it must be readable even when the server does not want it. */
function said(entry: Entry, text: Text): string {
  const note = String(entry.body.note ?? "");
  return [text.code("outcome", entry.body.outcome as string), note && `“${note}”`].filter(Boolean).join(" · ");
}

export function RefusedNotice(props: { order: string; entries: Entry[]; me: Me }) {
  const text = useText();
  const [asking, ask] = useDisclosure(false);
  const refused = props.entries.find((entry) => entry.order === props.order && entry.problem);
  if (!refused?.problem) return null;
  const again = () => void tryAgain(props.order).then(push);
  return (
    <>
      <Notice tone="trouble" icon={OctagonAlert}>
        <div style={{ fontWeight: 600 }}>{text.t("field.refused", { action: text.code("field.action", refused.action) })}</div>
        <div>{why(refused.problem, props.me, text)} {text.t("field.refused_kept")}</div>
        <div className="row wrap" style={{ marginTop: 10 }}>
          <Button size="sm" variant="white" color="red" leftSection={<RotateCw size={15} />} onClick={again}>{text.t("action.retry")}</Button>
          <Button size="sm" variant="subtle" color="red" leftSection={<Trash2 size={15} />} onClick={ask.open}>{text.t("field.discard")}</Button>
        </div>
      </Notice>
      <Modal opened={asking} onClose={ask.close} title={text.t("field.discard_title")}>
        <div className="stack" style={{ gap: 14 }}>
          <Steps entries={props.entries.filter((entry) => entry.order === props.order)} />
          <div className="small muted">{text.t("field.discard_hint")}</div>
          <Button color="red" size="md" onClick={() => void quietly(() => discard(props.order)).then(ask.close)}>{text.t("field.discard")}</Button>
          <Button variant="default" size="md" onClick={ask.close}>{text.t("action.cancel")}</Button>
        </div>
      </Modal>
    </>
  );
}

/** The reason in words: who has the job now, how it stands, else what the server said. */
function why(problem: Problem, me: Me, text: Text): string {
  const order = problem.order;
  if (order?.assignee && order.assignee.id !== me.person.id) return text.t("field.why_taken", { name: order.assignee.name });
  if (problem.code === "finished_already") return text.t("field.why_finished", { outcome: text.code("outcome", order?.outcome) });
  if (order && problem.status === 409) return text.t("field.why_state", { state: text.code("state", order.state) });
  if (problem.code !== "illegal_move" && text.has(`error.${problem.code}`)) return text.t(`error.${problem.code}`);
  return problem.detail || text.t("error.server");
}
