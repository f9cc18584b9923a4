/** One import: which column is what, a trial that writes nothing, its mistakes by cell, and the run itself. */
import { Button, Progress, Select, TextInput } from "@mantine/core";
import { CheckCircle2, OctagonAlert, Play, SearchCheck, TriangleAlert } from "lucide-react";
import { useEffect, useState } from "react";
import { useParams } from "react-router";

import { useList, useOne, useSend } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Loaded, Notice } from "../../ui/states";
import { RUN_TONE, useKinds, type Kind, type Run } from "./ImportsPage";

const BUSY = ["waiting", "running"];

export function ImportPage() {
  const { id = "" } = useParams();
  const [busy, setBusy] = useState(true);
  const run = useOne<Run>(`/imports/${id}`, true, busy ? 1000 : false);
  const kinds = useKinds();
  const state = run.data?.state;
  useEffect(() => { if (state) setBusy(BUSY.includes(state)); }, [state]);
  useTitle(run.data?.file_name);
  return <Loaded of={run} skeleton={<Bones rows={8} />}>{(data) => <One run={data} kinds={kinds.data?.items ?? []} key={`${data.id}${data.kind}${data.sheet}`} began={() => setBusy(true)} />}</Loaded>;
}

function One(props: { run: Run; kinds: Kind[]; began: () => void }) {
  const text = useText();
  const { run } = props;
  const [kind, setKind] = useState(run.kind);
  const [sheet, setSheet] = useState(run.sheet);
  const [columns, setColumns] = useState(run.columns);
  const [saveAs, setSaveAs] = useState("");
  const send = useSend<Run>();
  const mappings = useList<{ id: string; name: string; kind?: string }>("/import-mappings", { kind }, kind !== null);
  const about = props.kinds.find((one) => one.name === kind);
  const busy = BUSY.includes(run.state);
  const over = ["done", "failed"].includes(run.state);
  const used = new Set(columns.map((column) => column.field).filter(Boolean));
  const lacking = (about?.fields ?? []).filter((field) => field.required && !used.has(field.name));
  const name = (one: { label_en: string; label_zh: string }) => (text.language === "zh" ? one.label_zh : one.label_en);
  const start = (dry: boolean) => send.mutate({ path: `/imports/${run.id}/start`, body: { dry_run: dry, kind, sheet, columns: columns.map(({ index, field }) => ({ index, field })), save_as: saveAs.trim() || undefined } }, { onSuccess: props.began });
  return (
    <>
      <PageHead back={{ to: "/imports", label: text.t("nav.imports") }} title={run.file_name} marks={<Chip tone={RUN_TONE[run.state] ?? "quiet"} small>{text.code("import_state", run.state)}</Chip>} sub={`${text.value(run.size_bytes, "By")} · ${text.moment(run.created_at)}`} />
      <div className="stack" style={{ gap: 16 }}>
        <Result run={run} />
        {!over && (
          <CardBlock title={text.t("imports.columns")}>
            <div className="row wrap top" style={{ gap: 12, marginBottom: 14 }}>
              <Select label={text.t("imports.kind")} value={kind} onChange={(word) => word && setKind(word)} data={props.kinds.map((one) => ({ value: one.name, label: name(one) }))} disabled={busy} />
              {run.sheets.length > 1 && <Select label={text.t("imports.sheet")} value={sheet} onChange={setSheet} data={run.sheets} disabled={busy} />}
              <TextInput label={text.t("imports.save_as")} description={mappings.data?.items.length ? text.t("imports.saved_are", { names: mappings.data.items.map((one) => one.name).join(", ") }) : undefined} value={saveAs} onChange={(event) => setSaveAs(event.currentTarget.value)} maxLength={100} disabled={busy} />
            </div>
            <Table
              plain
              rows={columns.map((column) => ({ ...column, id: column.index }))}
              columns={[
                { label: "imports.column", cell: (column) => <><span className="mono muted">{column.letter}</span> {column.heading || <span className="faint">{text.t("imports.no_heading")}</span>}</> },
                { label: "imports.samples", cell: (column) => <span className="small muted break">{column.samples.slice(0, 3).join(" · ")}</span> },
                { label: "imports.field", cell: (column) => <Select aria-label={column.heading ?? column.letter} size="xs" searchable clearable disabled={busy} placeholder={text.t("imports.skip")} value={column.field} onChange={(field) => setColumns(columns.map((one) => (one.index === column.index ? { ...one, field } : one)))} data={(about?.fields ?? []).map((field) => ({ value: field.name, label: `${name(field)}${field.required ? " *" : ""}`, disabled: used.has(field.name) && field.name !== column.field }))} /> },
              ]}
            />
            {lacking.length > 0 && <div style={{ marginTop: 12 }}><Notice tone="watch" icon={TriangleAlert}>{text.t("imports.lacking", { fields: lacking.map(name).join(", ") })}</Notice></div>}
            {send.error && <div style={{ marginTop: 12 }}><Notice tone="trouble">{problemText(send.error, text)}</Notice></div>}
            <div className="row wrap" style={{ marginTop: 14 }}>
              <Button variant={run.state === "checked" ? "default" : "filled"} leftSection={<SearchCheck size={16} />} loading={busy && run.dry_run} disabled={busy || lacking.length > 0} onClick={() => start(true)}>{text.t("imports.check")}</Button>
              <Button variant={run.state === "checked" ? "filled" : "default"} leftSection={<Play size={16} />} loading={busy && !run.dry_run} disabled={busy || lacking.length > 0} onClick={() => start(false)}>{text.t("imports.run")}</Button>
              <span className="small muted grow" style={{ flexBasis: 260 }}>{text.t("imports.check_hint")}</span>
            </div>
          </CardBlock>
        )}
        {run.errors.length > 0 && (
          <CardBlock title={text.t("imports.errors", { count: run.error_count })} flush>
            <Table plain rows={run.errors.map((error, index) => ({ ...error, id: index }))} columns={[
              { label: "imports.cell", width: "90px", cell: (error) => <span className="mono">{error.cell}</span> },
              { label: "imports.what", cell: (error) => (text.language === "zh" ? error.zh : error.en) },
              { label: "imports.field", phone: "hide", cell: (error) => { const field = about?.fields.find((one) => one.name === error.field); return field ? name(field) : (error.field ?? ""); } },
            ]} />
            {run.error_count > run.errors.length && <div className="small muted inset" style={{ padding: "8px 20px 14px" }}>{text.t("imports.more_errors", { count: run.error_count - run.errors.length })}</div>}
          </CardBlock>
        )}
      </div>
    </>
  );
}

function Result(props: { run: Run }) {
  const text = useText();
  const { run } = props;
  if (BUSY.includes(run.state))
    return (
      <div className="card pad" role="status">
        <div className="row" style={{ marginBottom: 8 }}><span className="grow" style={{ fontWeight: 600 }}>{text.t(run.dry_run ? "imports.checking" : "imports.running")}</span><span className="num small muted">{text.number(run.rows_done, 0)}{run.rows_total ? ` / ${text.number(run.rows_total, 0)}` : ""}</span></div>
        <Progress value={run.rows_total ? (run.rows_done / run.rows_total) * 100 : 100} animated={!run.rows_total} size="md" radius="xl" aria-label={text.t("imports.running")} />
      </div>
    );
  if (run.state === "uploaded") return null;
  const good = run.state === "done" || (run.state === "checked" && run.faulty === 0);
  const counts = text.t("imports.counts", { inserted: text.number(run.inserted, 0), updated: text.number(run.updated, 0), unchanged: text.number(run.unchanged, 0), faulty: text.number(run.faulty, 0) });
  return (
    <Notice tone={good ? "ok" : run.state === "checked" ? "watch" : "trouble"} icon={good ? CheckCircle2 : OctagonAlert}>
      <div style={{ fontWeight: 600 }}>{text.t(`imports.said.${run.state}`)}</div>
      {run.state !== "failed" && <div>{counts}</div>}
    </Notice>
  );
}
