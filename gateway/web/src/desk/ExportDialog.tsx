/** Export a machine's readings: any range, any metrics, CSV or Parquet, with progress and a way to stop. */
import { Button, Modal, MultiSelect, Progress, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { CheckCircle2, Download, TriangleAlert } from "lucide-react";
import { useRef, useState } from "react";

import type { AssetDetail } from "../api/types";
import { useText } from "../i18n/useText";
import { metricLabel } from "../text/metrics";
import { download, type Progress as Got } from "../ui/download";
import { errorText, Notice } from "../ui/states";

const RANGES: Record<string, number> = { h24: 86_400, d7: 604_800, d30: 2_592_000, d365: 31_536_000 };
const FORMATS = ["csv", "parquet"] as const;
type Format = (typeof FORMATS)[number];

export function ExportButton(props: { asset: AssetDetail }) {
  const { t } = useText();
  const [open, dialog] = useDisclosure(false);
  if (props.asset.metrics.length === 0) return null;
  return (
    <>
      <Button variant="default" leftSection={<Download size={16} />} onClick={dialog.open}>{t("export.action")}</Button>
      <Modal opened={open} onClose={dialog.close} title={t("export.title", { name: props.asset.name })} size="lg" closeOnClickOutside={false}>
        <Form asset={props.asset} />
      </Modal>
    </>
  );
}

/** What <input type="datetime-local"> shows for a moment. */
function local(at: number): string {
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

type State = { kind: "ready" } | { kind: "running" | "done" | "stopped"; got: Got } | { kind: "failed"; error: Error };

function Form(props: { asset: AssetDetail }) {
  const { asset } = props;
  const text = useText();
  const now = asset.replayed && asset.last_reading_at ? new Date(asset.last_reading_at).getTime() : Date.now();
  const [range, setRange] = useState("d7");
  const [from, setFrom] = useState(() => local(now - RANGES.d7! * 1000));
  const [to, setTo] = useState(() => local(now));
  const [metrics, setMetrics] = useState<string[]>([]);
  const [format, setFormat] = useState<Format>("csv");
  const [state, setState] = useState<State>({ kind: "ready" });
  const stop = useRef<AbortController | null>(null);
  const choose = (word: string) => {
    setRange(word);
    if (!RANGES[word]) return;
    setFrom(local(now - RANGES[word] * 1000));
    setTo(local(now));
  };
  const wrong = !(new Date(from) < new Date(to));
  const run = async () => {
    const asked = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(new Date(to).getTime() + 60_000).toISOString(), format });
    for (const metric of metrics) asked.append("metric", metric);
    const controller = new AbortController();
    stop.current = controller;
    let got: Got = { bytes: 0, rows: 0, expected: null };
    const tell = (next: Got) => {
      got = next;
      setState({ kind: "running", got: next });
    };
    tell(got);
    try {
      const name = `${asset.serial.replace(/[^\w.-]+/g, "_")}_${from.slice(0, 10)}_${to.slice(0, 10)}.${format}`;
      const all = await download(`/assets/${asset.id}/readings/export?${asked}`, name, format === "csv", controller.signal, tell);
      setState({ kind: "done", got: all });
    } catch (error) {
      setState((error as Error).name === "AbortError" ? { kind: "stopped", got } : { kind: "failed", error: error as Error });
    }
  };
  const running = state.kind === "running";
  return (
    <div className="stack" style={{ gap: 14 }}>
      <fieldset disabled={running} className="stack bare" style={{ gap: 14 }}>
        <Select label={text.t("export.range")} value={range} onChange={(word) => word && choose(word)} data={[...Object.keys(RANGES), "own"].map((word) => ({ value: word, label: text.t(`export.span.${word}`) }))} />
        <div className="row wrap top" style={{ gap: 12 }}>
          <TextInput className="grow" style={{ flexBasis: 190 }} type="datetime-local" label={text.t("export.from")} value={from} onChange={(event) => { setFrom(event.currentTarget.value); setRange("own"); }} error={wrong ? text.t("export.wrong_range") : undefined} />
          <TextInput className="grow" style={{ flexBasis: 190 }} type="datetime-local" label={text.t("export.to")} value={to} onChange={(event) => { setTo(event.currentTarget.value); setRange("own"); }} />
        </div>
        <MultiSelect label={text.t("export.metrics")} placeholder={metrics.length === 0 ? text.t("export.all_metrics") : undefined} searchable clearable value={metrics} onChange={setMetrics} data={asset.metrics.map((one) => ({ value: one.metric, label: metricLabel(one, text.language) }))} maxDropdownHeight={260} />
        <div>
          <div className="label">{text.t("export.format")}</div>
          <SegmentedControl value={format} onChange={(word) => setFormat(word as Format)} data={FORMATS.map((word) => ({ value: word, label: text.t(`export.as.${word}`) }))} />
        </div>
      </fieldset>
      <Outcome state={state} />
      {running ? (
        <Button variant="default" onClick={() => stop.current?.abort()}>{text.t("export.stop")}</Button>
      ) : (
        <Button leftSection={<Download size={16} />} disabled={wrong} onClick={() => void run()}>{text.t("export.download")}</Button>
      )}
    </div>
  );
}

function Outcome(props: { state: State }) {
  const text = useText();
  const { state } = props;
  if (state.kind === "ready") return null;
  if (state.kind === "failed") return <Notice tone="trouble" icon={TriangleAlert}>{text.t("export.failed")} {errorText(state.error, text)}</Notice>;
  const { bytes, rows, expected } = state.got;
  const said = [text.value(bytes, "By"), rows > 0 && text.t("export.rows", { rows: text.number(rows, 0) })].filter(Boolean).join(" · ");
  if (state.kind === "stopped") return <Notice tone="watch">{text.t("export.stopped")} {said}</Notice>;
  if (state.kind === "done") return <Notice tone="ok" icon={CheckCircle2}>{text.t("export.done")} {said}</Notice>;
  const share = expected && rows > 0 ? Math.min(99, (rows / expected) * 100) : null;
  return (
    <div className="stack" style={{ gap: 6 }} role="status">
      <Progress value={share ?? 100} animated={share === null} striped={share === null} size="md" radius="xl" aria-label={text.t("export.title", { name: "" })} />
      <div className="small muted num">{said}{expected ? ` · ${text.t("export.expected", { rows: text.number(expected, 0) })}` : ""}</div>
    </div>
  );
}
