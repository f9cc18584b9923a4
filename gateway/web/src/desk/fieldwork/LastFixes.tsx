/** What fixed this the last time: on this machine and on others of its model. */
import { Wrench } from "lucide-react";
import { Link } from "react-router";

import { useOne, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { CardBlock } from "../../ui/parts";

type Fix = Schema["LastFix"];
const SHOWN = 5;

export function LastFixesCard(props: { order: string }) {
  const text = useText();
  const found = useOne<Schema["LastFixes"]>(`/work-orders/${props.order}/last-fixes`);
  if (!found.data) return null; // beside the work, no part of it
  const name = (words: Fix["cause"]) => words && ((text.language === "zh" && words.name_zh) || words.name_en);
  const { items, basis } = found.data;
  return (
    <CardBlock title={text.t("fixes.title")}>
      <div className="small muted">{text.t(`fixes.basis.${basis}`)}</div>
      {items.slice(0, SHOWN).map((fix, at) => (
        <div key={at} className="line">
          <div className="row top" style={{ gap: 8 }}><Wrench size={15} aria-hidden style={{ flex: "none", marginTop: 3 }} /><span className="grow break" style={{ fontWeight: 560 }}>{name(fix.action) ?? text.code("outcome", fix.outcome)}</span><span className="small muted" style={{ flex: "none" }}>{text.t("fixes.times", { count: fix.count })}</span></div>
          {(fix.failure_mode || fix.cause) && <div className="small break" style={{ paddingLeft: 23 }}>{[name(fix.failure_mode), name(fix.cause)].filter(Boolean).join(" · ")}</div>}
          <div className="small muted break" style={{ paddingLeft: 23 }}>{text.t(fix.here > 0 ? "fixes.here" : "fixes.elsewhere", { count: fix.here })} · <Link className="link mono-num" to={`/work-orders/${fix.last_order_id}`}>{fix.last_number}</Link> · {text.day(fix.last_at)}</div>
          {fix.last_note && <div className="small break" style={{ paddingLeft: 23 }}>“{fix.last_note}”</div>}
        </div>
      ))}
    </CardBlock>
  );
}
