/** The log of what phones sent: what was refused or is in conflict first, with the reason and both versions. */
import { Button, Modal, SegmentedControl } from "@mantine/core";
import { CheckCheck, Smartphone } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useSearchParams } from "react-router";

import { useRows } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { Ago, Facts, PageHead, useTitle } from "../../ui/parts";
import { Pick } from "../../ui/Pick";
import { Rows } from "../../ui/Rows";
import { Empty, Notice } from "../../ui/states";
import { TECHNICIANS } from "../work/look";
import { FieldTabs } from "./CallsPage";
import type { Sent } from "./asked";

const VIEWS = { unseen: { unseen: true }, refused: { state: "refused" }, conflict: { state: "conflict" }, applied: { state: "applied" }, all: {} } as const;
const TONE = { applied: "ok", refused: "trouble", conflict: "watch", held: "quiet" } as const;
const LONG = 200; // characters of a value that are shown
type Facts_ = Record<string, unknown>;

const kind = (one: Sent, text: Text) => text.code("sync_kind", one.kind.replace(".", "_"));

/** The reason in the reader's language, else as the server said it. */
export function reasonOf(one: Sent, text: Text): string {
  const { problem } = one;
  if (!problem) return "";
  const legal = problem.params.legal;
  const moves = Array.isArray(legal) ? legal.map((move) => text.code("state", String(move))).join(", ") : "";
  const said = text.has(`error.${problem.code}`) ? text.t(`error.${problem.code}`, { ...problem.params, legal: moves || "–" }) : problem.detail;
  const { field } = problem.params; // which of the things that the phone sent is not as it has to be
  return problem.code === "invalid" && typeof field === "string" ? `${said} (${text.code("sync_field", field.split(".").at(-1))})` : said;
}

export function SentPage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const [open, setOpen] = useState<Sent | null>(null);
  const view = (params.get("view") ?? "unseen") as keyof typeof VIEWS;
  const person = params.get("person");
  const set = (name: string, value: string | null) => setParams((held) => { const next = new URLSearchParams(held); if (value) next.set(name, value); else next.delete(name); return next; }, { replace: true });
  const rows = useRows<Sent>("/sync/operations", { ...(VIEWS[view] ?? VIEWS.unseen), person_id: person });
  useTitle(text.t("fieldwork.sent"));
  return (
    <>
      <PageHead title={text.t("fieldwork.sent")} sub={text.t("fieldwork.sent_sub")} />
      <FieldTabs />
      <div className="row wrap" style={{ gap: 10, marginBottom: 12 }}>
        <div className="scroll" style={{ maxWidth: "100%" }}><SegmentedControl value={view in VIEWS ? view : "unseen"} onChange={(value) => set("view", value)} data={Object.keys(VIEWS).map((name) => ({ value: name, label: text.t(`fieldwork.view.${name}`) }))} /></div>
        <div style={{ flex: "0 1 240px" }}><Pick of={TECHNICIANS} value={person ? { id: person, label: params.get("name") ?? "…" } : null} change={(one) => { set("person", one?.id ?? null); set("name", one?.label ?? null); }} placeholder={text.t("col.person")} /></div>
      </div>
      <Rows of={rows} pick={setOpen} empty={<Empty icon={Smartphone} sentence={text.t(view === "unseen" ? "fieldwork.sent_none" : "fieldwork.sent_empty")} example={view === "unseen" ? text.t("fieldwork.sent_example") : undefined} />} columns={[
        { label: "col.operation", cell: (one) => kind(one, text) },
        { label: "col.state", phone: "side", cell: (one) => <StateChip one={one} /> },
        { label: "fieldwork.why", width: "34%", cell: (one) => <span className="break small">{reasonOf(one, text)}</span> },
        { label: "col.order", phone: "named", cell: (one) => (one.work_order_id && one.number ? <Link className="link mono-num" style={{ whiteSpace: "nowrap" }} to={`/work-orders/${one.work_order_id}`}>{one.number}</Link> : "–") },
        { label: "col.person", cell: (one) => <span className="break">{one.person?.name ?? "–"}</span> },
        { label: "fieldwork.done_at", cell: (one) => <Ago at={one.happened_at} /> },
        { label: "col.act", cell: (one) => <Seen one={one} /> },
      ]} />
      {open && <Modal opened size="lg" onClose={() => setOpen(null)} title={kind(open, text)}><Detail one={open} close={() => setOpen(null)} /></Modal>}
    </>
  );
}

function StateChip(props: { one: Sent }) {
  const text = useText();
  return <Chip small tone={TONE[props.one.state as keyof typeof TONE] ?? "quiet"}>{text.code("sync_state", props.one.state)}</Chip>;
}

function Seen(props: { one: Sent; after?: () => void }) {
  const text = useText();
  const { one } = props;
  if (one.state === "applied") return null;
  if (one.seen_at) return <span className="small muted">{text.t("fieldwork.seen_by", { name: one.seen_by?.name ?? "–" })}</span>;
  return <ActButton small icon={CheckCheck} label={text.t("fieldwork.mark_seen")} path={`/sync/operations/${one.id}/seen`} after={props.after} />;
}

function Detail(props: { one: Sent; close: () => void }) {
  const text = useText();
  const { one } = props;
  const rows: [ReactNode, ReactNode][] = [
    [text.t("col.person"), one.person?.name ?? "–"],
    [text.t("col.order"), one.work_order_id && one.number ? <Link className="link mono-num" style={{ whiteSpace: "nowrap" }} to={`/work-orders/${one.work_order_id}`}>{one.number}</Link> : "–"],
    [text.t("fieldwork.done_at"), text.moment(one.happened_at)],
    [text.t("fieldwork.arrived"), text.moment(one.received_at)],
    [text.t("fieldwork.phone"), <span className="mono tiny break">{one.device}</span>],
  ];
  const { yours, current } = (one.problem?.params ?? {}) as { yours?: unknown; current?: unknown };
  const sent = isFacts(yours) ? yours : one.payload;
  return (
    <div className="stack" style={{ gap: 14 }}>
      <div className="row"><StateChip one={one} /></div>
      {one.problem && <Notice tone={one.state === "conflict" ? "watch" : "trouble"}><div>{reasonOf(one, text)}</div>{one.problem.detail !== reasonOf(one, text) && <div className="tiny muted" lang="en">{one.problem.detail}</div>}</Notice>}
      <Facts rows={rows} />
      <Both yours={sent} current={isFacts(current) ? current : null} />
      <div className="row" style={{ justifyContent: "flex-end", gap: 8 }}><Seen one={one} after={props.close} /><Button variant="default" size="compact-sm" onClick={props.close}>{text.t("action.back")}</Button></div>
    </div>
  );
}

const isFacts = (value: unknown): value is Facts_ => typeof value === "object" && value !== null && !Array.isArray(value);

/** What the phone said, beside what held when it arrived. */
function Both(props: { yours: Facts_; current: Facts_ | null }) {
  const text = useText();
  const names = [...new Set([...Object.keys(props.yours), ...Object.keys(props.current ?? {})])];
  if (names.length === 0) return <div className="small muted">{text.t("fieldwork.nothing_said")}</div>;
  return (
    <div className="scroll">
      <table className="grid bare">
        <thead><tr><th>{text.t("fieldwork.field")}</th><th>{text.t("fieldwork.phone_said")}</th>{props.current && <th>{text.t("fieldwork.now_holds")}</th>}</tr></thead>
        <tbody>
          {names.map((name) => (
            <tr key={name}>
              <td className="small">{text.code("sync_field", name)}</td>
              <td className="break small">{shown(props.yours[name], text)}</td>
              {props.current && <td className="break small">{shown(props.current[name], text)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function shown(value: unknown, text: Text): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return text.t(value ? "sop.yes" : "sop.no");
  if (typeof value === "number") return text.number(value, 6);
  if (typeof value === "string") {
    if (value.startsWith("data:image/")) return text.t("fieldwork.a_picture");
    if (/^\d{4}-\d\d-\d\dT/.test(value)) return text.moment(value);
    for (const family of ["visit", "state", "outcome", "work_reason"]) if (text.has(`${family}.${value}`)) return text.code(family, value);
  }
  if (Array.isArray(value)) return value.map((one) => shown(one, text)).join("; ");
  if (isFacts(value)) return Object.entries(value).filter(([, one]) => one !== null).map(([name, one]) => `${text.code("sync_field", name)}: ${shown(one, text)}`).join(", ");
  const said = String(value);
  return said.length > LONG ? `${said.slice(0, LONG)}…` : said;
}
