/** The verdict of each line: in or out of warranty, by which clause, who pays, and what was looked at on the way. */
import { ChevronDown } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link } from "react-router";

import { useText } from "../../i18n/useText";
import { clauseText, VerdictChip } from "./look";
import type { Coverage } from "./types";

export function VerdictLines(props: { coverage: Coverage; act?: (line: Coverage["lines"][number]) => ReactNode }) {
  return <>{props.coverage.lines.map((line) => <VerdictLine key={line.line_id} line={line} act={props.act?.(line)} />)}</>;
}

function VerdictLine(props: { line: Coverage["lines"][number]; act?: ReactNode }) {
  const text = useText();
  const { line } = props;
  const [open, setOpen] = useState(false);
  const by = line.decided_by;
  const reason = line.reason ? text.code("cover_reason", line.reason, spoken(line.reason_params)) : "";
  const comma = text.language === "zh" ? "、" : ", ";
  const said = [
    reason,
    line.payers.map((one) => `${text.code("payer", one.payer)} ${text.number(one.share_percent, 0)}%`).join(comma),
    line.missing.length > 0 ? text.t("warranty.missing", { facts: line.missing.map((word) => text.code("missing_fact", word)).join(comma) }) : "",
    line.remedies.length > 0 ? text.t("warranty.remedies", { remedies: line.remedies.map((word) => text.code("remedy", word)).join(comma) }) : "",
  ].filter(Boolean);
  return (
    <div className="line">
      <div className="row wrap" style={{ gap: "6px 10px" }}>
        {line.override && line.computed && <><VerdictChip verdict={line.computed} small /><span className="muted">→</span></>}<VerdictChip verdict={line.override?.verdict ?? line.verdict} small />
        <span className="grow break" style={{ fontWeight: 560 }}>{text.code("line_kind", line.kind)}{line.description ? `: ${line.description}` : line.part_item ? `: ${line.part_item}` : ""}{line.component && <span className="muted"> · {text.code("component", line.component)}</span>}</span>
        {line.override && <span className="small muted break">“{line.override.reason}”</span>}
        {props.act}
      </div>
      {by && <div className="clause">
        <div className="break">“{clauseText({ ...by, id: by.id }, text)}”</div>
        <div className="tiny muted"><Link className="link" to={by.source === "contract" ? `/contracts/${by.id}` : `/warranties/terms/${by.id}`}>{by.code}{by.source !== "contract" && ` v${by.version}`}</Link>{by.ends_on && ` · ${text.day(by.begins_on)} – ${text.day(by.ends_on)}`}</div>
      </div>}
      {said.length > 0 && <div className="small muted break" style={{ marginTop: 4 }}>{said.join(" · ")}</div>}
      {line.considered.length > 0 && (
        <>
          <button type="button" className="plainbutton tiny link row" style={{ gap: 3, marginTop: 3 }} aria-expanded={open} onClick={() => setOpen(!open)}><ChevronDown size={13} style={{ transform: open ? "rotate(180deg)" : undefined }} aria-hidden />{text.t("warranty.considered", { count: line.considered.length })}</button>
          {open && line.considered.map((one) => <div key={`${one.code}${one.version}${one.clause_id}`} className="row wrap tiny" style={{ gap: "2px 10px", padding: "3px 0" }}><span className="mono">{one.code} v{one.version}</span><span className="grow muted">{text.code("cover_result", one.result)}{one.reason && `: ${text.code("cover_reason", one.reason)}`}{one.missing.length > 0 && ` (${one.missing.map((word) => text.code("missing_fact", word)).join(", ")})`}</span></div>)}
        </>
      )}
    </div>
  );
}

const spoken = (params: Record<string, unknown> | null): Record<string, unknown> => Object.fromEntries(Object.entries(params ?? {}).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "–")]));
