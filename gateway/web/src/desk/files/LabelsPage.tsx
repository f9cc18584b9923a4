/** QR labels: printed for machines, or printed first and bound to a machine in the field. */
import { QrCode, Tags } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { Notice } from "../../ui/states";
import { AssetTabs } from "../assets/AssetTabs";
import { ASSETS } from "../assets/look";
import { SheetButton } from "./Sheet";

export type Label = { id: string; code: string; url: string; state: "free" | "bound" | "revoked"; asset: { id: string; name: string; serial: string } | null; created_at?: string };

export function LabelsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [made, setMade] = useState<Label[]>([]);
  const manage = may(me, "label.manage");
  const add = manage ? <FormButton primary icon={Tags} label={text.t("labels.make")} form={{ path: "/labels", note: text.t("labels.make_note"), fields: [{ name: "count", label: "labels.count", kind: "integer", required: true, min: 1, max: 500 }], initial: { count: 24 }, after: (answer: { items: Label[] }) => setMade(answer.items) }} /> : undefined;
  return (
    <ListPage<Label>
      title={text.t("assets.tab.labels")}
      sub={text.t("labels.sub")}
      tabs={<AssetTabs />}
      above={made.length > 0 && <div style={{ marginBottom: 14 }}><Notice tone="ok" icon={QrCode}><div className="row wrap"><span className="grow">{text.t("labels.made", { count: made.length })}</span><SheetButton small body={{ label_ids: made.map((one) => one.id) }} /></div></Notice></div>}
      path="/labels"
      filters={[{ name: "state", label: "col.state", options: ["free", "bound", "revoked"].map((word) => ({ value: word, label: text.code("label_state", word) })) }]}
      columns={[
        { label: "labels.code", cell: (row) => <span className="mono">{row.code}</span> },
        { label: "col.asset", cell: (row) => (row.asset ? <Link className="link" to={`/assets/${row.asset.id}`}>{row.asset.name}</Link> : manage && row.state === "free" ? <FormButton small icon={QrCode} label={text.t("labels.bind")} form={{ path: "/labels/bind", fields: [{ name: "asset_id", label: "col.asset", kind: "pick", of: ASSETS, required: true }], body: (values) => ({ code: row.code, asset_id: (values.asset_id as { id: string }).id }) }} /> : <span className="faint">–</span>) },
        { label: "col.state", phone: "side", cell: (row) => <Chip tone={row.state === "bound" ? "ok" : row.state === "free" ? "learning" : "quiet"} small>{text.code("label_state", row.state)}</Chip> },
        { label: "col.act", cell: (row) => manage && row.state !== "revoked" && <span className="row wrap"><SheetButton small body={{ label_ids: [row.id] }} /><FormButton small danger label={text.t("labels.revoke")} form={{ path: `/labels/${row.id}/revoke`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }] }} /></span> },
      ]}
      right={add}
      empty={{ icon: QrCode, sentence: "labels.empty", example: "labels.example", action: add }}
    />
  );
}
