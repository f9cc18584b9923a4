/** A machine on the phone, also one without a job. */
import { ChevronLeft } from "lucide-react";
import { Link, useOutletContext, useParams } from "react-router";

import type { AssetDetail, Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Marks } from "../ui/chips";
import { assetPath } from "./ahead";
import { GoThere } from "./GoThere";
import { Machine } from "./job/Machine";
import type { Spot } from "./jobs";
import { useKept } from "./kept";

export function AssetPage() {
  const { id = "" } = useParams();
  const { t } = useText();
  const me = useOutletContext<Me>();
  const asset = useKept<AssetDetail & Spot>(["asset"], assetPath(id), 10_000);
  return (
    <>
      <Link to="/" className="row muted plain" style={{ minHeight: 44, fontWeight: 560 }}><ChevronLeft size={20} aria-hidden />{t("field.mine")}</Link>
      {asset.data && (
        <div>
          <div className="row wrap" style={{ gap: 6 }}><Marks demo={asset.data.demo} replayed={asset.data.replayed} /></div>
          <h1>{asset.data.name}</h1>
          <div className="muted small break">{[asset.data.site?.name, asset.data.serial].filter(Boolean).join(" · ")}</div>
          {asset.data.open_work_order && <Link className="link row" style={{ minHeight: 44 }} to={`/work/${asset.data.open_work_order.id}`}>{t("machine.open_order", { number: asset.data.open_work_order.number })}</Link>}
          {asset.data.latitude_deg != null && <GoThere spot={asset.data} name={asset.data.name} />}
        </div>
      )}
      <Machine asset={id} me={me} />
    </>
  );
}
