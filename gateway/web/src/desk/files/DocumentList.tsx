/** Documents with their revisions and thumbnails; of a machine, of a kind of machine, or all. */
import { Button, Checkbox, FileInput, Modal, Select, TextInput } from "@mantine/core";
import { FileText, FileUp, History, Upload } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useOutletContext } from "react-router";

import { may, useRows, type Asked } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { CardBlock } from "../../ui/parts";
import { problemText } from "../../ui/Form";
import { Rows } from "../../ui/Rows";
import { Empty, Notice } from "../../ui/states";
import { useUpload } from "./upload";

export type Revision = { revision: number; file_name: string; media_type: string; size_bytes: number; sha256: string; has_thumbnail: boolean; note: string | null; created_at: string; created_by: { name: string } | string | null };
export type Document = { id: string; title: string; kind: string; language: string | null; public: boolean; archived: boolean; version: number; asset: { id: string; name: string; serial: string } | null; asset_model: { id: string; code: string; name_en: string; name_zh: string } | null; site?: { id: string; name: string } | null; revisions: Revision[] };
export const DOCUMENT_KINDS = ["manual", "drawing", "certificate", "photo", "report", "other"];

export type Owner = { asset_id?: string; asset_model_id?: string };

export function DocumentList(props: { asked: Asked; owner?: Owner; title: string }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const rows = useRows<Document>("/documents", props.asked);
  const manage = may(me, "document.manage");
  return (
    <CardBlock title={props.title} right={manage && props.owner && <AddDocument owner={props.owner} />}>
      <Rows of={rows} plain columns={documentColumns(text, manage)} empty={<Empty bare icon={FileText} sentence={text.t("documents.empty")} example={text.t("documents.example")} />} />
    </CardBlock>
  );
}

export function documentColumns(text: ReturnType<typeof useText>, manage: boolean, owner = false) {
  return [
    { label: "col.title", cell: (row: Document) => <Title row={row} manage={manage} /> },
    ...(owner ? [{ label: "documents.belongs", cell: (row: Document): ReactNode => (row.asset ? <Link className="link" to={`/assets/${row.asset.id}/documents`}>{row.asset.name}</Link> : row.asset_model ? <Link className="link" to={`/asset-models/${row.asset_model.id}/documents`}>{text.language === "zh" ? row.asset_model.name_zh : row.asset_model.name_en}</Link> : row.site ? <Link className="link" to={`/sites/${row.site.id}`}>{row.site.name}</Link> : "–") }] : []),
    { label: "col.kind", cell: (row: Document) => text.code("document_kind", row.kind) },
    { label: "documents.seen_by", cell: (row: Document) => <Chip tone={row.public ? "learning" : "quiet"} small>{text.t(row.public ? "documents.public" : "documents.internal")}</Chip>, phone: "side" as const },
  ];
}

const latest = (row: Document): Revision | undefined => [...row.revisions].sort((a, b) => b.revision - a.revision)[0];

function Title(props: { row: Document; manage: boolean }) {
  const text = useText();
  const { row } = props;
  const [open, setOpen] = useState(false);
  const now = latest(row);
  return (
    <div className="row top" style={{ gap: 12 }}>
      {now?.has_thumbnail ? <img src={`/api/v1/documents/${row.id}/thumbnail?revision=${now.revision}`} alt="" loading="lazy" width={44} height={44} style={{ objectFit: "cover", borderRadius: 6, border: "1px solid var(--line)", flex: "none" }} /> : <span className="doc"><FileText size={18} aria-hidden /></span>}
      <div className="grow">
        <a className="link break" href={`/api/v1/documents/${row.id}/file`} target="_blank" rel="noreferrer">{row.title}</a>
        {now && <div className="tiny muted break">{now.file_name} · {text.value(now.size_bytes, "By")} · {text.t("documents.revision", { number: now.revision })} · {text.day(now.created_at)}</div>}
        {(row.revisions.length > 1 || props.manage) && <button type="button" className="plainbutton tiny link row" style={{ gap: 4 }} onClick={() => setOpen(true)}><History size={12} aria-hidden />{text.t("documents.revisions", { count: row.revisions.length })}</button>}
      </div>
      {open && <Revisions row={row} manage={props.manage} close={() => setOpen(false)} />}
    </div>
  );
}

function Revisions(props: { row: Document; manage: boolean; close: () => void }) {
  const text = useText();
  const { row } = props;
  const upload = useUpload();
  const [file, setFile] = useState<File | null>(null);
  const [note, setNote] = useState("");
  return (
    <Modal opened onClose={props.close} title={row.title} size="lg">
      <div className="stack" style={{ gap: 14 }}>
        <div>{[...row.revisions].sort((a, b) => b.revision - a.revision).map((one) => (
          <div key={one.revision} className="row wrap line small" style={{ gap: "2px 12px" }}><b className="num">{one.revision}</b><a className="link grow break" href={`/api/v1/documents/${row.id}/file?revision=${one.revision}`} target="_blank" rel="noreferrer">{one.file_name}</a><span className="muted">{text.value(one.size_bytes, "By")}</span><span className="muted">{text.moment(one.created_at)} {typeof one.created_by === "object" ? one.created_by?.name : ""}</span>{one.note && <span className="muted break" style={{ flexBasis: "100%" }}>{one.note}</span>}</div>
        ))}</div>
        {props.manage && (
          <>
            <FileInput label={text.t("documents.new_revision")} value={file} onChange={setFile} leftSection={<Upload size={15} />} clearable />
            {file && <TextInput label={text.t("finish.note")} value={note} onChange={(event) => setNote(event.currentTarget.value)} maxLength={300} />}
            {upload.error && <Notice tone="trouble">{problemText(upload.error, text)}</Notice>}
            {file && <Button loading={upload.isPending} onClick={() => upload.mutate({ path: `/documents/${row.id}/revisions`, file, fields: { note } }, { onSuccess: props.close })}>{text.t("documents.upload")}{upload.share !== null && ` ${text.percent(upload.share)}`}</Button>}
            <div className="row wrap">
              <FormButton small label={text.t("action.edit")} form={{ title: row.title, submit: text.t("action.save"), path: `/documents/${row.id}`, method: "PATCH", version: row.version, fields: [{ name: "title", label: "col.title", required: true }, { name: "kind", label: "col.kind", kind: "select", required: true, options: DOCUMENT_KINDS.map((word) => ({ value: word, label: text.code("document_kind", word) })) }, { name: "public", label: "documents.public_switch", kind: "switch" }], initial: { ...row }, after: props.close }} />
              <ActButton small danger label={text.t(row.archived ? "documents.bring_back" : "documents.archive")} path={`/documents/${row.id}`} method="PATCH" version={row.version} body={{ archived: !row.archived }} after={props.close} />
            </div>
          </>
        )}
      </div>
    </Modal>
  );
}

export function AddDocument(props: { owner: Owner }) {
  const text = useText();
  const [open, setOpen] = useState(false);
  const [file, setFile] = useState<File | null>(null);
  const [title, setTitle] = useState("");
  const [kind, setKind] = useState("manual");
  const [shown, setShown] = useState(false);
  const upload = useUpload();
  const send = () => upload.mutate({ path: "/documents", file: file!, fields: { ...props.owner, title: title.trim() || file!.name, kind, public: String(shown) } }, { onSuccess: () => { setOpen(false); setFile(null); setTitle(""); } });
  return (
    <>
      <Button size="compact-sm" leftSection={<FileUp size={14} />} onClick={() => setOpen(true)}>{text.t("documents.add")}</Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={text.t("documents.add")}>
        <div className="stack" style={{ gap: 14 }}>
          <FileInput label={text.t("documents.file")} description={text.t("documents.file_hint")} value={file} onChange={(one) => { setFile(one); if (one && !title) setTitle(one.name.replace(/\.[^.]+$/, "")); }} leftSection={<Upload size={15} />} withAsterisk data-autofocus />
          <TextInput label={text.t("col.title")} value={title} onChange={(event) => setTitle(event.currentTarget.value)} maxLength={200} withAsterisk />
          <Select label={text.t("col.kind")} value={kind} onChange={(word) => word && setKind(word)} data={DOCUMENT_KINDS.map((word) => ({ value: word, label: text.code("document_kind", word) }))} />
          <Checkbox label={text.t("documents.public_switch")} checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} />
          {upload.error && <Notice tone="trouble">{problemText(upload.error, text)}</Notice>}
          <Button disabled={!file} loading={upload.isPending} onClick={send}>{text.t("documents.upload")}</Button>
          {upload.isPending && upload.share !== null && <div className="bar"><i style={{ width: `${upload.share * 100}%`, background: "#1d7470" }} /></div>}
        </div>
      </Modal>
    </>
  );
}
