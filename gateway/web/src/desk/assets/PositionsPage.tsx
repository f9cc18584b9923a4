/** Positions: places that stay while the machines on them are swapped. */
import { MapPin, Plus } from "lucide-react";
import { useNavigate, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { ListPage } from "../../ui/ListPage";
import { AssetTabs } from "./AssetTabs";
import { SITES } from "./look";

export type PositionRow = { id: string; name: string; site_id: string | null; site: { id: string; name: string } | null; asset_id: string | null; asset: { id: string; name: string; serial: string } | null };

export function PositionsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const add = may(me, "asset.manage") ? <AddPosition /> : undefined;
  return (
    <ListPage<PositionRow>
      title={text.t("assets.tab.positions")}
      sub={text.t("positions.sub")}
      tabs={<AssetTabs />}
      path="/positions"
      search="positions.search"
      exports="positions"
      filters={[{ name: "site_id", label: "col.site", of: SITES }]}
      columns={[
        { label: "col.position", cell: (row) => row.name },
        { label: "positions.standing", cell: (row) => (row.asset ? <>{row.asset.name} <span className="mono small muted">{row.asset.serial}</span></> : <span className="faint">{text.t(row.asset_id ? "positions.taken" : "positions.free")}</span>) },
        { label: "col.site", cell: (row) => row.site?.name ?? <span className="faint">–</span> },
      ]}
      to={(row) => `/positions/${row.id}`}
      right={add}
      empty={{ icon: MapPin, sentence: "positions.empty", example: "positions.example", action: add }}
    />
  );
}

function AddPosition() {
  const text = useText();
  const navigate = useNavigate();
  return <FormButton primary icon={Plus} label={text.t("positions.add")} form={{ path: "/positions", fields: [{ name: "name", label: "col.name", required: true, example: "P-101" }, { name: "site_id", label: "col.site", hint: "positions.site_hint", kind: "pick", of: SITES }], after: (made: { id: string }) => void navigate(`/positions/${made.id}`) }} />;
}
