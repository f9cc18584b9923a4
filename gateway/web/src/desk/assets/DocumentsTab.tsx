/** The documents of a machine and of its model, and the labels that carry its code. */
import { QrCode } from "lucide-react";
import { useOutletContext } from "react-router";

import { may, useList } from "../../api/rows";
import type { AssetDetail, Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { CardBlock } from "../../ui/parts";
import { DocumentList } from "../files/DocumentList";
import type { Label } from "../files/LabelsPage";
import { SheetButton } from "../files/Sheet";

export function DocumentsTab(props: { asset: AssetDetail }) {
  const { asset } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const labels = useList<Label>("/labels", { asset_id: asset.id, limit: 50 });
  const manage = may(me, "label.manage");
  return (
    <div className="two">
      <div><DocumentList asked={{ asset_id: asset.id }} owner={{ asset_id: asset.id }} title={text.t("documents.of_machine")} /></div>
      <div>
        <CardBlock title={text.t("labels.title")}>
          <div className="small" style={{ marginBottom: 10 }}>{text.t("labels.own_code")} <b className="mono">{asset.code}</b></div>
          <div className="row wrap" style={{ marginBottom: 8 }}>
            {manage && <SheetButton small body={{ asset_ids: [asset.id] }} />}
            {manage && <FormButton small icon={QrCode} label={text.t("labels.bind")} form={{ path: "/labels/bind", fields: [{ name: "code", label: "labels.code", hint: "labels.code_hint", required: true, most: 300 }], body: (values) => ({ code: String(values.code).trim(), asset_id: asset.id }), done: "labels.bound" }} />}
            {manage && <FormButton small danger label={text.t("labels.renew")} form={{ path: `/assets/${asset.id}/code/renew`, note: text.t("labels.renew_note"), fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }], done: "labels.renewed" }} />}
          </div>
          {(labels.data?.items ?? []).map((label) => (
            <div key={label.id} className="row wrap line small"><span className="mono grow">{label.code}</span><Chip tone={label.state === "bound" ? "ok" : "quiet"} small>{text.code("label_state", label.state)}</Chip>
              {manage && label.state !== "revoked" && <FormButton small danger label={text.t("labels.revoke")} form={{ path: `/labels/${label.id}/revoke`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }] }} />}
            </div>
          ))}
        </CardBlock>
      </div>
    </div>
  );
}
