/** What of a device could not be stored, with the reason and the beginning of what it was. */
import { CheckCircle2 } from "lucide-react";

import type { QuarantineRow } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Ago, CardBlock } from "../../ui/parts";
import { Empty } from "../../ui/states";

export function QuarantineCard(props: { rows: QuarantineRow[] }) {
  const text = useText();
  return (
    <CardBlock title={text.t("quarantine.title")} flush>
      {props.rows.length === 0 ? <Empty bare icon={CheckCircle2} sentence={text.t("quarantine.empty")} /> : <Rows rows={props.rows} />}
    </CardBlock>
  );
}

function Rows(props: { rows: QuarantineRow[] }) {
  const text = useText();
  return (
    <>
      <div className="scroll hide-phone">
        <table className="grid">
          <thead><tr><th>{text.t("quarantine.reason")}</th><th>{text.t("quarantine.payload")}</th><th>{text.t("quarantine.received")}</th></tr></thead>
          <tbody>
            {props.rows.map((row) => (
              <tr key={row.id}>
                <td style={{ minWidth: 160 }}><Why row={row} /></td>
                <td style={{ minWidth: 200 }}><div className="mono tiny break clamp3" style={{ maxWidth: 420 }}>{row.excerpt ?? row.topic}</div></td>
                <td className="small muted nowrap"><Ago at={row.received_at} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="only-phone">
        {props.rows.map((row) => (
          <div key={row.id} className="inset" style={{ paddingTop: 10, paddingBottom: 10, borderTop: "1px solid var(--line-soft)" }}>
            <Why row={row} />
            <div className="mono tiny break clamp3" style={{ margin: "4px 0" }}>{row.excerpt ?? row.topic}</div>
            <div className="tiny muted"><Ago at={row.received_at} /></div>
          </div>
        ))}
      </div>
    </>
  );
}

function Why(props: { row: QuarantineRow }) {
  const text = useText();
  return (
    <>
      <div style={{ fontWeight: 560 }}>{text.code("quarantine_reason", props.row.reason)}</div>
      {props.row.detail && <div className="tiny muted break">{props.row.detail}</div>}
    </>
  );
}
