/** One model's card: what it learned from, how good it is, its history; verify it, keep it, roll back to it. */
import { Button, Modal, Textarea } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { CheckCircle2, History, Pin, PinOff, ShieldCheck, TriangleAlert } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useOutletContext, useParams } from "react-router";

import { useAct } from "../../api/hooks";
import { useModel, type ModelDetail, type StoredModel, type Verified } from "../../api/models";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { CardBlock, CopyIcon, Facts, PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, errorText, Loaded, Notice } from "../../ui/states";
import { decides } from "../alarms/AlarmsPage";
import { forNames, ModelChip, modelTitle, shownFigures } from "./cards";
import { ModelCard } from "./ModelCard";
import { ShadowCard } from "./ShadowCard";

export function ModelPage() {
  const { id = "" } = useParams();
  const model = useModel(id);
  return <Loaded of={model} skeleton={<Bones rows={9} height={24} />}>{(data) => <Card model={data} key={data.id} />}</Loaded>;
}

function Card(props: { model: ModelDetail }) {
  const text = useText();
  const { model } = props;
  const may = decides(useOutletContext<Me>());
  const said = (one: { en: string; zh: string }) => (text.language === "zh" ? one.zh : one.en);
  const figures = shownFigures(model.figures, text);
  useTitle(modelTitle(model, text));
  return (
    <>
      <PageHead back={{ to: "/models/store", label: text.t("models.tab.store") }} title={modelTitle(model, text)} marks={<ModelChip state={model.state} />} sub={said(model.state_reason)} right={may && <Acts model={model} />} />
      <div className="two">
        <div>
          {model.state === "challenger" && <ShadowCard id={model.id} />}
          <CardBlock title={text.t("models.figures")}>
            {figures.length === 0 ? <div className="small muted">{text.t("models.no_figures")}</div> : <div className="tiles">{figures.map(([name, value]) => <div key={name}><div className="eyebrow">{name}</div><div className="num" style={{ fontSize: 19, fontWeight: 650 }}>{value}</div></div>)}</div>}
          </CardBlock>
          <ModelCard card={model.card} />
        </div>
        <div>
          <CardBlock title={text.t("order.facts")}><ModelFacts model={model} /></CardBlock>
          <CardBlock title={text.t("order.history")} last>
            {model.history.map((one, index) => (
              <div key={index} className="small" style={{ padding: "6px 0", borderTop: index ? "1px solid var(--line-soft)" : undefined }}>
                <div className="row wrap" style={{ gap: 6 }}><ModelChip state={one.state} small /><span className="tiny muted">{text.moment(one.at)}{one.by && ` · ${one.by}`}</span></div>
                <div>{said(one.reason)}</div>
              </div>
            ))}
          </CardBlock>
        </div>
      </div>
    </>
  );
}

function ModelFacts(props: { model: ModelDetail }) {
  const text = useText();
  const { model } = props;
  const rows: [ReactNode, ReactNode][] = [
    [text.t("models.for"), forNames(model.asset_models, text)],
    [text.t("models.name"), <span className="mono tiny break">{model.name}</span>],
    [text.t("models.made"), text.moment(model.created_at)],
    [text.t("models.size"), model.content === "stored" ? text.value(model.size_bytes, "By") : text.t("models.forgotten")],
    [text.t("models.digest"), <span className="row" style={{ gap: 6 }}><span className="mono tiny" title={model.digest}>{model.digest.slice(0, 16)}…</span><CopyIcon value={model.digest} /></span>],
    [text.t("models.used_by"), text.t("models.used", { findings: model.used_by.findings, orders: model.used_by.work_orders })],
  ];
  if (model.parent_id) rows.push([text.t("models.parent"), <Link className="link" to={`/models/store/${model.parent_id}`}>{text.t("models.parent_link")}</Link>]);
  if (model.pinned) rows.push([text.t("models.retention"), text.t("models.pinned")]);
  return <Facts rows={rows} />;
}

function Acts(props: { model: ModelDetail }) {
  const text = useText();
  const { model } = props;
  const verify = useAct<Verified>();
  const pin = useAct();
  const roll = useAct<StoredModel>();
  const [asking, ask] = useDisclosure(false);
  const [reason, setReason] = useState("");
  const bad = (error: Error) => say(errorText(error, text), "bad");
  const told = verify.data;
  return (
    <>
      <Button variant="default" leftSection={<ShieldCheck size={16} />} loading={verify.isPending} onClick={() => verify.mutate({ path: `/models/${model.id}/verify` }, { onError: bad })}>{text.t("models.verify")}</Button>
      <Button variant="default" leftSection={model.pinned ? <PinOff size={16} /> : <Pin size={16} />} loading={pin.isPending} onClick={() => pin.mutate({ path: `/models/${model.id}/pin`, body: { pinned: !model.pinned } }, { onError: bad })}>{text.t(model.pinned ? "models.unpin" : "models.pin")}</Button>
      {model.can.rollback && <Button leftSection={<History size={16} />} onClick={ask.open}>{text.t("models.rollback")}</Button>}
      {told && (
        <div style={{ flexBasis: "100%" }}>
          {told.ok ? <Notice tone="ok" icon={CheckCircle2}>{text.t("models.verified")}</Notice> : <Notice tone="trouble" icon={TriangleAlert}>{told.problem ? (text.language === "zh" ? told.problem.zh : told.problem.en) : text.t("models.damaged")}</Notice>}
        </div>
      )}
      <Modal opened={asking} onClose={ask.close} title={text.t("models.rollback")}>
        <div className="stack" style={{ gap: 14 }}>
          <div className="small">{text.t("models.rollback_hint")}</div>
          <Textarea label={text.t("order.reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} autosize minRows={2} maxLength={500} data-autofocus />
          {roll.error && <Notice tone="trouble">{errorText(roll.error, text)}</Notice>}
          <Button loading={roll.isPending} disabled={!reason.trim()} onClick={() => roll.mutate({ path: `/models/${model.id}/rollback`, body: { reason: reason.trim() } }, { onSuccess: () => (ask.close(), say(text.t("models.rolled_back"))) })}>{text.t("models.rollback")}</Button>
        </div>
      </Modal>
    </>
  );
}
