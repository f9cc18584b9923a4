/** What makes up an alarm: its evidence, what it stands for elsewhere, who was told. */
import type { ReactNode } from "react";
import { Link } from "react-router";

import { useAlarm, type AlarmDetail } from "../../api/alarms";
import { useText } from "../../i18n/useText";
import { noticed } from "../../text/noticed";
import { reasonText } from "../../text/reasons";
import { Bones, Loaded } from "../../ui/states";

const ROWS = 12;
const LAYERS: Record<string, string> = { limits: "L1" }; // the same ending means a limit there

export function AlarmFacts(props: { id: string }) {
  const alarm = useAlarm(props.id);
  return (
    <div style={{ borderTop: "1px solid var(--line-soft)" }} className="inset">
      <Loaded of={alarm} skeleton={<Bones rows={3} />}>{(data) => <Parts alarm={data} />}</Loaded>
    </div>
  );
}

function Parts(props: { alarm: AlarmDetail }) {
  const text = useText();
  const { evidence, affected, notifications } = props.alarm;
  return (
    <div className="stack" style={{ gap: 16, padding: "14px 0 18px" }}>
      <Part title={text.t("alarms.evidence", { count: evidence.length })}>
        {evidence.slice(0, ROWS).map((one) => (
          <Line key={one.finding_id} left={noticed({ signature: one.signature, layer: LAYERS[one.detector] }, text)} right={<>{text.moment(one.first_at)} · {text.lasted(one.first_at, one.cleared_at)}</>} />
        ))}
      </Part>
      {affected.length > 0 && (
        <Part title={text.t("alarms.affected", { count: affected.length })}>
          {affected.slice(0, ROWS).map((one) => (
            <Line key={one.finding_id} left={<Link className="link" to={`/assets/${one.asset.id}`}>{one.asset.name}</Link>} right={reasonText({ code: one.reason, params: { asset_name: props.alarm.asset.name } }, text)} />
          ))}
          {affected.length > ROWS && <div className="small muted">{text.t("bulk.more", { count: affected.length - ROWS })}</div>}
        </Part>
      )}
      {notifications.length > 0 && (
        <Part title={text.t("alarms.told")}>
          {notifications.slice(0, ROWS).map((one, index) => (
            <Line key={index} left={one.person?.name ?? "–"} right={<>{text.code("told", one.state)} · {text.code("told_by", one.channel)} · {text.moment(one.at)}</>} />
          ))}
        </Part>
      )}
    </div>
  );
}

function Part(props: { title: string; children: ReactNode }) {
  return <div><div className="eyebrow" style={{ marginBottom: 4 }}>{props.title}</div>{props.children}</div>;
}

function Line(props: { left: ReactNode; right: ReactNode }) {
  return (
    <div className="row wrap small" style={{ gap: "2px 12px", padding: "5px 0", borderTop: "1px solid var(--line-soft)" }}>
      <span className="grow break" style={{ flexBasis: 200 }}>{props.left}</span><span className="muted">{props.right}</span>
    </div>
  );
}
