/** Who pays for work on this machine: what warranty and contracts cover until when, as kept on the phone. */
import { ShieldCheck } from "lucide-react";

import { CoverChip, clauseText, metersText, scopeText } from "../../desk/warranty/look";
import type { AssetWarranty } from "../../desk/warranty/types";
import { useText } from "../../i18n/useText";
import { coverPath } from "../ahead";
import { useKept } from "../kept";

export function Cover(props: { asset: string }) {
  const text = useText();
  const kept = useKept<AssetWarranty>(["warranty"], coverPath(props.asset), 300_000);
  if (!kept.data) return null;
  const covers = kept.data.cover;
  return (
    <section className="card pad">
      <h2 className="row" style={{ gap: 8 }}><ShieldCheck size={18} aria-hidden />{text.t("warranty.cover")}</h2>
      {covers.length === 0 && <div className="small muted">{text.t("warranty.none")}</div>}
      {covers.map((one, index) => (
        <div key={index} className="line">
          <div className="row wrap" style={{ gap: "4px 10px" }}><CoverChip state={one.state} /><span className="grow break" style={{ fontWeight: 600 }}>{scopeText(one.clause, text) || text.code("terms_kind", one.kind)}</span></div>
          <div className="small">{text.day(one.begins_on)} – <b>{text.day(one.ends_on)}</b></div>
          <div className="small muted break">{[one.code, metersText(one.meters, text), clauseText(one.clause, text)].filter(Boolean).join(" · ")}</div>
        </div>
      ))}
    </section>
  );
}
