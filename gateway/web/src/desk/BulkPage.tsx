/** Many devices from one file: looked at first, every mistake with its row, then registered, the codes to take away. */
import { Button, FileButton, Textarea } from "@mantine/core";
import { CheckCircle2, Download, FileUp, Printer, TriangleAlert } from "lucide-react";
import { useState } from "react";

import { ApiError, newKey } from "../api/client";
import { useBulk, type Bulk, type BulkError } from "../api/devices";
import { useText, type Text } from "../i18n/useText";
import { CardBlock, PageHead, useTitle } from "../ui/parts";
import { errorText, Notice } from "../ui/states";
import { printLabels } from "../ui/labels";
import { saveFile } from "../ui/save";

const EXAMPLE = "serial,model,asset\npump-7,CR-32,Feed pump 7\npump-8,CR-32,Feed pump 8\n";
const MOST_BYTES = 2 * 1024 * 1024; // the server takes no more
const ROWS_SHOWN = 200;

export function BulkPage() {
  const text = useText();
  const [csv, setCsv] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [key, setKey] = useState(newKey);
  const check = useBulk();
  const create = useBulk();
  useTitle(text.t("bulk.title"));
  const take = (next: string) => {
    setCsv(next);
    setProblem(null);
    setKey(newKey()); // another file is another intention
    create.reset();
    if (next.trim()) check.mutate({ csv: next, dry: true });
    else check.reset();
  };
  const read = async (file: File | null) => {
    if (!file) return;
    if (file.size > MOST_BYTES) return setProblem(text.t("bulk.too_large"));
    take(decoded(await file.arrayBuffer()));
  };
  const done = create.data && create.data.created.length > 0 ? create.data : null;
  const looked = !done && !create.isPending ? check.data : undefined;
  return (
    <div style={{ maxWidth: 860 }}>
      <PageHead back={{ to: "/devices", label: text.t("nav.devices") }} title={text.t("bulk.title")} sub={text.t("bulk.sub")} />
      <div className="stack" style={{ gap: 14 }}>
        {done ? (
          <Codes bulk={done} again={() => take("")} />
        ) : (
          <CardBlock title={text.t("bulk.file")}>
            <div className="stack" style={{ gap: 12 }}>
              <div className="row wrap">
                <FileButton accept=".csv,text/csv,text/plain" onChange={(file) => void read(file)}>
                  {(props) => <Button {...props} leftSection={<FileUp size={16} />}>{text.t("bulk.choose")}</Button>}
                </FileButton>
                <Button variant="default" leftSection={<Download size={16} />} onClick={() => saveFile("devices.csv", EXAMPLE, "text/csv")}>{text.t("bulk.example_file")}</Button>
              </div>
              <Textarea className="mono-input" label={text.t("bulk.paste")} placeholder={EXAMPLE} value={csv} autosize minRows={5} maxRows={14} spellCheck={false} onChange={(event) => take(event.currentTarget.value)} />
              <div className="tiny muted">{text.t("bulk.columns")}</div>
            </div>
          </CardBlock>
        )}
        {(problem || check.error || create.error) && <Notice tone="trouble" icon={TriangleAlert}>{problem ?? failure(create.error ?? check.error, text)}</Notice>}
        {looked && looked.errors.length > 0 && <Errors errors={looked.errors} good={looked.created.length} />}
        {looked && looked.unchanged.length > 0 && <Notice tone="quiet">{text.t("bulk.unchanged", { count: looked.unchanged.length })}</Notice>}
        {looked && looked.errors.length === 0 && looked.created.length > 0 && (
          <Notice tone="ok" icon={CheckCircle2}>{text.t("bulk.all_good", { count: looked.created.length })}</Notice>
        )}
        {!done && (
          <div>
            <Button size="md" disabled={!looked || looked.errors.length > 0 || looked.created.length === 0} loading={check.isPending || create.isPending} onClick={() => create.mutate({ csv, dry: false, key })}>
              {looked?.created.length ? text.t("bulk.register", { count: looked.created.length }) : text.t("bulk.register_none")}
            </Button>
          </div>
        )}
        {create.data && create.data.errors.length > 0 && <Errors errors={create.data.errors} good={create.data.created.length} />}
      </div>
    </div>
  );
}

/** UTF-8, or GB 18030 as Excel writes it in China. */
function decoded(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("gb18030").decode(bytes);
  }
}

function failure(error: Error | null, text: Text): string {
  return error instanceof ApiError && error.code === "invalid" && error.message ? error.message : errorText(error, text);
}

function Errors(props: { errors: BulkError[]; good: number }) {
  const text = useText();
  const shown = props.errors.slice(0, ROWS_SHOWN);
  return (
    <CardBlock title={text.t("bulk.errors", { count: props.errors.length })} right={<span className="small muted">{text.t("bulk.good_rows", { count: props.good })}</span>} flush>
      <div className="scroll">
        <table className="grid">
          <thead><tr><th className="num">{text.t("bulk.row")}</th><th>{text.t("bulk.column")}</th><th>{text.t("bulk.wrong")}</th></tr></thead>
          <tbody>
            {shown.map((error, index) => (
              <tr key={index}><td className="num">{error.row}</td><td className="mono small">{error.column || "–"}</td><td className="break">{wrong(error, text)}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < props.errors.length && <div className="small muted inset" style={{ paddingTop: 8, paddingBottom: 12 }}>{text.t("bulk.more", { count: props.errors.length - shown.length })}</div>}
    </CardBlock>
  );
}

function wrong(error: BulkError, text: Text): string {
  const key = `bulk_error.${error.code}`;
  if (text.has(key)) return text.t(key, { row: "–", ...error.params });
  return error.params.message ?? text.code("bulk_error", error.code);
}

/** Claim codes are secrets that the server does not keep: they are to be taken away now. */
function Codes(props: { bulk: Bulk; again: () => void }) {
  const text = useText();
  const { created } = props.bulk;
  const save = () => saveFile("claim-codes.csv", ["serial,claim_code", ...created.map((row) => `${quoted(row.serial)},${row.claim_code ?? ""}`)].join("\n") + "\n", "text/csv");
  return (
    <CardBlock title={text.t("bulk.done", { count: created.length })} flush>
      <div className="inset" style={{ paddingBottom: 12 }}>
        <Notice tone="watch" icon={TriangleAlert}>{text.t("bulk.once")}</Notice>
        <div className="row wrap" style={{ marginTop: 12 }}>
          <Button leftSection={<Download size={16} />} onClick={save}>{text.t("bulk.download")}</Button>
          <Button variant="default" leftSection={<Printer size={16} />} onClick={() => printLabels(created)}>{text.t("bulk.print")}</Button>
          <Button variant="default" onClick={props.again}>{text.t("bulk.another")}</Button>
        </div>
        <div className="small muted break" style={{ marginTop: 12 }}>{text.t("bulk.how")} <span className="mono">forewarn-edge claim CODE --server {location.origin}</span></div>
      </div>
      <div className="scroll" style={{ maxHeight: 520 }}>
        <table className="grid">
          <thead><tr><th>{text.t("devices.serial")}</th><th>{text.t("bulk.code")}</th></tr></thead>
          <tbody>{created.slice(0, ROWS_SHOWN).map((row) => <tr key={row.row}><td className="mono break">{row.serial}</td><td className="mono nowrap">{row.claim_code ?? "–"}</td></tr>)}</tbody>
        </table>
      </div>
      {created.length > ROWS_SHOWN && <div className="small muted inset" style={{ paddingTop: 8, paddingBottom: 12 }}>{text.t("bulk.more", { count: created.length - ROWS_SHOWN })}</div>}
    </CardBlock>
  );
}

const quoted = (value: string): string => (/[",\n]/.test(value) ? `"${value.replace(/"/g, '""')}"` : value);
