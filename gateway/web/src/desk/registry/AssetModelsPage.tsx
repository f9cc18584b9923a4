/** Kinds of machines: what they measure, how they fail, what they are made of; a starter set to begin with. */
import { Button, Checkbox, Modal } from "@mantine/core";
import { PackagePlus, Plus, Shapes } from "lucide-react";
import { useState } from "react";
import { useNavigate, useOutletContext } from "react-router";

import { may, useOne, useSend } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip, Marks } from "../../ui/chips";
import { problemText, type Field } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { say } from "../../ui/Providers";
import { Bones, Loaded, Notice } from "../../ui/states";
import { KindTabs } from "./ModelTabs";

export type ModelRow = { id: string; code: string; name_en: string; name_zh: string | null; name: string; manufacturer?: string | null; version?: number; demo?: boolean };

export const modelFields: Field[] = [
  { name: "code", label: "col.code", required: true, half: true, most: 100 },
  { name: "manufacturer", label: "col.manufacturer", half: true },
  { name: "name_en", label: "col.name_en", required: true, half: true },
  { name: "name_zh", label: "col.name_zh", required: true, half: true },
];

export function AssetModelsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const manage = may(me, "asset.manage");
  const add = manage && (
    <>
      <Starter />
      <FormButton primary icon={Plus} label={text.t("asset_models.add")} form={{ path: "/asset-models", fields: modelFields, after: (made: { id: string }) => void navigate(`/asset-models/${made.id}`) }} />
    </>
  );
  return (
    <ListPage<ModelRow>
      title={text.t("nav.asset_models")}
      sub={text.t("asset_models.sub")}
      tabs={<KindTabs />}
      path="/asset-models"
      search="asset_models.search"
      exports="asset-models"
      columns={[
        { label: "col.name", cell: (row) => <>{(text.language === "zh" && row.name_zh) || row.name_en || row.name} <Marks demo={row.demo} /></> },
        { label: "col.code", cell: (row) => <span className="mono">{row.code}</span> },
        { label: "col.manufacturer", cell: (row) => row.manufacturer ?? <span className="faint">–</span> },
      ]}
      to={(row) => `/asset-models/${row.id}`}
      right={add}
      empty={{ icon: Shapes, sentence: "asset_models.empty", example: "asset_models.example", action: add && <div className="row wrap">{add}</div> }}
    />
  );
}

export type StarterModel = { code: string; name_en: string; name_zh: string; metrics: number | unknown[]; failure_modes: number | unknown[]; present: boolean };
const count = (value: number | unknown[] | null | undefined): number => (Array.isArray(value) ? value.length : (value ?? 0));

function Starter() {
  const text = useText();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant="default" leftSection={<PackagePlus size={16} />} onClick={() => setOpen(true)}>{text.t("asset_models.starter")}</Button>
      {open && <StarterModal close={() => setOpen(false)} />}
    </>
  );
}

function StarterModal(props: { close: () => void }) {
  const text = useText();
  const models = useOne<{ items: StarterModel[] }>("/starter-models");
  const [out, setOut] = useState<string[]>([]);
  const send = useSend<{ inserted: number; updated: number; unchanged: number }>();
  const codes = (models.data?.items ?? []).filter((one) => !out.includes(one.code)).map((one) => one.code);
  return (
    <Modal opened onClose={props.close} title={text.t("asset_models.starter")} size="lg">
      <Loaded of={models} skeleton={<Bones rows={6} />}>
        {(data) => (
          <div className="stack" style={{ gap: 10 }}>
            <div className="small muted">{text.t("asset_models.starter_hint")}</div>
            {data.items.map((one) => (
              <Checkbox key={one.code} checked={!out.includes(one.code)} onChange={(event) => setOut(event.currentTarget.checked ? out.filter((code) => code !== one.code) : [...out, one.code])}
                label={<span className="row wrap" style={{ gap: "2px 8px" }}><b style={{ fontWeight: 580 }}>{text.language === "zh" ? one.name_zh : one.name_en}</b><span className="small muted">{text.t("asset_models.has", { metrics: count(one.metrics), modes: count(one.failure_modes) })}</span>{one.present && <Chip tone="ok" small>{text.t("asset_models.present")}</Chip>}</span>} />
            ))}
            {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
            <Button loading={send.isPending} disabled={codes.length === 0} onClick={() => send.mutate({ path: "/starter-models", body: { codes } }, { onSuccess: (done) => (say(text.t("asset_models.starter_done", { inserted: done.inserted, updated: done.updated })), props.close()) })}>{text.t("asset_models.starter_take", { count: codes.length })}</Button>
          </div>
        )}
      </Loaded>
    </Modal>
  );
}
