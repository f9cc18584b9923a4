/** A field to sign in with the finger; what is drawn is lines, so that it can be drawn again in any size. */
import { Button } from "@mantine/core";
import { Eraser } from "lucide-react";
import { useEffect, useRef, useState, type PointerEvent } from "react";

import { useText } from "../../i18n/useText";

const [WIDTH, HEIGHT] = [900, 360]; // of the picture that is kept
const LEAST = 160; // of ink, a sixth of the width: a slip of the thumb is no signature. Points would not do: a busy phone reports few
const MOST = 6_000;

type Point = { x: number; y: number };

export function SignaturePad(props: { save: (drawn: Blob, image: string) => void; label: string; disabled?: boolean; busy?: boolean }) {
  const { t } = useText();
  const canvas = useRef<HTMLCanvasElement>(null);
  const lines = useRef<Point[][]>([]);
  const [ink, setInk] = useState(0);
  useEffect(() => { if (canvas.current) draw(canvas.current, lines.current); }, []);
  const where = (event: PointerEvent): Point => {
    const box = canvas.current!.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * WIDTH, y: ((event.clientY - box.top) / box.height) * HEIGHT };
  };
  const begin = (event: PointerEvent<HTMLCanvasElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    lines.current.push([where(event)]);
  };
  const go = (event: PointerEvent<HTMLCanvasElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId) || lines.current.reduce((sum, line) => sum + line.length, 0) >= MOST) return;
    lines.current.at(-1)?.push(where(event));
    draw(canvas.current!, lines.current);
  };
  const count = () => setInk(lines.current.reduce((sum, line) => sum + lengthOf(line), 0));
  const clear = () => { lines.current = []; draw(canvas.current!, []); setInk(0); };
  const save = () => {
    const image = canvas.current!.toDataURL("image/png");
    canvas.current!.toBlob((drawn) => drawn && props.save(drawn, image), "image/png");
  };
  return (
    <div className="stack" style={{ gap: 10 }}>
      <div className="signpad">
        <canvas ref={canvas} width={WIDTH} height={HEIGHT} style={{ touchAction: "none" }} role="img" aria-label={t("sign.here")} onPointerDown={begin} onPointerMove={go} onPointerUp={count} onPointerCancel={count} />
        {ink === 0 && <span aria-hidden>{t("sign.here")}</span>}
      </div>
      {ink > 0 && ink < LEAST && <div className="small muted">{t("sign.too_short")}</div>}
      <div className="row" style={{ gap: 10 }}>
        <Button size="lg" variant="default" px={16} aria-label={t("sign.clear")} disabled={ink === 0} onClick={clear}><Eraser size={20} /></Button>
        <Button size="lg" className="grow" disabled={props.disabled || ink < LEAST} loading={props.busy} onClick={save}>{props.label}</Button>
      </div>
    </div>
  );
}

/** A dot is ink too. */
const lengthOf = (line: Point[]): number => line.slice(1).reduce((sum, { x, y }, index) => sum + Math.hypot(x - line[index]!.x, y - line[index]!.y), 1);

function draw(canvas: HTMLCanvasElement, lines: Point[][]): void {
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  pen.strokeStyle = "#14202b";
  pen.lineWidth = 6;
  pen.lineCap = pen.lineJoin = "round";
  for (const line of lines) {
    pen.beginPath();
    pen.moveTo(line[0]!.x, line[0]!.y);
    for (const { x, y } of line.slice(1)) pen.lineTo(x, y);
    if (line.length === 1) pen.lineTo(line[0]!.x + 0.1, line[0]!.y);
    pen.stroke();
  }
}
