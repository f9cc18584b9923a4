/** Standing in front of the machine: take down its place by GPS, and bind the label that was stuck on it. */
import { Button, TextInput } from "@mantine/core";
import { CloudOff, LocateFixed, OctagonAlert, Tag } from "lucide-react";
import { lazy, Suspense, useState, type ComponentProps } from "react";

import { useQueryClient } from "@tanstack/react-query";

import { ApiError, Unreachable } from "../api/client";
import { may } from "../api/rows";
import type { Me } from "../api/types";
import { useText, type Text } from "../i18n/useText";
import { problemText } from "../ui/Form";
import { Notice } from "../ui/states";
import { forget, sendOrKeep, useWaiting } from "./onsiteLater";
import type { ScanInput as Scanner } from "./Scan";

// The reader of codes is large; where it did not come, the code is typed.
const ScanInput = lazy(() => import("./Scan").then((made) => ({ default: made.ScanInput })).catch(() => ({ default: NoScanner })));

function NoScanner(props: ComponentProps<typeof Scanner>) {
  const { t } = useText();
  const [typed, setTyped] = useState("");
  return (
    <form onSubmit={(event) => { event.preventDefault(); if (typed.trim()) { props.found(typed.trim()); setTyped(""); } }}>
      <TextInput size="md" label={props.label} description={t("onsite.no_scanner")} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} placeholder={t("scan.type")} disabled={props.busy} maxLength={300} autoCapitalize="characters" autoComplete="off" enterKeyHint="done" />
    </form>
  );
}

const FIX_MS = 30_000; // a phone that comes out of a hall needs a while for its first fix
const FRESH_MS = 10_000;

/** What an older version kept on the phone says nothing of places. */
type Asset = { id: string; latitude_deg?: number | null; longitude_deg?: number | null; location_accuracy_m?: number | null; located_at?: string | null };
type Fix = { latitude_deg: number; longitude_deg: number; accuracy_m: number };

export function OnSite(props: { asset: Asset; me: Me }) {
  const { t } = useText();
  const locates = may(props.me, "asset.move");
  const labels = may(props.me, "label.manage");
  return (
    <section className="card pad">
      <h2>{t("onsite.title")}</h2>
      {!locates && !labels ? <div className="small muted">{t("onsite.not_yours")}</div> : (
        <div className="stack" style={{ gap: 18 }}>
          {locates ? <Locate asset={props.asset} person={props.me.person.id} /> : <div className="small muted">{t("onsite.place_not_yours")}</div>}
          {labels ? <BindLabel asset={props.asset.id} person={props.me.person.id} /> : <div className="small muted">{t("onsite.label_not_yours")}</div>}
          <Kept person={props.me.person.id} asset={props.asset.id} />
        </div>
      )}
    </section>
  );
}

/** What waits for a network, and what the server refused of it. */
export function Kept(props: { person: string; asset?: string }) {
  const text = useText();
  return (
    <>
      {useWaiting(props.person, props.asset).map((one) => (
        <Notice key={one.id} tone={one.code ? "trouble" : "watch"} icon={one.code ? OctagonAlert : CloudOff}>
          <div className="break" style={{ fontWeight: 560 }}>{text.t(`onsite.kept.${one.what}`, { said: one.said })}</div>
          <div className="small">{one.code ? text.t("onsite.refused", { why: text.code("error", one.code) }) : text.t("field.waits")} {text.moment(new Date(one.at).toISOString())}</div>
          {one.code && <button type="button" className="plainbutton link small" onClick={() => void forget(one.id)}>{text.t("field.seen")}</button>}
        </Notice>
      ))}
    </>
  );
}

type Outcome<T> = { busy: boolean; error: Error | null; done: T | null };

function useOutcome<T>() {
  const client = useQueryClient();
  const [state, setState] = useState<Outcome<T>>({ busy: false, error: null, done: null });
  const run = async (work: () => Promise<T | null>) => {
    setState({ busy: true, error: null, done: null });
    try {
      const done = await work();
      setState({ busy: false, error: null, done });
      if (done) void client.invalidateQueries({ predicate: (held) => held.queryKey[0] !== "readings" });
    } catch (error) {
      setState({ busy: false, error: error as Error, done: null });
    }
  };
  return { ...state, run };
}

function Locate(props: { asset: Asset; person: string }) {
  const text = useText();
  const { asset } = props;
  const [looking, setLooking] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const sent = useOutcome<Asset>();
  const locate = async () => {
    setTrouble(null);
    setLooking(true);
    const fix = await position();
    setLooking(false);
    if (typeof fix === "string") return setTrouble(fix);
    const said = `${fix.latitude_deg.toFixed(5)}, ${fix.longitude_deg.toFixed(5)}`;
    await sent.run(() => sendOrKeep<Asset>({ person: props.person, asset: asset.id, what: "place", said, path: `/assets/${asset.id}/location`, method: "PUT", body: { ...fix, located_at: new Date().toISOString() } }));
  };
  const shown = sent.done ?? asset;
  const metres = (accuracy?: number | null) => (accuracy == null ? "" : ` ± ${text.number(Math.max(1, Math.round(accuracy)))} m`);
  return (
    <div className="stack" style={{ gap: 8 }}>
      <div className="small muted">{shown.latitude_deg == null || shown.longitude_deg == null ? text.t("onsite.no_place") : `${shown.latitude_deg.toFixed(5)}, ${shown.longitude_deg.toFixed(5)}${metres(shown.location_accuracy_m)}`}{shown.located_at && ` · ${text.moment(shown.located_at)}`}</div>
      <Button variant="default" size="md" leftSection={<LocateFixed size={18} />} loading={looking || sent.busy} onClick={() => void locate()}>{text.t("onsite.locate")}</Button>
      {trouble && <Notice tone="watch">{text.t(`onsite.gps.${trouble}`)}</Notice>}
      {sent.error && <Notice tone="trouble">{said(sent.error, text)}</Notice>}
      {sent.done && <Notice tone="ok">{text.t("onsite.located")}</Notice>}
    </div>
  );
}

function BindLabel(props: { asset: string; person: string }) {
  const text = useText();
  const sent = useOutcome<{ code: string }>();
  const bind = (code: string) => void sent.run(() => sendOrKeep<{ code: string }>({ person: props.person, asset: props.asset, what: "label", said: code, path: "/labels/bind", method: "POST", body: { code, asset_id: props.asset } }));
  return (
    <div className="stack" style={{ gap: 8 }}>
      <Suspense><ScanInput label={text.t("onsite.label")} found={bind} busy={sent.busy} /></Suspense>
      {sent.error && <Notice tone="trouble">{labelProblem(sent.error, text)}</Notice>}
      {sent.done && <Notice tone="ok" icon={Tag}>{text.t("onsite.bound", { code: sent.done.code })}</Notice>}
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
  if (error instanceof Unreachable) return text.t("error.unreachable");
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
