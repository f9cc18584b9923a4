/** The commissioning checklist: each point answered once, by whom and when; complete before the machine may be commissioned. */
import { Button, NumberInput, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { CheckCircle2, CircleDashed, XCircle } from "lucide-react";
import { useState } from "react";

import { useOne, useSend } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { CardBlock } from "../../ui/parts";
import { Notice } from "../../ui/states";

export type Point = { key: string; en: string; zh: string; kind: "check" | "number" | "text"; required: boolean; unit?: string | null; minimum?: number | null; maximum?: number | null; ok: boolean | null; value: number | string | null; note: string | null; by: { name: string } | string | null; at: string | null };
export type List = { items: Point[]; complete: boolean };

export function Commissioning(props: { asset: string; phone?: boolean }) {
  const text = useText();
  const list = useOne<List>(`/assets/${props.asset}/commissioning`);
  if (!list.data?.items?.length) return null;
  const done = list.data.items.filter((point) => point.ok !== null).length;
  return (
    <CardBlock title={text.t("commissioning.title")} right={<span className="small muted num">{done}/{list.data.items.length}</span>}>
      {list.data.items.map((point) => <PointRow key={point.key} asset={props.asset} point={point} />)}
    </CardBlock>
  );
}

function PointRow(props: { asset: string; point: Point }) {
  const text = useText();
  const { point } = props;
  const [open, setOpen] = useState(false);
  const Icon = point.ok === null ? CircleDashed : point.ok ? CheckCircle2 : XCircle;
  const colour = point.ok === null ? "#8c99a6" : point.ok ? "#1f7a4d" : "#b3261e";
  const by = typeof point.by === "object" ? point.by?.name : point.by;
  return (
    <div className="line">
      <button type="button" className="plainbutton row top" style={{ width: "100%", gap: 10 }} aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon size={18} style={{ color: colour, flex: "none", marginTop: 1 }} aria-hidden />
        <span className="grow small break">{text.language === "zh" ? point.zh : point.en}{point.required && <span style={{ color: "#b3261e" }}> *</span>}
          {point.value !== null && <b className="num"> {point.value} {point.unit}</b>}
          {point.ok !== null && <span className="tiny muted" style={{ display: "block" }}>{[by, point.at && text.moment(point.at), point.note].filter(Boolean).join(" · ")}</span>}
        </span>
      </button>
      {open && <Answer asset={props.asset} point={point} close={() => setOpen(false)} />}
    </div>
  );
}

function Answer(props: { asset: string; point: Point; close: () => void }) {
  const text = useText();
  const { point } = props;
  const [ok, setOk] = useState<boolean>(point.ok ?? true);
  const [value, setValue] = useState<string | number>(point.value ?? "");
  const [note, setNote] = useState(point.note ?? "");
  const send = useSend();
  const lacking = point.kind !== "check" && value === "";
  return (
    <div className="stack" style={{ gap: 10, padding: "10px 0 4px 28px" }}>
      <SegmentedControl size="sm" value={ok ? "yes" : "no"} onChange={(word) => setOk(word === "yes")} data={[{ value: "yes", label: text.t("commissioning.ok") }, { value: "no", label: text.t("commissioning.not_ok") }]} />
      {point.kind === "number" && <NumberInput label={text.t("col.value")} value={value} onChange={setValue} suffix={point.unit ? ` ${point.unit}` : undefined} description={point.minimum != null || point.maximum != null ? `${point.minimum ?? ""} … ${point.maximum ?? ""}` : undefined} />}
      {point.kind === "text" && <TextInput label={text.t("col.value")} value={String(value)} onChange={(event) => setValue(event.currentTarget.value)} maxLength={200} />}
      <Textarea placeholder={text.t("finish.note")} aria-label={text.t("finish.note")} value={note} onChange={(event) => setNote(event.currentTarget.value)} autosize maxLength={500} />
      {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
      <Button size="sm" loading={send.isPending} disabled={lacking} onClick={() => send.mutate({ path: `/assets/${props.asset}/commissioning/${encodeURIComponent(point.key)}`, method: "PUT", body: { ok, value: point.kind === "check" || value === "" ? null : value, note: note.trim() || null } }, { onSuccess: props.close })}>{text.t("action.save")}</Button>
    </div>
  );
}
