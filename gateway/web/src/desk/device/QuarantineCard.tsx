/** What of a device could not be stored, with the reason and the beginning of what it was; wrong clocks can be put right. */
import { Button, Modal, NumberInput } from "@mantine/core";
import { CheckCircle2 } from "lucide-react";
import { useState } from "react";

import { useHeldFacts } from "../../api/devices";
import { useAct } from "../../api/hooks";
import type { QuarantineRow } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Ago, CardBlock } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Empty, errorText } from "../../ui/states";

const HELD = "absurd_time"; // the reason that a clock's offset puts right

type Group = { newest: QuarantineRow; count: number };

export function QuarantineCard(props: { rows: QuarantineRow[]; manages: boolean }) {
  const text = useText();
  const [chosen, choose] = useState<QuarantineRow | null>(null);
  const groups = grouped(props.rows);
  return (
    <CardBlock title={text.t("quarantine.title")} flush last>
      {groups.length === 0 ? <Empty bare icon={CheckCircle2} sentence={text.t("quarantine.empty")} /> : <Rows groups={groups} choose={props.manages ? choose : undefined} />}
      {chosen && <Release key={chosen.id} row={chosen} close={() => choose(null)} />}
    </CardBlock>
  );
}

/** The same trouble again and again is one line; what can be released stays a line each. */
function grouped(rows: QuarantineRow[]): Group[] {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const key = row.reason === HELD ? row.id : `${row.reason}\n${row.detail ?? ""}`;
    const group = groups.get(key);
    if (group) group.count += 1;
    else groups.set(key, { newest: row, count: 1 });
  }
  return [...groups.values()];
}

type RowsProps = { groups: Group[]; choose?: (row: QuarantineRow) => void };

function Rows(props: RowsProps) {
  const text = useText();
  return (
    <>
      <div className="scroll hide-phone">
        <table className="grid">
          <thead><tr><th>{text.t("quarantine.reason")}</th><th>{text.t("quarantine.payload")}</th><th>{text.t("quarantine.received")}</th></tr></thead>
          <tbody>
            {props.groups.map(({ newest, count }) => (
              <tr key={newest.id}>
                <td style={{ minWidth: 160 }}><Why row={newest} count={count} choose={props.choose} /></td>
                <td style={{ minWidth: 200 }}><div className="mono tiny break clamp3" style={{ maxWidth: 420 }}>{newest.excerpt ?? newest.topic}</div></td>
                <td className="small muted nowrap"><Ago at={newest.received_at} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="only-phone">
        {props.groups.map(({ newest, count }) => (
          <div key={newest.id} className="inset" style={{ paddingTop: 10, paddingBottom: 10, borderTop: "1px solid var(--line-soft)" }}>
            <Why row={newest} count={count} choose={props.choose} />
            <div className="mono tiny break clamp3" style={{ margin: "4px 0" }}>{newest.excerpt ?? newest.topic}</div>
            <div className="tiny muted"><Ago at={newest.received_at} /></div>
          </div>
        ))}
      </div>
    </>
  );
}

function Why(props: { row: QuarantineRow; count: number; choose?: (row: QuarantineRow) => void }) {
  const text = useText();
  const { row, choose } = props;
  return (
    <>
      <div style={{ fontWeight: 560 }}>{text.code("quarantine_reason", row.reason)}{props.count > 1 && <span className="muted num"> × {props.count}</span>}</div>
      {row.detail && <div className="tiny muted break clamp3">{row.detail}</div>}
      {row.reason === HELD && choose && <button type="button" className="plainbutton link small" style={{ marginTop: 2 }} onClick={() => choose(row)}>{text.t("held.action")}</button>}
    </>
  );
}

/** Store what was held for its times, moved by what the clock was off. */
function Release(props: { row: QuarantineRow; close: () => void }) {
  const text = useText();
  const facts = useHeldFacts(props.row.id);
  const act = useAct<{ stored: number; left: number } | undefined>();
  const [typed, setTyped] = useState<number | string | null>(null);
  const suggested = facts.data?.suggested_offset_ms;
  const seconds = typed ?? (suggested === null || suggested === undefined ? "" : suggested / 1000);
  const settled = { onError: (error: Error) => say(errorText(error, text), "bad") };
  const release = () =>
    act.mutate(
      { path: `/quarantine/${props.row.id}/release`, body: { offset_ms: Math.round(Number(seconds) * 1000) } },
      { ...settled, onSuccess: (done) => (say(text.t("held.released", { stored: done?.stored ?? 0, left: done?.left ?? 0 })), props.close()) },
    );
  const remove = () => act.mutate({ path: `/quarantine/${props.row.id}`, method: "DELETE" }, { ...settled, onSuccess: props.close });
  return (
    <Modal opened onClose={props.close} title={text.t("held.title")}>
      <div className="stack" style={{ gap: 14 }}>
        <div className="small">{text.t("held.hint")}</div>
        <NumberInput label={text.t("held.offset")} description={suggested === null || suggested === undefined ? undefined : text.t("held.suggested")} value={seconds} onChange={setTyped} />
        <Button loading={act.isPending} disabled={seconds === "" || facts.data?.releasable === false} onClick={release}>{text.t("held.release")}</Button>
        <Button variant="subtle" color="red" onClick={remove}>{text.t("held.remove")}</Button>
      </div>
    </Modal>
  );
}
