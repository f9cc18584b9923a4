/** A photo from the camera: shrunk on the phone, with the time and place of its taking beside it, kept until it is sent. */
import { newId } from "../ids";
import { position } from "../places";
import { store, type Photo, type Place, type Somebody } from "../store";
import { readExif } from "./exif";
import { sha256 } from "./sha256";

const LONGEST = 2048; // pixels: a type plate stays readable, a slow network carries it
const SMALL = 240; // what the phone shows
const [QUALITY, SMALL_QUALITY] = [0.82, 0.7];
const FRESH_MS = 5 * 60_000; // a file that is younger was taken just now
const PLACE_MS = 12_000;

export type About = { order: { id: string; number: string; asset: { name: string } }; run?: string; step?: string; caption?: string; public?: boolean };

/** Not an image that this phone can read. */
export class NotAPhoto extends Error {}

/** Keep a photo of a job; its id stands for it from now on. Raises NotAPhoto, and what Dexie raises on a full phone. */
export async function keepPhoto(file: Blob & { lastModified?: number }, about: About, person: Somebody): Promise<string> {
  const taken = await readExif(file);
  const at = file.lastModified && Date.now() - file.lastModified > FRESH_MS ? file.lastModified : Date.now();
  const [content, small] = await shrunk(file);
  const look = !taken.place && (await mayLocate());
  const id = await put(content, small, "image/jpeg", taken.at ?? new Date(at).toISOString(), taken.place, look, about, person);
  if (look) void position(PLACE_MS, 60_000).then((fix) => store.photos.update(id, { look: false, ...(typeof fix === "string" ? {} : { place: { ...fix, at: new Date().toISOString() } }) })).catch(() => undefined);
  return id;
}

/** Keep what was drawn, for a step that asks for a signature. */
export async function keepDrawing(drawn: Blob, about: About, person: Somebody): Promise<string> {
  return put(drawn, drawn, "image/png", new Date().toISOString(), null, false, about, person);
}

async function put(content: Blob, small: Blob, type: string, captured_at: string, place: Place | null, look: boolean, about: About, person: Somebody): Promise<string> {
  const photo: Photo = {
    id: newId(), order: about.order.id, number: about.order.number, asset: about.order.asset.name, person: { id: person.id, name: person.name }, run: about.run ?? null, step: about.step ?? null,
    caption: about.caption ?? "", public: about.public ?? true, captured_at, place, look, content, small, type, size: content.size, sha256: await sha256(content), registered: false, offset: 0, kept: false, at: Date.now(), problem: null,
  };
  await store.photos.add(photo);
  return photo.id;
}

/** Who has not allowed it is not asked in the middle of taking photos. */
async function mayLocate(): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: "geolocation" })).state === "granted";
  } catch {
    return false;
  }
}

async function shrunk(file: Blob): Promise<[Blob, Blob]> {
  let image: ImageBitmap;
  try {
    image = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new NotAPhoto();
  }
  try {
    return [await drawn(image, LONGEST, QUALITY), await drawn(image, SMALL, SMALL_QUALITY)];
  } finally {
    image.close();
  }
}

async function drawn(image: ImageBitmap, longest: number, quality: number): Promise<Blob> {
  const scale = Math.min(1, longest / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const pen = canvas.getContext("2d");
  if (!pen) throw new NotAPhoto();
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  const made = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
  canvas.width = canvas.height = 0; // some phones keep a canvas' memory until it is empty
  if (!made) throw new NotAPhoto();
  return made;
}
