/** From which stored input and model a finding came, and a button that computes it once more. */
import { Button } from "@mantine/core";
import { CheckCircle2, Repeat2, TriangleAlert } from "lucide-react";

import { useExplanation, useReproduce, type Explanation } from "../../api/explain";
import { useText } from "../../i18n/useText";
import { errorText, Notice } from "../../ui/states";

export function SnapshotFoot(props: { finding: string }) {
  const explanation = useExplanation(props.finding);
  return explanation.data ? <Foot explanation={explanation.data} /> : null;
}

export function Foot(props: { explanation: Explanation }) {
  const text = useText();
  const { explanation } = props;
  const again = useReproduce();
  const { snapshot, model } = explanation;
  const done = again.data;
  return (
    <div className="stack" style={{ gap: 8 }}>
      <div className="small muted break">
        {model.learned?.rows && text.t("explain.learned", { rows: text.number(model.learned.rows, 0), since: text.day(model.learned.since), until: text.day(model.learned.until) })}{" "}
        {snapshot ? text.t("explain.snapshot", { rows: text.number(snapshot.rows, 0), size: text.value(snapshot.bytes, "By"), at: text.moment(snapshot.made_at) }) : text.t("explain.no_snapshot")}
      </div>
      {snapshot && <div><Button size="compact-sm" variant="default" leftSection={<Repeat2 size={14} />} loading={again.isPending} onClick={() => again.mutate(explanation.finding_id)}>{text.t("explain.reproduce")}</Button></div>}
      {again.error && <Notice tone="trouble" icon={TriangleAlert}>{errorText(again.error, text)}</Notice>}
      {done && (
        <Notice tone={done.reproduced ? "ok" : "watch"} icon={done.reproduced ? CheckCircle2 : TriangleAlert}>
          {text.language === "zh" ? done.zh : done.en}
          {done.differences.slice(0, 5).map((one) => <div key={one.field} className="mono tiny break">{one.field}: {JSON.stringify(one.stored)} → {JSON.stringify(one.recomputed)}</div>)}
        </Notice>
      )}
    </div>
  );
}
