/** What the moves would do, live; nothing is written until they are applied. */
import { Button, TextInput } from "@mantine/core";
import { Check, Save, Trash2, X } from "lucide-react";
import { useState } from "react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { ApiError, newKey, post } from "../../api/client";
import { useSend } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { CardBlock } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Loaded, Notice } from "../../ui/states";
import { dayText } from "../plans/look";
import { hoursOf, type DraftDetail, type Move, type Tried } from "./look";

const sent = (moves: Move[]) => moves.map((move) => ({ occurrence_id: move.work.id, to: move.to, seen_at: move.work.at }));

export function TryOut(props: { moves: Move[]; draft: DraftDetail | null; change: (moves: Move[]) => void; close: () => void }) {
  const text = useText();
  const { moves, draft } = props;
  const [reason, setReason] = useState("");
  const [name, setName] = useState(draft?.name ?? "");
  const body = { moves: sent(moves) };
  const tried = useQuery({ queryKey: ["tried", body], queryFn: () => post<Tried>("/planning/preview", body), placeholderData: keepPreviousData });
  const send = useSend<DraftDetail>();
  const called = name.trim() || text.t("planning.draft_name", { day: text.day(new Date()) });
  const go = (apply: boolean) =>
    send.mutate({ path: "/planning/drafts", body: { name: called, ...body, apply, reason: reason.trim() || null }, key: newKey() }, {
      onSuccess: () => { say(text.t(apply ? "planning.applied" : "planning.kept")); props.close(); },
    });
  const keep = () => (draft ? send.mutate({ path: `/planning/drafts/${draft.id}`, method: "PUT", version: draft.version, body: { name: called, ...body } }, { onSuccess: () => { say(text.t("planning.kept")); props.close(); } }) : go(false));
  const apply = () => {
    if (!draft) return go(true);
    send.mutate({ path: `/planning/drafts/${draft.id}`, method: "PUT", version: draft.version, body: { name: called, ...body } }, {
      onSuccess: (kept) => send.mutate({ path: `/planning/drafts/${draft.id}/apply`, version: kept.version, body: { reason: reason.trim() || null } }, { onSuccess: () => { say(text.t("planning.applied")); props.close(); } }),
    });
  };
  const changed = send.error instanceof ApiError && send.error.code === "draft_outdated" ? ((send.error.params.changed as Changed[] | undefined) ?? []) : [];
  return (
    <CardBlock title={text.t("planning.what_if", { count: moves.length })} right={<Button size="compact-sm" variant="default" leftSection={<X size={14} />} onClick={props.close}>{text.t("planning.drop_all")}</Button>}>
      <Loaded of={tried} skeleton={<Bones rows={3} />}>
        {(found) => (
          <div className="stack" style={{ gap: 12 }}>
            <div className="row wrap" style={{ gap: 8 }}>
              <Chip small tone={found.broken ? "watch" : "ok"}>{text.t("planning.broken", { count: found.broken })}</Chip>
              <Chip small tone={found.over ? "trouble" : "ok"}>{text.t("planning.over", { count: found.over })}</Chip>
              {found.hard && <Chip small tone="trouble">{text.t("planning.hard")}</Chip>}
            </div>
            <div className="scroll"><table className="grid bare small">
              <thead><tr><th>{text.t("planning.week")}</th><th>{text.t("planning.skill")}</th><th className="num">{text.t("planning.before")}</th><th className="num">{text.t("planning.after")}</th><th className="num">{text.t("planning.capacity")}</th></tr></thead>
              <tbody>{found.loads.map((one) => <tr key={`${one.week}${one.skill}`} style={one.over ? { color: "#a8281d", fontWeight: 600 } : undefined}><td className="num">{dayText(one.week, text)}</td><td style={{ whiteSpace: "nowrap" }}>{one.skill === "any" ? text.t("planning.any_skill") : one.skill}</td><td className="num">{hoursOf(one.before, text)} ({one.jobs_before})</td><td className="num">{hoursOf(one.after, text)} ({one.jobs_after})</td><td className="num">{one.capacity === null ? "–" : hoursOf(one.capacity, text)}</td></tr>)}</tbody>
            </table></div>
            <div>
              {found.moves.map((one) => (
                <div key={one.occurrence_id} className="row wrap small" style={{ gap: "2px 10px", padding: "6px 0", borderTop: "1px solid var(--line-soft)" }}>
                  <span className="grow break" style={{ flexBasis: 200 }}><b>{one.asset.name}</b> <span className="muted">{one.plan_code}</span></span>
                  <span className="num">{dayText(one.from_day as string | null, text)} → {dayText(one.to_day as string | null, text)}</span>
                  {one.problems.map((problem) => <Chip key={problem.code} small tone={problem.hard ? "trouble" : "watch"}>{problemWords(problem, text)}</Chip>)}
                  <Button size="compact-xs" variant="subtle" color="gray" aria-label={text.t("planning.take_out", { name: one.asset.name })} onClick={() => props.change(moves.filter((move) => move.work.id !== one.occurrence_id))}><Trash2 size={13} /></Button>
                </div>
              ))}
            </div>
            {send.error && <Notice tone="trouble">{problemText(send.error, text)}{changed.map((one) => <div key={one.id} className="small">{moves.find((move) => move.work.id === one.id)?.work.asset ?? one.id}: {text.t("planning.was_now", { was: one.yours.at ? text.day(one.yours.at) : "–", now: one.current.at ? text.day(one.current.at) : text.code("plan.work_state", one.current.state) })}</div>)}</Notice>}
            <div className="row wrap" style={{ gap: 10, alignItems: "flex-end" }}>
              <TextInput label={text.t("planning.name")} value={name} placeholder={called} maxLength={200} onChange={(event) => setName(event.currentTarget.value)} />
              <TextInput className="grow" style={{ flexBasis: 220 }} label={text.t(found.broken ? "planning.reason_needed" : "order.reason")} required={found.broken > 0} value={reason} maxLength={1000} onChange={(event) => setReason(event.currentTarget.value)} />
              <Button variant="default" leftSection={<Save size={16} />} loading={send.isPending} onClick={keep}>{text.t("planning.keep")}</Button>
              <Button leftSection={<Check size={16} />} loading={send.isPending} disabled={found.hard || (found.broken > 0 && !reason.trim())} onClick={apply}>{text.t("planning.apply")}</Button>
            </div>
          </div>
        )}
      </Loaded>
    </CardBlock>
  );
}

type Changed = { id: string; yours: { at: string | null; state: string }; current: { at: string | null; state: string } };

export const problemWords = (one: { code: string; days: number | null }, text: Text): string => text.t(`planning.problem.${one.code}`, { days: text.number(one.days, 1) });
