/** Photos go in two steps: first what they are, so that what names them may go; then their bytes, piece by piece. */
import { api, ApiError, post, problem } from "../../api/client";
import { store, type Photo } from "../store";

const LOCK = "forewarn.photos";
const LOOK_MS = 15_000; // how long a photo waits for its place
const [SMALLEST, LARGEST, FIRST] = [64 * 1024, 1024 * 1024, 256 * 1024]; // bytes of one piece
const QUICK_MS = 3_000; // a piece that took less: the next one is larger
const PIECE_MS = 90_000; // a piece that took more is sent again, smaller
const LATER = [401, 408, 425, 429];

export type Step = "done" | "away" | "signed_out";
export type Item = { id: string; state: string; offset: number; size_bytes: number; chunk_bytes?: number; problem?: { code?: string; detail?: string } | null };

const refusal = (error: unknown): error is ApiError => error instanceof ApiError && error.status >= 400 && error.status < 500 && !LATER.includes(error.status) && error.code !== "";
const isAway = (error: unknown): Step => (error instanceof ApiError && error.status === 401 ? "signed_out" : "away");

/** Tell the server of every photo of this person that it does not know yet. */
export async function registerPhotos(person: string): Promise<Step> {
  const fresh = (await store.photos.orderBy("at").toArray()).filter((one) => !one.registered && !one.problem && one.person.id === person && (!one.look || Date.now() - one.at > LOOK_MS));
  for (const photo of fresh) {
    try {
      const item = await post<Item>("/evidence", {
        id: photo.id, subject_kind: "work_order", subject_id: photo.order, run_id: photo.run ?? undefined, step: photo.step ?? undefined, file_name: `${photo.id.slice(-8)}.${photo.type === "image/png" ? "png" : "jpg"}`,
        size_bytes: photo.size, sha256: photo.sha256, captured_at: photo.captured_at, place: photo.place ?? undefined, caption: photo.caption || undefined, public: photo.public,
      });
      if (item?.id !== photo.id) return "away";
      await store.photos.update(photo.id, { registered: true, offset: item.offset, ...(item.state === "kept" ? { kept: true, content: null } : {}) });
    } catch (error) {
      if (!refusal(error)) return isAway(error);
      await store.photos.update(photo.id, { problem: { code: error.code, detail: error.message } });
    }
  }
  return "done";
}

export async function sendPhotos(person: string): Promise<Step> {
  if ((await unsent(person)).length === 0) return "done";
  return navigator.locks ? navigator.locks.request(LOCK, () => sendAll(person)) : sendAll(person);
}

const unsent = async (person: string): Promise<Photo[]> => (await store.photos.orderBy("at").toArray()).filter((one) => one.registered && !one.kept && !one.problem && one.person.id === person);

async function sendAll(person: string): Promise<Step> {
  for (;;) {
    const next = (await unsent(person))[0];
    if (!next) return "done";
    const step = await sendOne(next);
    if (step !== "done") return step;
  }
}

async function sendOne(photo: Photo): Promise<Step> {
  if (!photo.content) return fail(photo, "lost", "");
  let length = FIRST;
  try {
    let { offset, state } = await api<Item>(`/evidence/${photo.id}`); // where the last attempt got to
    while (state !== "kept") {
      if (state === "refused" || state === "removed") return fail(photo, state, "");
      const begun = Date.now();
      const answer = await piece(photo, offset, length);
      length = Date.now() - begun < QUICK_MS ? Math.min(LARGEST, length * 2) : Math.max(SMALLEST, length / 2);
      ({ offset, state } = answer);
      await store.photos.update(photo.id, { offset });
    }
    await store.photos.update(photo.id, { kept: true, content: null, offset: photo.size });
    return "done";
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) { // the server forgot it: begin anew
      await store.photos.update(photo.id, { registered: false, offset: 0 });
      return "away";
    }
    return refusal(error) ? fail(photo, error.code, error.message) : isAway(error);
  }
}

async function fail(photo: Photo, code: string, detail: string): Promise<Step> {
  await store.photos.update(photo.id, { problem: { code, detail } });
  return "done";
}

async function piece(photo: Photo, offset: number, length: number): Promise<Item> {
  const answer = await fetch(`/api/v1/evidence/${photo.id}/content?offset=${offset}`, {
    method: "PUT", credentials: "same-origin", body: photo.content!.slice(offset, offset + length), signal: AbortSignal.timeout(PIECE_MS),
    headers: { Accept: "application/json", "X-Forewarn": "1", "Content-Type": "application/octet-stream" },
  });
  if (answer.ok) return (await answer.json()) as Item;
  const error = await problem(answer);
  // Two senders, or an answer that was lost: the server says where to go on.
  if (error.code === "wrong_offset") return { id: photo.id, state: "waiting", size_bytes: photo.size, offset: Number(error.params.offset ?? 0) };
  throw error;
}

/** Try a refused photo again, as a new one where the server has decided about the old. */
export async function photoAgain(photo: Photo): Promise<void> {
  await store.photos.update(photo.id, { problem: null });
}
