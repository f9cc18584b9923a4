/** A remote-diagnosis session: live values and curve of the machine, what was looked at, and how it ends. */
import { MonitorPlay } from "lucide-react";
import { useState } from "react";

import { useAsset } from "../../api/hooks";
import { useOne, useSend, type Schema } from "../../api/rows";
import type { AssetDetail } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { CardBlock } from "../../ui/parts";
import { Bones, Loaded } from "../../ui/states";
import { MetricChart } from "../MetricChart";
import { ValuesTable } from "../ValuesTable";
import { words } from "./common";

const OUTCOMES = ["fixed_remotely", "visit_needed", "no_fault", "unreachable"];

export function Remote(props: { id: string }) {
  const { t } = useText();
  const session = useOne<Schema["RemoteSessionItem"]>(`/remote-sessions/${props.id}`);
  return <CardBlock title={<span className="row" style={{ gap: 8 }}><MonitorPlay size={18} aria-hidden />{t("remote.title")}</span>}><Loaded of={session} skeleton={<Bones rows={5} />}>{(one) => <Looking session={one} />}</Loaded></CardBlock>;
}

function Looking(props: { session: Schema["RemoteSessionItem"] }) {
  const asset = useAsset(props.session.asset.id);
  return <Loaded of={asset} skeleton={<Bones rows={5} />}>{(one) => <Machine asset={one} session={props.session} />}</Loaded>;
}

function Machine(props: { asset: AssetDetail; session: Schema["RemoteSessionItem"] }) {
  const { asset, session } = props;
  const text = useText();
  const [metric, setMetric] = useState<string | null>(session.looks.at(-1)?.metric as string | undefined ?? null);
  const look = useSend();
  const choose = (name: string) => {
    setMetric(name);
    const end = asset.replayed && asset.last_reading_at ? new Date(new Date(asset.last_reading_at).getTime() + 1000) : new Date();
    look.mutate({ path: `/remote-sessions/${session.id}/looks`, body: { metric: name, from: new Date(end.getTime() - 3_600_000).toISOString(), until: end.toISOString() } });
  };
  return (
    <div className="stack" style={{ gap: 14 }}>
      <div className="small muted">{text.t("remote.hint")}</div>
      <ValuesTable asset={asset} chosen={metric} choose={choose} />
      {metric && <MetricChart asset={asset} metric={metric} onMetric={choose} />}
      <div className="row wrap" style={{ gap: 6 }}>
        {session.looks.map((each) => <Chip key={String(each.metric)} tone="quiet" small>{String(each.metric)}</Chip>)}
        <span className="grow" />
        <FormButton primary label={text.t("remote.end")} form={{ path: `/remote-sessions/${session.id}/end`, size: "lg", fields: [
          { name: "outcome", label: "cases.outcome", kind: "select", required: true, options: words("remote_outcome", OUTCOMES, text) },
          { name: "advised", label: "remote.advised", kind: "area", most: 4000, hint: "remote.advised_hint" },
          { name: "tell_customer", label: "remote.tell", kind: "switch" },
        ], done: "remote.ended" }} />
      </div>
    </div>
  );
}
