/** Read a code with the camera; without one, or without leave to use it, the code is typed. */
import { ActionIcon, Modal, TextInput } from "@mantine/core";
import { prepareZXingModule, BarcodeDetector } from "barcode-detector/ponyfill";
import { ScanLine } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import wasm from "zxing-wasm/reader/zxing_reader.wasm?url";

import { useText } from "../i18n/useText";
import { Notice } from "../ui/states";

prepareZXingModule({ overrides: { locateFile: (path: string, prefix: string) => (path.endsWith(".wasm") ? wasm : prefix + path) } }); // ours, never from elsewhere
const EVERY_MS = 200; // five looks a second: quick enough for the hand, slow enough for the battery

export function ScanInput(props: { label: string; found: (code: string) => void; busy?: boolean }) {
  const { t } = useText();
  const [typed, setTyped] = useState("");
  const [open, setOpen] = useState(false);
  const take = (code: string) => { const plain = code.trim(); if (plain) { props.found(plain); setTyped(""); } };
  return (
    <>
      <form onSubmit={(event) => { event.preventDefault(); take(typed); }}>
        <TextInput size="md" label={props.label} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} placeholder={t("scan.type")} disabled={props.busy} maxLength={300} autoCapitalize="characters" autoComplete="off" enterKeyHint="search"
          rightSectionWidth={52} rightSection={<ActionIcon size={40} variant="light" aria-label={t("scan.camera")} onClick={() => setOpen(true)}><ScanLine size={22} /></ActionIcon>} />
      </form>
      {open && <Camera close={() => setOpen(false)} found={(code) => { setOpen(false); take(code); }} />}
    </>
  );
}

function Camera(props: { close: () => void; found: (code: string) => void }) {
  const { t } = useText();
  const video = useRef<HTMLVideoElement>(null);
  const [refused, setRefused] = useState(false);
  useEffect(() => {
    let stream: MediaStream | null = null;
    let timer = 0;
    let over = false;
    const look = async (detector: BarcodeDetector) => {
      if (over || !video.current) return;
      const codes = await detector.detect(video.current).catch(() => []);
      if (!over && codes[0]) return props.found(codes[0].rawValue);
      if (!over) timer = window.setTimeout(() => void look(detector), EVERY_MS);
    };
    void (async () => {
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
        if (over || !video.current) return stream.getTracks().forEach((track) => track.stop());
        video.current.srcObject = stream;
        await video.current.play();
        await look(new BarcodeDetector({ formats: ["qr_code", "code_128", "code_39", "ean_13", "data_matrix"] }));
      } catch {
        setRefused(true);
      }
    })();
    return () => { over = true; window.clearTimeout(timer); stream?.getTracks().forEach((track) => track.stop()); };
  }, []); // once for this opening
  return (
    <Modal opened onClose={props.close} title={t("scan.camera")} fullScreen>
      {refused ? <Notice tone="watch">{t(window.isSecureContext ? "scan.refused" : "scan.insecure")}</Notice> : <video ref={video} playsInline muted style={{ width: "100%", maxHeight: "70vh", borderRadius: 12, background: "#10242c", objectFit: "cover" }} />}
    </Modal>
  );
}
