/** Standing in front of the machine: take down its place by GPS, and bind the label that was stuck on it. */
import { Button } from "@mantine/core";
import { LocateFixed, Tag } from "lucide-react";
import { lazy, Suspense, useState, type ComponentProps } from "react";

import { ApiError, newKey, Unreachable } from "../api/client";
import { may, useSend } from "../api/rows";
import type { Me } from "../api/types";
import { useText, type Text } from "../i18n/useText";
import { problemText } from "../ui/Form";
import { Notice } from "../ui/states";
import { useOnlineStatus } from "./online";
import type { ScanInput as Scanner } from "./Scan";

// The reader of codes is large, and without a network a label cannot be bound anyway.
const ScanInput = lazy(() => import("./Scan").then((made) => ({ default: made.ScanInput })).catch(() => ({ default: NoScanner })));

function NoScanner(_: ComponentProps<typeof Scanner>) {
  const { t } = useText();
  return <Notice tone="watch">{t("onsite.no_scanner")}</Notice>;
}

const FIX_MS = 30_000; // a phone that comes out of a hall needs a while for its first fix
const FRESH_MS = 10_000;

/** What an older version kept on the phone says nothing of places. */
type Asset = { id: string; latitude_deg?: number | null; longitude_deg?: number | null; location_accuracy_m?: number | null; located_at?: string | null };
type Fix = { latitude_deg: number; longitude_deg: number; accuracy_m: number };

export function OnSite(props: { asset: Asset; me: Me }) {
  const { t } = useText();
  const online = useOnlineStatus();
  const locates = may(props.me, "asset.move");
  const labels = may(props.me, "label.manage");
  return (
    <section className="card pad">
      <h2>{t("onsite.title")}</h2>
      {!locates && !labels ? <div className="small muted">{t("onsite.not_yours")}</div> : (
        <div className="stack" style={{ gap: 18 }}>
          {!online && <Notice tone="watch">{t("onsite.no_network")}</Notice>}
          {locates ? <Locate asset={props.asset} online={online} /> : <div className="small muted">{t("onsite.place_not_yours")}</div>}
          {labels ? <BindLabel asset={props.asset.id} online={online} /> : <div className="small muted">{t("onsite.label_not_yours")}</div>}
        </div>
      )}
    </section>
  );
}

function Locate(props: { asset: Asset; online: boolean }) {
  const text = useText();
  const { asset } = props;
  const [looking, setLooking] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const send = useSend<Asset>();
  const locate = async () => {
    send.reset();
    setTrouble(null);
    setLooking(true);
    const fix = await position();
    setLooking(false);
    if (typeof fix === "string") setTrouble(fix);
    else send.mutate({ path: `/assets/${asset.id}/location`, method: "PUT", body: fix });
  };
  const shown = send.data ?? asset;
  const metres = (accuracy?: number | null) => (accuracy == null ? "" : ` ± ${text.number(Math.max(1, Math.round(accuracy)))} m`);
  return (
    <div className="stack" style={{ gap: 8 }}>
      <div className="small muted">{shown.latitude_deg == null || shown.longitude_deg == null ? text.t("onsite.no_place") : `${shown.latitude_deg.toFixed(5)}, ${shown.longitude_deg.toFixed(5)}${metres(shown.location_accuracy_m)}`}{shown.located_at && ` · ${text.moment(shown.located_at)}`}</div>
      <Button variant="default" size="md" leftSection={<LocateFixed size={18} />} loading={looking || send.isPending} disabled={!props.online} onClick={() => void locate()}>{text.t("onsite.locate")}</Button>
      {trouble && <Notice tone="watch">{text.t(`onsite.gps.${trouble}`)}</Notice>}
      {send.error && <Notice tone="trouble">{said(send.error, text)}</Notice>}
      {send.isSuccess && <Notice tone="ok">{text.t("onsite.located")}</Notice>}
    </div>
  );
}

function BindLabel(props: { asset: string; online: boolean }) {
  const text = useText();
  const send = useSend<{ code: string }>();
  const bind = (code: string) => { send.reset(); send.mutate({ path: "/labels/bind", body: { code, asset_id: props.asset }, key: newKey() }); };
  return (
    <div className="stack" style={{ gap: 8 }}>
      {props.online ? <Suspense><ScanInput label={text.t("onsite.label")} found={bind} busy={send.isPending} /></Suspense> : <div className="small muted">{text.t("onsite.label")}</div>}
      {send.error && <Notice tone="trouble">{labelProblem(send.error, text)}</Notice>}
      {send.isSuccess && <Notice tone="ok" icon={Tag}>{text.t("onsite.bound", { code: send.data.code })}</Notice>}
    </div>
  );
}

/** Where the phone is, or why it cannot tell: a word of the family onsite.gps. */
function position(): Promise<Fix | "insecure" | "none" | "refused" | "late"> {
  if (!window.isSecureContext) return Promise.resolve("insecure");
  if (!("geolocation" in navigator)) return Promise.resolve("none");
  return new Promise((resolve) =>
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve({ latitude_deg: coords.latitude, longitude_deg: coords.longitude, accuracy_m: coords.accuracy }),
      (error) => resolve(error.code === error.PERMISSION_DENIED ? "refused" : error.code === error.TIMEOUT ? "late" : "none"),
      { enableHighAccuracy: true, timeout: FIX_MS, maximumAge: FRESH_MS },
    ),
  );
}

function said(error: Error, text: Text): string {
  if (error instanceof Unreachable) return text.t("onsite.no_network");
  if (error instanceof ApiError && error.status === 403) return text.t("onsite.forbidden");
  return problemText(error, text);
}

function labelProblem(error: Error, text: Text): string {
  if (!(error instanceof ApiError)) return said(error, text);
  if (error.status === 404) return text.t("onsite.label_unknown");
  if (error.status === 409 && error.params.state === "revoked") return text.t("onsite.label_revoked");
  if (error.status === 409 && error.params.state === "bound") return text.t("onsite.label_elsewhere");
  return said(error, text);
}
