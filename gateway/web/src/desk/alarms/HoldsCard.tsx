/** What people have put away: shelved alarms and machines out of service, with the way back. */
import { Button } from "@mantine/core";
import { Undo2 } from "lucide-react";
import { Link } from "react-router";

import type { AlarmHold } from "../../api/alarms";
import { useAct } from "../../api/hooks";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { CardBlock } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { errorText } from "../../ui/states";

export function HoldsCard(props: { holds: AlarmHold[]; manage: boolean; bare?: boolean }) {
  const text = useText();
  const act = useAct();
  const end = (hold: AlarmHold) =>
    act.mutate({ path: `/alarm-holds/${hold.id}/end` }, { onSuccess: () => say(text.t("alarms.done.unshelve")), onError: (error) => say(errorText(error, text), "bad") });
  return (
    <CardBlock title={text.t("holds.title")} flush>
      {props.holds.map((hold) => (
        <div key={hold.id} className="inset row wrap" style={{ gap: "4px 14px", paddingTop: 11, paddingBottom: 11, borderTop: "1px solid var(--line-soft)" }}>
          <div className="grow" style={{ flexBasis: 220 }}>
            <div className="row wrap" style={{ gap: 6 }}>
              {!props.bare && <Link className="plain break" style={{ fontWeight: 620 }} to={`/assets/${hold.asset.id}`}>{hold.asset.name}</Link>}
              <Chip tone="quiet" small>{text.code("hold", hold.kind)}</Chip>
              {hold.key === null && <span className="tiny muted">{text.t("holds.all")}</span>}
            </div>
            <div className="small muted break">“{hold.reason}” · {hold.by?.name ?? text.t("actor.system")} · {hold.until ? text.t("holds.until", { at: text.moment(hold.until) }) : text.t("holds.open_ended")}</div>
          </div>
          {props.manage && <Button size="compact-sm" variant="default" leftSection={<Undo2 size={14} />} loading={act.isPending && act.variables?.path.includes(hold.id)} onClick={() => end(hold)}>{text.t("holds.end")}</Button>}
        </div>
      ))}
    </CardBlock>
  );
}
