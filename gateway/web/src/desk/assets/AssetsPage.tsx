/** Every machine: found by name or serial, narrowed by site, customer, model and lifecycle. */
import { Boxes, Plus } from "lucide-react";
import { useNavigate, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { AssetCard, Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Marks, StateChip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { LIFECYCLE, LifecycleChip, MODELS, CUSTOMERS, SITES, ASSETS } from "./look";
import { AssetTabs } from "./AssetTabs";

export type Row = AssetCard & { lifecycle?: string };

export function AssetsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  return (
    <ListPage<Row>
      title={text.t("nav.assets")}
      sub={text.t("assets.sub")}
      tabs={<AssetTabs />}
      path="/assets"
      search="assets.search"
      exports="assets"
      filters={[
        { name: "site_id", label: "col.site", of: SITES },
        { name: "customer_id", label: "col.customer", of: CUSTOMERS },
        { name: "model_id", label: "col.model", of: MODELS },
        { name: "lifecycle", label: "col.lifecycle", options: LIFECYCLE.map((word) => ({ value: word, label: text.code("lifecycle", word) })) },
      ]}
      columns={[
        { label: "col.name", sort: "name", width: "26%", cell: (row) => <span className="break">{row.name} <Marks demo={row.demo} /></span> },
        { label: "col.serial", sort: "serial", width: "16%", cell: (row) => <span className="mono break">{row.serial}</span> },
        { label: "col.model", sort: "model", cell: (row) => (row.model ? (text.language === "zh" && row.model.name_zh) || row.model.name_en : <span className="faint">–</span>) },
        { label: "col.site", sort: "site", cell: (row) => row.site?.name ?? <span className="faint">–</span>, phone: "hide" },
        { label: "col.customer", sort: "customer", cell: (row) => row.customer?.name ?? <span className="faint">–</span>, phone: "hide" },
        { label: "col.lifecycle", sort: "lifecycle", width: "110px", cell: (row) => (row.lifecycle ? <LifecycleChip state={row.lifecycle} /> : <span className="faint">–</span>) },
        { label: "col.state", width: "140px", cell: (row) => <StateChip state={row.state} small />, phone: "side" },
      ]}
      to={(row) => `/assets/${row.id}`}
      right={may(me, "asset.manage") && <AddAsset />}
      empty={{ icon: Boxes, sentence: "assets.empty", example: "assets.example", action: may(me, "asset.manage") ? <AddAsset /> : undefined }}
    />
  );
}

export function assetFields(text: ReturnType<typeof useText>): Field[] {
  return [
    { name: "name", label: "col.name", required: true },
    { name: "serial", label: "col.serial", required: true, half: true, most: 120 },
    { name: "asset_model_id", label: "col.model", kind: "pick", of: MODELS, half: true },
    { name: "site_id", label: "col.site", kind: "pick", of: SITES, half: true },
    { name: "customer_id", label: "col.customer", kind: "pick", of: CUSTOMERS, half: true },
    { name: "parent_id", label: "assets.part_of", kind: "pick", of: ASSETS, half: true },
    { name: "lifecycle", label: "col.lifecycle", kind: "select", half: true, options: ["planned", "in_stock", "installed", "in_service"].map((word) => ({ value: word, label: text.code("lifecycle", word) })) },
  ];
}

function AddAsset() {
  const text = useText();
  const navigate = useNavigate();
  return <FormButton primary icon={Plus} label={text.t("assets.add")} form={{ path: "/assets", fields: assetFields(text), initial: { lifecycle: "in_service" }, done: "assets.added", after: (made: { id: string }) => void navigate(`/assets/${made.id}`) }} />;
}
