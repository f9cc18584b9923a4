/** Findings that last but open nothing, grouped by the rule that holds them back. */
import { Link } from "react-router";

import type { Decision, Finding } from "../../api/types";
import { useText } from "../../i18n/useText";
import { noticed } from "../../text/noticed";
import { reasonText } from "../../text/reasons";
import { Marks, SeverityChip } from "../../ui/chips";
import { CardBlock, Since } from "../../ui/parts";

type Held = Finding & { decision: Decision };

export function HeldBack(props: { findings: Finding[] }) {
  const text = useText();
  const groups = new Map<string, Held[]>();
  for (const finding of props.findings)
    if (finding.decision) groups.set(finding.decision.reason, [...(groups.get(finding.decision.reason) ?? []), finding as Held]);
  return (
    <>
      {[...groups].map(([reason, findings]) => (
        <CardBlock key={reason} title={<>{text.code("reason_name", reason)} <span className="muted num">{findings.length}</span></>} flush>
          {findings.map((finding) => (
            <div key={finding.id} className="inset row wrap top" style={{ gap: "4px 16px", paddingTop: 11, paddingBottom: 11, borderTop: "1px solid var(--line-soft)" }}>
              <div className="grow" style={{ flexBasis: 260 }}>
                <Link className="plain break" style={{ fontWeight: 620 }} to={`/assets/${finding.asset.id}`}>{finding.asset.name}</Link>
                <div className="small break">{noticed(finding, text)}</div>
                <div className="small muted break">{reasonText({ code: finding.decision.reason, params: finding.decision.params }, text)}</div>
              </div>
              <div className="row wrap small muted" style={{ gap: 8 }}><Marks replayed={finding.replayed} /><SeverityChip severity={finding.severity} small /><Since at={finding.first_at} /></div>
            </div>
          ))}
        </CardBlock>
      ))}
    </>
  );
}
