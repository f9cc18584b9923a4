/** Import: past runs, and a new one from a file. */
import { Button, FileInput, Menu, Modal, Select } from "@mantine/core";
import { Download, FileUp, Upload } from "lucide-react";
import { useState } from "react";
import { useNavigate } from "react-router";

import { useOne } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { Ago } from "../../ui/parts";
import { Notice } from "../../ui/states";
import type { Tone } from "../../ui/theme";
import { useUpload } from "./upload";

export type Column = { index: number; letter: string; heading: string | null; samples: string[]; field: string | null };
export type RowError = { cell: string; row: number; column: string | null; field: string | null; code: string; en: string; zh: string };
export type Run = { id: string; kind: string | null; file_name: string; size_bytes: number; sheet: string | null; sheets: string[]; heading_row: number; columns: Column[]; state: string; dry_run: boolean; rows_total: number | null; rows_done: number; inserted: number; updated: number; unchanged: number; faulty: number; errors: RowError[]; error_count: number; created_at: string; started_at: string | null; finished_at: string | null; created_by: { name: string } | string | null };
export type Kind = { name: string; label_en: string; label_zh: string; fields: { name: string; label_en: string; label_zh: string; required: boolean; key?: boolean; hint_en?: string | null; hint_zh?: string | null }[] };

export const RUN_TONE: Record<string, Tone> = { uploaded: "quiet", waiting: "learning", running: "learning", checked: "watch", refused: "trouble", done: "ok", failed: "trouble" };
export const useKinds = () => useOne<{ items: Kind[] }>("/imports/kinds");

export function ImportsPage() {
  const text = useText();
  const [open, setOpen] = useState(false);
  const kinds = useKinds();
  const kindName = (name: string | null) => { const found = kinds.data?.items.find((one) => one.name === name); return found ? (text.language === "zh" ? found.label_zh : found.label_en) : (name ?? "–"); };
  const add = <Button leftSection={<FileUp size={16} />} onClick={() => setOpen(true)}>{text.t("imports.new")}</Button>;
  return (
    <>
      <ListPage<Run>
        title={text.t("nav.imports")}
        sub={text.t("imports.sub")}
        path="/imports"
        columns={[
          { label: "imports.file", cell: (run) => <span className="break">{run.file_name}</span> },
          { label: "imports.kind", cell: (run) => kindName(run.kind) },
          { label: "col.state", phone: "side", cell: (run) => <Chip tone={RUN_TONE[run.state] ?? "quiet"} small>{text.code("import_state", run.state)}</Chip> },
          { label: "imports.rows", num: true, phone: "named", cell: (run) => text.number(run.rows_total, 0) },
          { label: "imports.faulty", num: true, phone: "named", cell: (run) => (run.faulty > 0 ? <b style={{ color: "#b3261e" }}>{text.number(run.faulty, 0)}</b> : 0) },
          { label: "col.by", phone: "hide", cell: (run) => (typeof run.created_by === "object" ? run.created_by?.name : run.created_by) ?? "–" },
          { label: "col.at", cell: (run) => <Ago at={run.created_at} /> },
        ]}
        to={(run) => `/imports/${run.id}`}
        right={<><Templates kinds={kinds.data?.items ?? []} />{add}</>}
        empty={{ icon: FileUp, sentence: "imports.empty", example: "imports.example", action: add }}
      />
      {open && <NewImport kinds={kinds.data?.items ?? []} close={() => setOpen(false)} />}
    </>
  );
}

function Templates(props: { kinds: Kind[] }) {
  const { t, language } = useText();
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target><Button variant="default" leftSection={<Download size={16} />}>{t("imports.templates")}</Button></Menu.Target>
      <Menu.Dropdown mah={420} style={{ overflowY: "auto" }}>{props.kinds.map((kind) => <Menu.Item key={kind.name} component="a" href={`/api/v1/imports/kinds/${kind.name}/template?format=xlsx&language=${language}`} download>{language === "zh" ? kind.label_zh : kind.label_en}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}

function NewImport(props: { kinds: Kind[]; close: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const [file, setFile] = useState<File | null>(null);
  const [kind, setKind] = useState<string | null>(null);
  const upload = useUpload<Run>();
  return (
    <Modal opened onClose={props.close} title={text.t("imports.new")}>
      <div className="stack" style={{ gap: 14 }}>
        <FileInput label={text.t("imports.file")} description={text.t("imports.file_hint")} accept=".csv,.xlsx,.txt,text/csv" value={file} onChange={setFile} leftSection={<Upload size={15} />} withAsterisk data-autofocus />
        <Select label={text.t("imports.kind")} description={text.t("imports.kind_hint")} value={kind} onChange={setKind} clearable data={props.kinds.map((one) => ({ value: one.name, label: text.language === "zh" ? one.label_zh : one.label_en }))} />
        {upload.error && <Notice tone="trouble">{problemText(upload.error, text)}</Notice>}
        <Button disabled={!file} loading={upload.isPending} onClick={() => upload.mutate({ path: "/imports", file: file!, fields: { kind: kind ?? undefined, start: "no" } }, { onSuccess: (run) => void navigate(`/imports/${run.id}`) })}>{text.t("imports.next")}</Button>
        {upload.share !== null && <div className="bar"><i style={{ width: `${upload.share * 100}%`, background: "#1d7470" }} /></div>}
      </div>
    </Modal>
  );
}
