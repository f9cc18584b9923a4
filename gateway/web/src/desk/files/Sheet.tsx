/** A sheet of QR labels as a PDF, made by the server. */
import { Button, Modal, SegmentedControl } from "@mantine/core";
import { Printer } from "lucide-react";
import { useState } from "react";

import { problem } from "../../api/client";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { saveFile } from "../../ui/save";
import { Notice } from "../../ui/states";

const LAYOUTS = ["3x8", "2x5", "1x1"];

export function SheetButton(props: { body: { asset_ids?: string[]; label_ids?: string[] }; small?: boolean; disabled?: boolean }) {
  const text = useText();
  const [open, setOpen] = useState(false);
  const [layout, setLayout] = useState("3x8");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const print = async () => {
    setBusy(true);
    setError(null);
    try {
      const answer = await fetch("/api/v1/labels/sheet", { method: "POST", headers: { "Content-Type": "application/json", "X-Forewarn": "1" }, body: JSON.stringify({ ...props.body, layout, language: text.language }) });
      if (!answer.ok) throw await problem(answer);
      saveFile("labels.pdf", await answer.blob(), "application/pdf");
      setOpen(false);
    } catch (cause) {
      setError(cause as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <Button variant="default" size={props.small ? "compact-sm" : "sm"} leftSection={<Printer size={props.small ? 14 : 16} />} disabled={props.disabled} onClick={() => setOpen(true)}>{text.t("labels.print")}</Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={text.t("labels.print")}>
        <div className="stack" style={{ gap: 14 }}>
          <SegmentedControl value={layout} onChange={setLayout} data={LAYOUTS.map((word) => ({ value: word, label: text.t(`labels.layout.${word}`) }))} />
          {error && <Notice tone="trouble">{problemText(error, text)}</Notice>}
          <Button loading={busy} onClick={() => void print()}>{text.t("labels.make_pdf")}</Button>
        </div>
      </Modal>
    </>
  );
}
