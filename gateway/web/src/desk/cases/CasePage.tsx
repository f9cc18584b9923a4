/** One case: how far it is, what it led to, its thread, and what is known of customer and machine beside it. */
import { GitMerge, Paperclip, Search } from "lucide-react";
import { Link, useOutletContext, useParams } from "react-router";

import { may, useList, useOne, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { Chip, Marks, PriorityChip } from "../../ui/chips";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Bones, Loaded, Notice } from "../../ui/states";
import { SlaPanel } from "../sla/SlaPanel";
import { Beside } from "./Beside";
import { CaseActions } from "./CaseActions";
import { Children } from "./Children";
import { CaseChip, ClaimChip, nameOf, type Case, type CaseDetail } from "./common";
import { Answered, type FormSchema } from "./FormFields";
import { Remote } from "./Remote";
import { Thread } from "./Thread";

export function CasePage() {
  const { id = "" } = useParams();
  const found = useOne<CaseDetail>(`/cases/${id}`, true, 10_000);
  return <Loaded of={found} skeleton={<Bones rows={10} />}>{(one) => <Shown key={one.id} one={one} />}</Loaded>;
}

function Shown(props: { one: CaseDetail }) {
  const { one } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  useTitle(`${one.number} ${one.title}`);
  const staff = one.side === "desk" && may(me, "case.handle");
  return (
    <>
      <PageHead
        back={{ to: staff ? "/cases" : "/cases/all", label: text.t("nav.cases") }}
        over={<span className="mono-num">{one.number}</span>}
        title={one.title}
        marks={<><CaseChip state={one.state} /><PriorityChip priority={one.priority} />{one.service_type && <Chip tone="quiet">{nameOf(one.service_type, text)}</Chip>}<ClaimChip of={one} /><Marks demo={one.demo} /></>}
        sub={`${text.t("cases.opened")} ${text.moment(one.opened_at)} · ${text.code("channel", one.channel)}`}
        right={staff ? <CaseActions one={one} me={me} /> : undefined}
      />
      {one.merged_into && <Notice tone="quiet" icon={GitMerge}>{text.t("cases.was_merged")} <Link className="link" to={`/cases/${one.merged_into.id}`}>{one.merged_into.number}</Link></Notice>}
      {one.resolution && <Notice tone="ok">{text.code("resolution", one.resolution)}{one.resolution_note && `: ${one.resolution_note}`}</Notice>}
      {one.state === "rejected" && one.resolution_note && <Notice tone="quiet">{one.resolution_note}</Notice>}
      {one.state === "waiting_approval" && one.approval_note && <Notice tone="watch">{one.approval_asked_by?.name}: {one.approval_note}</Notice>}
      {one.stages.length > 0 && <Stages one={one} />}
      {staff && one.state !== "merged" && <Duplicates one={one} />}
      <div className="two">
        <div className="stack" style={{ gap: 16, minWidth: 0 }}>
          {one.remote_session_id && may(me, "remote_session.run") && <Remote id={one.remote_session_id} />}
          <CardBlock title={text.t("cases.asked")}>
            <div className="break" style={{ whiteSpace: "pre-wrap", marginBottom: 10 }}>{one.text}</div>
            {Object.keys(one.form.properties ?? {}).length > 0 && <Answered form={one.form as FormSchema} answers={one.answers} />}
            <Files of={one.id} />
          </CardBlock>
          <Thread one={one} me={me} />
          <Children one={one} staff={staff} me={me} />
        </div>
        <div className="stack" style={{ gap: 16, minWidth: 0 }}>
          {may(me, "sla.read") && <SlaPanel kind="case" id={one.id} />}
          <Facing one={one} staff={staff} />
          <Beside one={one} />
        </div>
      </div>
    </>
  );
}

/** What came with the request: files that are sent later stand with their message. */
function Files(props: { of: string }) {
  const found = useOne<Schema["CaseFiles"]>(`/cases/${props.of}/files`, true, 30_000);
  const sent = found.data?.items.filter((file) => file.message_id === null) ?? [];
  if (sent.length === 0) return null;
  return (
    <div className="row wrap" style={{ gap: 10, marginTop: 10 }}>
      {sent.map((file) => {
        const path = `/api/v1/case-files/${file.id}`;
        return (
          <a key={file.id} className="link small break" href={`${path}/file`} target="_blank" rel="noreferrer">
            {file.has_thumbnail ? <img src={`${path}/thumbnail`} alt={file.file_name} style={{ display: "block", height: 120, maxWidth: "100%", borderRadius: 8, marginBottom: 4 }} /> : <Paperclip size={13} aria-hidden />} {file.file_name}
          </a>
        );
      })}
    </div>
  );
}

function Facing(props: { one: CaseDetail; staff: boolean }) {
  const { one } = props;
  const text = useText();
  const rows: [React.ReactNode, React.ReactNode][] = [];
  if (one.contact_name) rows.push([text.t("cases.contact_name"), one.contact_name]);
  if (one.contact_phone) rows.push([text.t("cases.contact_phone"), <a className="link" href={`tel:${one.contact_phone}`}>{one.contact_phone}</a>]);
  if (one.contact_email) rows.push([text.t("cases.contact_email"), <a className="link break" href={`mailto:${one.contact_email}`}>{one.contact_email}</a>]);
  if (one.site) rows.push([text.t("col.site"), one.site.name]);
  if (props.staff) rows.push([text.t("cases.team"), one.team?.name ?? one.queue ?? "–"]);
  if (one.region) rows.push([text.t("cases.region"), one.region]);
  for (const request of one.requests) rows.push([request.number, text.code("request", request.state)]);
  for (const other of one.merged_from) rows.push([text.t("cases.merged_from"), <Link className="link" to={`/cases/${other.id}`}>{other.number}</Link>]);
  if (rows.length === 0) return null;
  return <CardBlock title={text.t("cases.facts")}><Facts rows={rows} /></CardBlock>;
}

function Stages(props: { one: CaseDetail }) {
  const text = useText();
  return (
    <ol className="row wrap" style={{ listStyle: "none", padding: 0, margin: "0 0 14px", gap: "6px 8px" }} aria-label={text.t("cases.stages")}>
      {props.one.stages.map((stage) => (
        <li key={stage.code} aria-current={stage.look === "now" ? "step" : undefined}>
          <Chip tone={stage.look === "now" ? "learning" : stage.look === "past" ? "ok" : "quiet"} small>{nameOf(stage, text)}</Chip>
        </li>
      ))}
    </ol>
  );
}

type Likely = { case: Case; score: number; same_asset: boolean; same_sender: boolean; hours_apart: number };

function Duplicates(props: { one: CaseDetail }) {
  const { one } = props;
  const text = useText();
  const likely = useList<Likely>(`/cases/${one.id}/duplicates`, {}).data?.items ?? [];
  if (likely.length === 0) return null;
  return (
    <section className="card pad" style={{ marginBottom: 16 }}>
      <div className="row" style={{ gap: 8, fontWeight: 620, marginBottom: 6 }}><Search size={16} aria-hidden />{text.t("cases.likely")}</div>
      {likely.map((each) => (
        <div key={each.case.id} className="row wrap" style={{ gap: "4px 12px", padding: "8px 0", borderTop: "1px solid var(--line-soft)" }}>
          <div className="grow" style={{ flexBasis: 260, minWidth: 0 }}>
            <Link className="link" to={`/cases/${each.case.id}`}>{each.case.number}</Link> <span className="break">{each.case.title}</span>
            <div className="small muted">{text.t("cases.alike", { percent: Math.round(each.score * 100) })}{each.same_asset && ` · ${text.t("cases.same_asset")}`}{each.same_sender && ` · ${text.t("cases.same_sender")}`} · {text.moment(each.case.opened_at)}</div>
          </div>
          <ActButton small icon={GitMerge} label={text.t("cases.merge_into")} path={`/cases/${one.id}/merge`} body={{ into_id: each.case.id }} done="cases.merged" />
          <ActButton small label={text.t("cases.not_same")} path={`/cases/${one.id}/distinct`} body={{ other_id: each.case.id }} />
        </div>
      ))}
    </section>
  );
}
