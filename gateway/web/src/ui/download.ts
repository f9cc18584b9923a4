/** Download what the server streams, with progress and a way to stop; straight to disk where the browser can. */
import { problem, Unreachable } from "../api/client";

export type Progress = { bytes: number; rows: number; expected: number | null };

type Writable = { write: (part: Uint8Array) => Promise<void>; close: () => Promise<void>; abort: () => Promise<void> };
type Picker = (options: { suggestedName: string }) => Promise<{ createWritable: () => Promise<Writable> }>;

const TELL_MS = 150;
const NEWLINE = 10;

/** Save an answer under a name; rows are counted when they are lines. Rejects with AbortError when stopped. */
export async function download(path: string, name: string, lines: boolean, signal: AbortSignal, tell: (progress: Progress) => void): Promise<Progress> {
  const file = await pick(name); // first: browsers allow it only straight after a press
  const answer = await fetch(`/api/v1${path}`, { credentials: "same-origin", signal }).catch((cause: unknown) => {
    throw signal.aborted ? cause : new Unreachable(String(cause));
  });
  if (!answer.ok || !answer.body) throw await problem(answer);
  const progress: Progress = { bytes: 0, rows: 0, expected: Number(answer.headers.get("X-Forewarn-Rows")) || null };
  const parts: BlobPart[] = [];
  try {
    await pump(answer.body.getReader(), progress, lines, tell, async (part) => (file ? file.write(part) : void parts.push(part as Uint8Array<ArrayBuffer>)));
  } catch (cause) {
    await file?.abort().catch(() => undefined); // half a file looks like a whole one
    throw signal.aborted ? cause : new Unreachable(String(cause));
  }
  if (lines) progress.rows = Math.max(0, progress.rows - 1); // the first line names the columns
  if (file) await file.close();
  else (await import("./save")).saveFile(name, parts, answer.headers.get("Content-Type") ?? "application/octet-stream");
  tell({ ...progress });
  return progress;
}

async function pump(reader: ReadableStreamDefaultReader<Uint8Array>, progress: Progress, lines: boolean, tell: (progress: Progress) => void, write: (part: Uint8Array) => Promise<void>): Promise<void> {
  let told = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    progress.bytes += value.length;
    if (lines) for (const byte of value) if (byte === NEWLINE) progress.rows += 1;
    await write(value);
    if (performance.now() - told > TELL_MS) {
      told = performance.now();
      tell({ ...progress });
    }
  }
}

async function pick(name: string): Promise<Writable | null> {
  const picker = (window as unknown as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (!picker) return null;
  return (await picker({ suggestedName: name })).createWritable();
}
