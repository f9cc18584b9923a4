/** Standing in front of the machine: take down its place by GPS, and bind the label that was stuck on it. */
import { Button, TextInput } from "@mantine/core";
import { CloudOff, LocateFixed, OctagonAlert, Tag } from "lucide-react";
import { lazy, Suspense, useState, type ComponentProps } from "react";

import { may } from "../api/rows";
import type { Me } from "../api/types";
import { useText, type Text } from "../i18n/useText";
import { Notice } from "../ui/states";
import { useOutbox } from "./outbox";
import { position } from "./places";
import type { ScanInput as Scanner } from "./Scan";
import { discard, type Made } from "./send";
import type { Problem } from "./store";

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

/** What an older version kept on the phone says nothing of places. */
type Asset = { id: string; name: string; serial: string; latitude_deg?: number | null; longitude_deg?: number | null; location_accuracy_m?: number | null; located_at?: string | null };
type About = Made["order"];

export function OnSite(props: { asset: Asset; me: Me; order?: About }) {
  const { t } = useText();
  const locates = may(props.me, "asset.move");
  const labels = may(props.me, "label.manage");
  // What is done at a machine without a job is named after the machine.
  const about = props.order ?? { id: props.asset.id, number: props.asset.serial, asset: props.asset };
  return (
    <section className="card pad">
      <h2>{t("onsite.title")}</h2>
      {!locates && !labels ? <div className="small muted">{t("onsite.not_yours")}</div> : (
        <div className="stack" style={{ gap: 18 }}>
          {locates ? <Locate asset={props.asset} me={props.me} about={about} /> : <div className="small muted">{t("onsite.place_not_yours")}</div>}
          {labels ? <BindLabel asset={props.asset.id} me={props.me} about={about} /> : <div className="small muted">{t("onsite.label_not_yours")}</div>}
        </div>
      )}
    </section>
  );
}

function Locate(props: { asset: Asset; me: Me; about: About }) {
  const text = useText();
  const { asset, about } = props;
  const { entries, act } = useOutbox();
  const [looking, setLooking] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [done, setDone] = useState(false);
  const locate = async () => {
    setTrouble(null);
    setLooking(true);
    const fix = await position();
    setLooking(false);
    if (typeof fix === "string") return setTrouble(fix);
    setDone(await act(props.me, { order: about, kind: "asset.locate", subject: { kind: "asset", id: asset.id }, body: { ...fix }, said: `${fix.latitude_deg.toFixed(5)}, ${fix.longitude_deg.toFixed(5)}` }));
  };
  // The newest that waits is what counts.
  const waiting = entries.findLast((one) => one.kind === "asset.locate" && one.subject.id === asset.id && !one.problem);
  const shown = waiting ? { ...asset, ...(waiting.body as Partial<Asset>), location_accuracy_m: Number(waiting.body.accuracy_m), located_at: waiting.at } : asset;
  const metres = (accuracy?: number | null) => (accuracy == null ? "" : ` ± ${text.number(Math.max(1, Math.round(accuracy)))} m`);
  return (
    <div className="stack" style={{ gap: 8 }}>
      <div className="small muted">{shown.latitude_deg == null || shown.longitude_deg == null ? text.t("onsite.no_place") : `${shown.latitude_deg.toFixed(5)}, ${shown.longitude_deg.toFixed(5)}${metres(shown.location_accuracy_m)}`}{shown.located_at && ` · ${text.moment(shown.located_at)}`}</div>
      <Button variant="default" size="md" leftSection={<LocateFixed size={18} />} loading={looking} onClick={() => void locate()}>{text.t("onsite.locate")}</Button>
      {trouble && <Notice tone="watch">{text.t(`onsite.gps.${trouble}`)}</Notice>}
      {done && <Notice tone={waiting?.sent === null ? "watch" : "ok"} icon={waiting?.sent === null ? CloudOff : undefined}>{text.t(waiting?.sent === null ? "field.waits" : "onsite.located")}</Notice>}
    </div>
  );
}

function BindLabel(props: { asset: string; me: Me; about: About }) {
  const text = useText();
  const { entries, act } = useOutbox();
  const [bound, setBound] = useState<string | null>(null);
  const bind = async (code: string) => { if (await act(props.me, { order: props.about, kind: "label.bind", subject: { kind: "asset", id: props.asset }, body: { code }, said: code })) setBound(code); };
  const own = entries.filter((one) => one.kind === "label.bind" && one.subject.id === props.asset);
  const entry = own.findLast((one) => one.body.code === bound);
  return (
    <div className="stack" style={{ gap: 8 }}>
      <Suspense><ScanInput label={text.t("onsite.label")} found={(code) => void bind(code)} /></Suspense>
      {bound && !entry && <Notice tone="ok" icon={Tag}>{text.t("onsite.bound", { code: bound })}</Notice>}
      {own.filter((one) => one.sent === null).map((one) => one.problem ? (
        <Notice key={one.key} tone="trouble" icon={OctagonAlert}>{one.said}: {labelProblem(one.problem, text)}<div><button type="button" className="plainbutton link" style={{ minHeight: 44 }} onClick={() => void discard([one])}>{text.t("field.seen")}</button></div></Notice>
      ) : <Notice key={one.key} tone="watch" icon={CloudOff}>{one.said}: {text.t("field.waits")}</Notice>)}
    </div>
  );
}

function labelProblem(problem: Problem, text: Text): string {
  if (problem.status === 404) return text.t("onsite.label_unknown");
  if (problem.status === 403) return text.t("onsite.forbidden");
  if (problem.status === 409 && problem.params.state === "revoked") return text.t("onsite.label_revoked");
  if (problem.status === 409 && problem.params.state === "bound") return text.t("onsite.label_elsewhere");
  return text.has(`error.${problem.code}`) ? text.t(`error.${problem.code}`, problem.params) : problem.detail;
}
