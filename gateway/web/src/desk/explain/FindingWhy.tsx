/** Why something was noticed: the sentences, each sensor's share, and the means to compute it again. */
import { useExplanation } from "../../api/explain";
import { useText } from "../../i18n/useText";
import type { Finding } from "../../api/types";
import { metricLabel } from "../../text/metrics";
import { reasonText } from "../../text/reasons";
import { Lines } from "../../ui/Explained";
import { Bones } from "../../ui/states";
import { Foot } from "./SnapshotFoot";

const SENSORS = 5;

export function FindingWhy(props: { finding: Finding }) {
  const text = useText();
  const { finding } = props;
  const explanation = useExplanation(finding.id);
  return (
    <div className="stack" style={{ gap: 10, padding: "8px 0 4px" }}>
      {explanation.isPending && <Bones rows={2} />}
      {explanation.data && <Lines lines={explanation.data.lines} />}
      {finding.decision && <div className="small">{reasonText({ code: finding.decision.reason, params: finding.decision.params }, text)}</div>}
      {!explanation.data && finding.contributions.slice(0, SENSORS).map((one) => (
        <div key={one.metric} className="row small" style={{ gap: 8 }}>
          <span className="grow break">{metricLabel(one, text.language)}</span>
          <span className="num nowrap"><span className="muted">{text.value(one.expected, one.unit_label)} → </span><b>{text.value(one.seen, one.unit_label)}</b></span>
          <span className="tiny num muted" style={{ minWidth: 34, textAlign: "right" }}>{text.percent(one.share)}</span>
        </div>
      ))}
      {explanation.data && <Foot explanation={explanation.data} />}
    </div>
  );
}
