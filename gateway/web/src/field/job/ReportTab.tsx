/** The report as the customer reads it, and the customer's name under exactly that. */
import { Button, Skeleton, TextInput } from "@mantine/core";
import { CheckCircle2, CloudOff, FileText, OctagonAlert, PenLine, RotateCw } from "lucide-react";
import { useState } from "react";

import { Unreachable } from "../../api/client";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Failure, Notice } from "../../ui/states";
import { isOpen } from "../../ui/chips";
import type { Job } from "../jobs";
import { useKept } from "../kept";
import { push, useOutbox } from "../outbox";
import { previewPath, signaturePath } from "../refresh";
import { discard } from "../send";
import { Missing, useRuns } from "./ChecklistTab";
import { ReportFacts, type Facts } from "./ReportFacts";
import { SignaturePad } from "./SignaturePad";

type Signed = { name?: string; signed_name?: string; signed_at?: string | null; revision?: number; content_hash?: string; current?: boolean };
type Preview = { content_hash: string; facts: Facts; written: { report_id: string; revision: number } | null; signed: Signed | null; ready: boolean };

export function ReportTab(props: { order: Job; me: Me }) {
  const text = useText();
  const { order, me } = props;
  const { entries } = useOutbox();
  const { runs } = useRuns(order.id, me);
  const done = !isOpen(order) && !["cancelled", "cannot_complete"].includes(order.state);
  const own = entries.filter((entry) => entry.order === order.id && entry.person.id === me.person.id);
  const first = own.filter((entry) => entry.kind !== "signature.add" && entry.sent === null);
  const signing = own.find((entry) => entry.kind === "signature.add");
  const preview = useKept<Preview>(["report-preview"], previewPath(order.id, text.language), 6_000);
  const signed = preview.data?.signed ?? null;
  const before = useKept<Signed>(["signature"], signaturePath(order.id), 30_000, done && !!preview.data && !signed);
  if (!preview.data)
    return preview.error ? (preview.error instanceof Unreachable ? <Notice tone="watch" icon={CloudOff}>{text.t("sign.needs_network")}</Notice> : <Failure error={preview.error} retry={() => void preview.refetch()} />) : <Skeleton height={300} radius="md" />;
  return (
    <>
      {!done && <Notice tone="quiet" icon={PenLine}>{text.t("sign.after_finish")}</Notice>}
      {done && <Missing runs={runs} />}
      {signed && <Notice tone="ok" icon={CheckCircle2}>{text.t("sign.signed", { name: signed.name ?? signed.signed_name ?? "–", at: text.moment(signed.signed_at) })}</Notice>}
      {!signed && !signing && before.data && before.data.current === false && <Notice tone="watch" icon={OctagonAlert}><b>{text.t("sign.changed")}</b><div>{text.t("sign.was", { name: before.data.name ?? "–", at: text.moment(before.data.signed_at), revision: before.data.revision })}</div></Notice>}
      {signing && <Pending entry={signing} />}
      <section className="card pad"><ReportFacts facts={preview.data.facts} /></section>
      {preview.data.written && <Button component="a" href={`/api/v1/reports/${preview.data.written.report_id}/file?language=${text.language}`} target="_blank" rel="noreferrer" size="md" variant="default" leftSection={<FileText size={18} aria-hidden />}>{text.t("sign.pdf", { revision: preview.data.written.revision })}</Button>}
      {done && !signing && !signed && <Sign order={order} me={me} preview={preview.data} late={first.length > 0} />}
    </>
  );
}

function Pending(props: { entry: import("../store").Entry }) {
  const text = useText();
  const { entry } = props;
  if (!entry.problem) return <Notice tone="watch" icon={CloudOff}>{text.t("sign.waits", { name: String(entry.body.name) })}</Notice>;
  const changed = entry.problem.code === "report_changed";
  return (
    <Notice tone="trouble" icon={OctagonAlert}>
      <div style={{ fontWeight: 620 }}>{text.t(changed ? "sign.changed" : "sign.refused")}</div>
      <div>{changed ? text.t("sign.changed_hint") : text.has(`error.${entry.problem.code}`) ? text.t(`error.${entry.problem.code}`, entry.problem.params) : entry.problem.detail}</div>
      <Button mt={10} size="md" variant="white" color="red" leftSection={<RotateCw size={16} aria-hidden />} onClick={() => void discard([entry])}>{text.t("sign.again")}</Button>
    </Notice>
  );
}

/** Signed is what stands above, and nothing else: its hash goes with the name. */
function Sign(props: { order: Job; me: Me; preview: Preview; late: boolean }) {
  const text = useText();
  const { order, me, preview } = props;
  const { act } = useOutbox();
  const [name, setName] = useState("");
  const [open, setOpen] = useState(false);
  // What is bound stays what was shown when the pen touched the screen.
  const [hash, setHash] = useState<string | null>(null);
  const changed = hash !== null && hash !== preview.content_hash;
  if (props.late) return <Notice tone="watch" icon={CloudOff}>{text.t("sign.first_send")}<div><Button mt={10} size="md" variant="white" leftSection={<RotateCw size={16} aria-hidden />} onClick={() => void push()}>{text.t("action.retry")}</Button></div></Notice>;
  if (!preview.written || !preview.ready) return <Notice tone="quiet">{text.t("sign.being_written")}</Notice>;
  const begin = () => { setHash(preview.content_hash); setOpen(true); };
  const save = async (image: string) => {
    const body = { name: name.trim(), content_hash: hash ?? preview.content_hash, image, signed_at: new Date().toISOString() };
    if (await act(me, { order, kind: "signature.add", body })) setOpen(false);
  };
  if (!open) return <Button size="lg" leftSection={<PenLine size={20} aria-hidden />} onClick={begin}>{text.t("sign.start")}</Button>;
  return (
    <section className="card pad stack" style={{ gap: 14 }}>
      <h2 style={{ margin: 0 }}>{text.t("sign.title")}</h2>
      <div className="small">{text.t("sign.means", { number: order.number, revision: preview.written.revision })}</div>
      {changed && <Notice tone="trouble" icon={OctagonAlert}><b>{text.t("sign.changed")}</b><div>{text.t("sign.changed_hint")}</div><Button mt={10} size="md" variant="white" color="red" onClick={() => setHash(preview.content_hash)}>{text.t("sign.read_again")}</Button></Notice>}
      {!changed && (
        <>
          <TextInput size="md" label={text.t("sign.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={120} autoComplete="name" withAsterisk />
          <SignaturePad label={text.t("sign.save")} disabled={!name.trim()} save={(_, image) => void save(image)} />
          <div className="tiny muted mono break">{text.t("sign.hash", { hash: preview.content_hash.slice(0, 16) })}</div>
        </>
      )}
    </section>
  );
}
