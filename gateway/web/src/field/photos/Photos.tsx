/** Photos of a job: take one, see which have arrived, look at one. */
import { Button, Loader, Modal } from "@mantine/core";
import { Camera, CheckCircle2, CloudOff, CloudUpload, ImageOff, Images, OctagonAlert, RotateCw, Trash2 } from "lucide-react";
import { useEffect, useRef, useState, type ChangeEvent } from "react";

import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Notice } from "../../ui/states";
import { say } from "../../ui/Providers";
import { useKept } from "../kept";
import { push, useOutbox } from "../outbox";
import { evidencePath } from "../refresh";
import { store, type Photo } from "../store";
import { photoAgain } from "./sending";
import { keepPhoto, NotAPhoto, type About } from "./taking";

/** What the server keeps of a photo. */
export type Evidence = { id: string; state: string; offset?: number; size_bytes?: number; run_id: string | null; step: string | null; captured_at: string; caption: string | null; sha256?: string; place?: unknown; differs?: string[]; media_type?: string | null; public?: boolean };

/** One picture, wherever it is: on the phone, on the server, or on both. */
export type Shot = { id: string; photo: Photo | null; evidence: Evidence | null };

export function useShots(order: string, of?: { run: string; step: string }): Shot[] {
  const { photos } = useOutbox();
  const kept = useKept<{ items: Evidence[] }>(["evidence"], evidencePath(order), 60_000);
  const fits = (run: string | null, step: string | null) => !of || (run === of.run && step === of.step);
  const here = photos.filter((one) => one.order === order && fits(one.run, one.step)).map((photo) => ({ id: photo.id, photo, evidence: kept.data?.items?.find((one) => one.id === photo.id) ?? null }));
  const there = (kept.data?.items ?? []).filter((one) => !["removed", "refused"].includes(one.state) && fits(one.run_id, one.step) && !photos.some((photo) => photo.id === one.id));
  return [...there.map((evidence) => ({ id: evidence.id, photo: null, evidence })), ...here];
}

export function TakePhoto(props: { about: About; me: Me; taken?: (id: string) => void; label?: string; filled?: boolean }) {
  const text = useText();
  const input = useRef<HTMLInputElement>(null);
  const gallery = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(0);
  const take = async (event: ChangeEvent<HTMLInputElement>) => {
    const files = [...(event.currentTarget.files ?? [])];
    event.currentTarget.value = ""; // the same file may be taken again
    setBusy(files.length);
    for (const file of files) {
      try {
        const id = await keepPhoto(file, props.about, props.me.person);
        props.taken?.(id);
        void push();
      } catch (error) {
        say(text.t(error instanceof NotAPhoto ? "photo.unreadable" : "field.not_kept"), "bad");
      }
      setBusy((left) => left - 1);
    }
  };
  return (
    <div className="row" style={{ gap: 8 }}>
      <input ref={input} type="file" accept="image/*" capture="environment" hidden onChange={(event) => void take(event)} data-testid="camera" />
      <input ref={gallery} type="file" accept="image/jpeg,image/png,image/webp,image/*" multiple hidden onChange={(event) => void take(event)} />
      <Button className="grow" size="md" variant={props.filled ? "filled" : "light"} leftSection={busy > 0 ? <Loader size={18} color="currentColor" /> : <Camera size={20} aria-hidden />} disabled={busy > 0} onClick={() => input.current?.click()}>{props.label ?? text.t("photo.take")}</Button>
      <Button size="md" px={14} variant="default" aria-label={text.t("photo.choose")} disabled={busy > 0} onClick={() => gallery.current?.click()}><Images size={20} aria-hidden /></Button>
    </div>
  );
}

export function Strip(props: { shots: Shot[] }) {
  const text = useText();
  const [open, setOpen] = useState<string | null>(null);
  const shown = props.shots.find((one) => one.id === open) ?? null;
  if (props.shots.length === 0) return null;
  return (
    <>
      <div className="strip">
        {props.shots.map((shot, index) => (
          <button key={shot.id} type="button" className="plainbutton shot" onClick={() => setOpen(shot.id)} aria-label={`${text.t("photo.one", { number: index + 1 })}: ${standing(shot, text.t)}`}>
            <Picture shot={shot} />
            <Badge shot={shot} />
          </button>
        ))}
      </div>
      {shown && <Look shot={shown} close={() => setOpen(null)} />}
    </>
  );
}

function Picture(props: { shot: Shot; large?: boolean }) {
  const { photo, evidence } = props.shot;
  const [address, setAddress] = useState<string | null>(null);
  const [gone, setGone] = useState(false);
  const blob = photo ? (props.large ? (photo.content ?? null) : photo.small) : null;
  useEffect(() => {
    if (!blob) return setAddress(evidence || photo?.kept ? `/api/v1/evidence/${props.shot.id}/picture?size=${props.large ? "large" : "small"}` : null);
    const made = URL.createObjectURL(blob);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [blob, props.shot.id, props.large, evidence !== null, photo?.kept]);
  if (gone || !address) return <span className="nopicture"><ImageOff size={22} aria-hidden /></span>;
  return <img src={address} alt="" onError={() => setGone(true)} loading="lazy" />;
}

type Say = (key: string, params?: Record<string, unknown>) => string;

function standing(shot: Shot, t: Say): string {
  const { photo, evidence } = shot;
  if (photo?.problem) return t("field.state_refused");
  if (!photo || photo.kept) return t(photo?.kept || evidence?.state === "kept" ? "photo.arrived" : "photo.elsewhere");
  return photo.offset > 0 ? t("photo.progress", { percent: Math.floor((photo.offset / photo.size) * 100) }) : t("field.state_waiting");
}

function Badge(props: { shot: Shot }) {
  const { photo, evidence } = props.shot;
  if (photo?.problem) return <i className="badge" style={{ background: "#b3261e" }}><OctagonAlert size={14} aria-hidden /></i>;
  if (photo && !photo.kept) return photo.offset > 0 ? <i className="badge" style={{ background: "#3b52b4" }}>{Math.floor((photo.offset / photo.size) * 100)}%</i> : <i className="badge" style={{ background: "#8f5a00" }}><CloudOff size={14} aria-hidden /></i>;
  return photo?.kept || evidence?.state === "kept" ? <i className="badge" style={{ background: "#1f7a4d" }}><CheckCircle2 size={14} aria-hidden /></i> : <i className="badge" style={{ background: "#3b52b4" }}><CloudUpload size={14} aria-hidden /></i>;
}

function Look(props: { shot: Shot; close: () => void }) {
  const text = useText();
  const { photo, evidence } = props.shot;
  const { entries } = useOutbox();
  const needed = entries.some((entry) => entry.needs.includes(props.shot.id)); // something that was written names it
  const said = [evidence?.caption ?? photo?.caption, text.moment(evidence?.captured_at ?? photo?.captured_at), text.t(photo?.place || evidence?.place ? "photo.with_place" : "photo.no_place"), (evidence?.public ?? photo?.public) ? text.t("photo.public") : ""].filter(Boolean);
  const drop = async () => { if (photo) await store.photos.delete(photo.id); props.close(); };
  return (
    <Modal opened onClose={props.close} fullScreen title={standing(props.shot, text.t)}>
      <div className="stack" style={{ gap: 12 }}>
        <div className="bigshot"><Picture shot={props.shot} large /></div>
        <div className="small">{said.join(" · ")}</div>
        {photo && !photo.kept && !photo.problem && <div className="small muted">{text.t("photo.waits", { size: text.number(photo.size / 1024, 0) })}</div>}
        {evidence?.state === "kept" && evidence.sha256 && <div className="tiny muted mono break">SHA-256 {evidence.sha256}</div>}
        {photo?.problem && (
          <Notice tone="trouble" icon={OctagonAlert}>
            <div>{text.has(`error.${photo.problem.code}`) ? text.t(`error.${photo.problem.code}`) : photo.problem.detail || text.t("error.server")}</div>
            <Button mt={10} size="md" variant="white" color="red" leftSection={<RotateCw size={16} />} onClick={() => void photoAgain(photo).then(push)}>{text.t("action.retry")}</Button>
          </Notice>
        )}
        {photo && !photo.kept && !needed && (!photo.registered || photo.problem) && <Button size="md" variant="subtle" color="red" leftSection={<Trash2 size={17} />} onClick={() => void drop()}>{text.t("photo.drop")}</Button>}
      </div>
    </Modal>
  );
}
