/** What came from the field about an order: photos, signature, who was there and how near, and calls for help. */
import { MapPin, PenLine, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";

import { ApiError } from "../../api/client";
import { useOne, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { CardBlock, CopyIcon, Facts } from "../../ui/parts";
import { Bones, Failure, Notice } from "../../ui/states";
import type { Order, PlannedVisit } from "../work/look";
import { CallsCard } from "./Calls";
import { PhotosCard } from "./Photos";

type Signature = Schema["SignatureItem"];
type Checked = PlannedVisit & Pick<Schema["VisitItem"], "checked_in_at" | "checked_in_distance_m" | "checked_in_far" | "checked_out_at" | "checked_out_distance_m" | "checked_out_far">;

export function FieldTab(props: { order: Order }) {
  const { order } = props;
  return (
    <div className="two">
      <div><PhotosCard order={order.id} /><CallsCard order={order.id} /></div>
      <div><SignatureCard order={order} /><OnSiteCard order={order} /></div>
    </div>
  );
}

function SignatureCard(props: { order: Order }) {
  const text = useText();
  const { order } = props;
  const done = order.work_done_at !== null;
  const signature = useOne<Signature>(`/work-orders/${order.id}/signature`, done);
  const one = signature.data;
  const nobody = !done || (signature.error instanceof ApiError && signature.error.status === 404);
  if (!one) {
    const said = nobody ? <div className="small muted">{text.t(done ? "fieldwork.not_signed" : "fieldwork.not_signed_yet")}</div> : signature.error ? <Failure error={signature.error} retry={() => void signature.refetch()} /> : <Bones rows={2} />;
    return <CardBlock title={text.t("fieldwork.signature")}>{said}</CardBlock>;
  }
  const rows: [ReactNode, ReactNode][] = [
    [text.t("fieldwork.signed_by"), <b className="break">{one.name}</b>],
    [text.t("fieldwork.signed_at"), text.moment(one.signed_at)],
    [text.t("fieldwork.signed_what"), <span className="row wrap" style={{ gap: "2px 10px" }}>{text.t("report.service_report")}, {text.t("report.revision", { revision: one.revision })}<a className="link" download href={`/api/v1/work-orders/${order.id}/report?template=service_report&language=${text.language}&revision=${one.revision}`}>PDF</a></span>],
    [text.t("fieldwork.content_hash"), <span className="row" style={{ gap: 6 }}><span className="mono tiny" style={{ overflowWrap: "anywhere" }}>{one.content_hash}</span><CopyIcon value={one.content_hash} /></span>],
  ];
  return (
    <CardBlock title={text.t("fieldwork.signature")} right={<Chip small tone={one.current ? "ok" : "watch"} icon={one.current ? PenLine : TriangleAlert}>{text.t(one.current ? "fieldwork.signed" : "fieldwork.changed")}</Chip>}>
      {one.sha256 && <img src={`/api/v1/work-orders/${order.id}/signature/picture`} alt={text.t("fieldwork.signature_of", { name: one.name })} style={{ display: "block", maxWidth: "100%", maxHeight: 130, border: "1px solid var(--line-soft)", borderRadius: 8, background: "#fff", marginBottom: 12 }} />}
      {!one.current && <div style={{ marginBottom: 12 }}><Notice tone="watch" icon={TriangleAlert}>{text.t("fieldwork.changed_note")}</Notice></div>}
      <Facts rows={rows} />
    </CardBlock>
  );
}

function OnSiteCard(props: { order: Order }) {
  const text = useText();
  const visits = (props.order.visits as Checked[]).filter((visit) => visit.started_at || visit.checked_in_at || visit.checked_out_at);
  return (
    <CardBlock title={text.t("fieldwork.on_site")}>
      {visits.length === 0 && <div className="small muted">{text.t("fieldwork.nobody_there")}</div>}
      {visits.map((visit) => (
        <div key={visit.id} className="line stack" style={{ gap: 4 }}>
          <div className="row wrap" style={{ gap: "2px 10px" }}><span className="grow break" style={{ fontWeight: 560 }}>{visit.technician?.name ?? "–"}</span><span className="small">{text.code("visit", visit.state)}</span></div>
          <Check label={text.t("fieldwork.in")} at={visit.checked_in_at ?? visit.started_at} distance={visit.checked_in_distance_m} far={visit.checked_in_far} />
          {(visit.checked_out_at || visit.finished_at) && <Check label={text.t("fieldwork.out")} at={visit.checked_out_at ?? visit.finished_at} distance={visit.checked_out_distance_m} far={visit.checked_out_far} />}
        </div>
      ))}
    </CardBlock>
  );
}

function Check(props: { label: string; at?: string | null; distance?: number | null; far?: boolean | null }) {
  const text = useText();
  const { distance } = props;
  const away = distance === null || distance === undefined ? text.t("photo.no_place") : text.t("fieldwork.from_machine", { distance: distance < 1000 ? `${text.number(distance, 0)} m` : `${text.number(distance / 1000, 1)} km` });
  return (
    <div className="row wrap small" style={{ gap: "2px 8px" }}>
      <span className="muted" style={{ minWidth: 52 }}>{props.label}</span><span>{props.at ? text.moment(props.at) : "–"}</span>
      <span className="muted row" style={{ gap: 3 }}><MapPin size={13} aria-hidden />{away}</span>
      {props.far && <Chip small tone="watch" icon={TriangleAlert}>{text.t("fieldwork.far")}</Chip>}
    </div>
  );
}
