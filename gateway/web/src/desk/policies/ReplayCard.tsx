/** What a policy would have done on the stored history, beside what is in force. */
import { Button, Select } from "@mantine/core";
import { History, TriangleAlert } from "lucide-react";
import { useState } from "react";

import { useReplay, type Draft, type Policy, type Replay } from "../../api/policies";
import { useText } from "../../i18n/useText";
import { CardBlock } from "../../ui/parts";
import { errorText, Notice } from "../../ui/states";
import { replaySentence } from "./PoliciesPage";
import { ReplayedOrders } from "./ReplayedOrders";

const DAYS = [7, 30, 90, 365];

export function ReplayCard(props: { draft: Draft; policy: Policy | null; stale: boolean; may: boolean; done: () => void }) {
  const text = useText();
  const [days, setDays] = useState(30);
  const replay = useReplay();
  const run = () => {
    const now = Date.now();
    replay.mutate(
      { draft: { ...props.draft, name: props.draft.name.trim() || "–" }, policy: props.policy?.id ?? null, from: new Date(now - days * 86_400_000).toISOString(), to: new Date(now).toISOString() },
      { onSuccess: props.done },
    );
  };
  const last = props.policy?.last_replay;
  return (
    <CardBlock title={<span className="row" style={{ gap: 7 }}><History size={16} aria-hidden />{text.t("replay.title")}</span>}>
      <div className="small muted" style={{ marginBottom: 12 }}>{text.t("replay.hint")}</div>
      {props.may && (
        <div className="row wrap" style={{ gap: 10 }}>
          <Select aria-label={text.t("replay.span")} value={String(days)} onChange={(value) => setDays(Number(value))} data={DAYS.map((one) => ({ value: String(one), label: text.t("replay.days", { count: one }) }))} style={{ width: 150 }} />
          <Button leftSection={<History size={16} />} loading={replay.isPending} onClick={run}>{text.t("replay.run")}</Button>
        </div>
      )}
      <div className="stack" style={{ gap: 14, marginTop: 14 }} aria-live="polite">
        {replay.error && <Notice tone="trouble" icon={TriangleAlert}>{errorText(replay.error, text)}</Notice>}
        {replay.data ? <Result replay={replay.data} stale={props.stale} /> : last && <div className="small muted">{text.t("replay.last", { at: text.moment(last.at) })} {replaySentence(last, text)}</div>}
      </div>
    </CardBlock>
  );
}

const ROWS = ["work_orders", "true", "false", "unknown", "watched"] as const;

function Result(props: { replay: Replay; stale: boolean }) {
  const text = useText();
  const { replay } = props;
  const held = Object.entries(replay.draft.held_back).sort((one, other) => other[1] - one[1]);
  return (
    <>
      {props.stale && <Notice tone="watch" icon={TriangleAlert}>{text.t("replay.stale")}</Notice>}
      <div data-testid="replay" style={{ fontSize: 17, fontWeight: 640, lineHeight: 1.4 }}>{replaySentence({ ...replay.draft, at: replay.to, from: replay.from, to: replay.to }, text)}</div>
      <div className="small muted">{text.t("replay.from_what", { findings: text.number(replay.findings, 0), assets: text.number(replay.assets, 0) })}</div>
      <table className="grid bare">
        <thead><tr><th /><th className="num">{text.t("replay.draft")}</th><th className="num">{text.t("replay.in_force")}</th></tr></thead>
        <tbody>
          {ROWS.map((row) => (
            <tr key={row}><td>{text.t(`replay.row.${row}`)}</td><td className="num" style={{ fontWeight: 640 }}>{text.number(replay.draft[row], 0)}</td><td className="num muted">{text.number(replay.in_force[row], 0)}</td></tr>
          ))}
          <tr><td>{text.t("replay.row.rate")}</td><td className="num" style={{ fontWeight: 640 }}>{text.number(replay.draft.false_per_asset_month, 2)}</td><td className="num muted">{text.number(replay.in_force.false_per_asset_month, 2)}</td></tr>
        </tbody>
      </table>
      {held.length > 0 && (
        <div>
          <div className="eyebrow" style={{ marginBottom: 4 }}>{text.t("replay.held_back")}</div>
          {held.map(([reason, count]) => <div key={reason} className="row small" style={{ padding: "3px 0" }}><span className="grow">{text.code("reason_name", reason)}</span><span className="num">{text.number(count, 0)}</span></div>)}
        </div>
      )}
      <ReplayedOrders replay={replay} />
    </>
  );
}
