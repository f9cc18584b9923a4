/** Photos of work: thumbnails, one of them large with when, where and by whom, what was refused, and who may see it. */
import { Button, Modal, Switch } from "@mantine/core";
import { Camera, Download, EyeOff, ImageOff, Loader, MapPin, Trash2, TriangleAlert } from "lucide-react";
import { useState, type ReactNode } from "react";
import { useOutletContext } from "react-router";

import { may, useList, useOne, useSend } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { FormButton, REASON } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { navigation } from "../../ui/navigation";
import { CardBlock, CopyIcon, Facts } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { usePhotos, type Photo } from "./asked";

const SIZE = 104;
const FRAME = { width: SIZE, height: SIZE, borderRadius: 10, border: "1px solid var(--line)", background: "#eef1f4", overflow: "hidden", display: "grid", placeItems: "center", position: "relative" } as const;
const picture = (id: string, size: "small" | "large") => `/api/v1/evidence/${id}/picture?size=${size}`;
const kilobytes = (bytes: number, text: Text) => (bytes < 1_000_000 ? `${text.number(Math.ceil(bytes / 1000), 0)} kB` : `${text.number(bytes / 1_000_000, 1)} MB`);

export function PhotosCard(props: { order: string }) {
  const text = useText();
  const photos = usePhotos(props.order);
  const refused = useList<Photo>("/evidence", { work_order_id: props.order, state: "refused" });
  const wrong = refused.data?.items ?? [];
  return (
    <CardBlock title={text.t("fieldwork.photos")} right={photos.data && photos.data.items.length > 0 && <span className="small muted">{text.t("sop.photos", { count: photos.data.items.length })}</span>}>
      <Loaded of={photos} skeleton={<Bones rows={3} />}>
        {(page) => page.items.length === 0 ? <Empty bare icon={Camera} sentence={text.t("fieldwork.no_photos")} example={text.t("fieldwork.photos_example")} /> : <Thumbs photos={page.items} />}
      </Loaded>
      {wrong.length > 0 && (
        <div style={{ marginTop: 14 }}>
          <div className="label">{text.t("fieldwork.refused")}</div>
          {wrong.map((one) => (
            <div key={one.id} className="line row wrap" style={{ gap: "2px 10px" }}>
              <ImageOff size={15} aria-hidden className="faint" /><span className="grow break">{one.file_name ?? text.moment(one.captured_at)}</span>
              <span className="small muted">{[one.by?.name, text.moment(one.captured_at)].filter(Boolean).join(" · ")}</span>
              <Chip small tone="trouble">{text.code("photo_problem", one.problem?.split(": ").at(-1))}</Chip>
            </div>
          ))}
        </div>
      )}
    </CardBlock>
  );
}

export function Thumbs(props: { photos: Photo[]; size?: number }) {
  const text = useText();
  const [open, setOpen] = useState<string | null>(null);
  return (
    <>
      <div className="row wrap" style={{ gap: 10 }}>
        {props.photos.map((photo) => (
          <button key={photo.id} type="button" className="plainbutton" aria-label={photo.caption || text.t("fieldwork.photo_of", { at: text.moment(photo.captured_at) })} title={photo.caption || text.moment(photo.captured_at)} onClick={() => setOpen(photo.id)}>
            <Frame photo={photo} size={props.size} />
          </button>
        ))}
      </div>
      {open && <PhotoModal id={open} close={() => setOpen(null)} />}
    </>
  );
}

function Frame(props: { photo: Photo; size?: number }) {
  const { photo, size = SIZE } = props;
  const frame = { ...FRAME, width: size, height: size };
  if (photo.state !== "kept") return <span style={frame}><Loader size={18} aria-hidden className="faint" /></span>;
  return (
    <span style={frame}>
      <img src={picture(photo.id, "small")} alt="" width={size} height={size} loading="lazy" style={{ objectFit: "cover" }} />
      {photo.differs.length > 0 && <Corner side="left"><TriangleAlert size={13} color="#8f5a00" aria-hidden /></Corner>}
      {!photo.public && <Corner side="right"><EyeOff size={13} aria-hidden /></Corner>}
    </span>
  );
}

const Corner = (props: { side: "left" | "right"; children: ReactNode }) => (
  <span style={{ position: "absolute", top: 4, [props.side]: 4, background: "#ffffffe0", borderRadius: 6, padding: 3, lineHeight: 0 }}>{props.children}</span>
);

/** The photos that an answer of a checklist names; what is not there any more says so. */
export function AnswerPhotos(props: { order: string; ids: string[] }) {
  const text = useText();
  const photos = usePhotos(props.order, props.ids.length > 0);
  if (!photos.data || props.ids.length === 0) return null;
  const known = photos.data.items.filter((photo) => props.ids.includes(photo.id));
  const gone = props.ids.length - known.length;
  return <div style={{ paddingTop: 6 }}><Thumbs photos={known} size={64} />{gone > 0 && <span className="tiny muted">{text.t("fieldwork.gone", { count: gone })}</span>}</div>;
}

export function PhotoModal(props: { id: string; close: () => void }) {
  const text = useText();
  const photo = useOne<Photo>(`/evidence/${props.id}`);
  return (
    <Modal opened onClose={props.close} size="xl" title={photo.data?.caption || text.t("fieldwork.photo")}>
      <Loaded of={photo} skeleton={<Bones rows={6} />}>{(one) => <Big photo={one} close={props.close} />}</Loaded>
    </Modal>
  );
}

function Big(props: { photo: Photo; close: () => void }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const { photo } = props;
  const kept = photo.state === "kept";
  const rows: [ReactNode, ReactNode][] = [[text.t("fieldwork.taken_at"), text.moment(photo.captured_at)]];
  if (photo.exif_captured_at) rows.push([text.t("fieldwork.camera_said"), photo.exif_captured_at]);
  rows.push([text.t("fieldwork.taken_by"), photo.by?.name ?? "–"], [text.t("fieldwork.taken_where"), photo.place ? <Where photo={photo} /> : <span className="muted">{text.t("photo.no_place")}</span>]);
  if (photo.received_at) rows.push([text.t("fieldwork.arrived"), text.moment(photo.received_at)]);
  rows.push([text.t("fieldwork.size"), [photo.width && `${photo.width} × ${photo.height}`, kilobytes(photo.size_bytes, text)].filter(Boolean).join(" · ")]);
  rows.push([text.t("fieldwork.hash"), <span className="row" style={{ gap: 6 }}><span className="mono tiny" style={{ overflowWrap: "anywhere" }}>{photo.sha256}</span><CopyIcon value={photo.sha256} /></span>]);
  return (
    <div className="stack" style={{ gap: 14 }}>
      {kept ? <img src={picture(photo.id, "large")} alt={photo.caption} width={photo.width ?? undefined} height={photo.height ?? undefined} style={{ maxWidth: "100%", maxHeight: "52vh", width: "auto", height: "auto", margin: "0 auto", borderRadius: 8, display: "block" }} /> : <Notice tone="quiet" icon={Loader}>{text.t("fieldwork.coming", { percent: Math.floor((100 * photo.offset) / photo.size_bytes) })}</Notice>}
      {photo.differs.length > 0 && <Notice tone="watch" icon={TriangleAlert}>{text.t("fieldwork.differs", { what: photo.differs.map((word) => text.code("photo_differs", word)).join(", ") })}</Notice>}
      <Facts rows={rows} />
      <div className="row wrap" style={{ gap: "8px 14px" }}>
        {may(me, "evidence.add") && <Public photo={photo} />}
        <div className="grow" />
        {kept && <Button component="a" variant="default" size="compact-sm" leftSection={<Download size={14} />} href={`/api/v1/evidence/${photo.id}/file`} download>{text.t("fieldwork.original")}</Button>}
        {may(me, "evidence.add") && photo.state !== "removed" && <FormButton small danger icon={Trash2} label={text.t("action.remove")} form={{ path: `/evidence/${photo.id}/remove`, fields: [REASON], done: "form.saved", title: text.t("fieldwork.remove"), after: props.close }} />}
      </div>
    </div>
  );
}

function Where(props: { photo: Photo }) {
  const text = useText();
  const place = props.photo.place!;
  const said = `${place.latitude_deg.toFixed(5)}, ${place.longitude_deg.toFixed(5)}`;
  const link = navigation(place.latitude_deg, place.longitude_deg, text.t("fieldwork.photo")).at(-1)!;
  return <span className="row wrap" style={{ gap: "2px 8px" }}><a className="link row" style={{ gap: 4 }} href={link.href} target="_blank" rel="noreferrer noopener"><MapPin size={14} aria-hidden />{said}</a>{place.accuracy_m !== null && place.accuracy_m !== undefined && <span className="muted small">± {text.number(place.accuracy_m, 0)} m</span>}</span>;
}

function Public(props: { photo: Photo }) {
  const text = useText();
  const send = useSend();
  const { photo } = props;
  const change = (shown: boolean) => send.mutate({ path: `/evidence/${photo.id}`, method: "PATCH", body: { public: shown } }, { onError: (error) => say(problemText(error, text), "bad") });
  return <Switch label={text.t("fieldwork.public")} checked={photo.public} disabled={send.isPending} onChange={(event) => change(event.currentTarget.checked)} />;
}
