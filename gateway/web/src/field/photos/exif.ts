/** When and where a JPEG was taken, as its camera wrote it; shrinking would lose it. */
import type { Place } from "../store";

export type Taken = { at: string | null; place: Place | null };

const NOTHING: Taken = { at: null, place: null };
const HEAD_BYTES = 256 * 1024; // the camera's notes stand at the beginning
const [EXIF, GPS, ORIGINAL, OFFSET] = [0x8769, 0x8825, 0x9003, 0x9011];

type Tag = { type: number; count: number; at: number };

export async function readExif(file: Blob): Promise<Taken> {
  try {
    return parse(new DataView(await file.slice(0, HEAD_BYTES).arrayBuffer()));
  } catch {
    return NOTHING; // broken notes are no notes
  }
}

function parse(data: DataView): Taken {
  if (data.getUint16(0) !== 0xffd8) return NOTHING;
  for (let at = 2; at + 4 < data.byteLength; ) {
    const marker = data.getUint16(at);
    if ((marker & 0xff00) !== 0xff00 || marker === 0xffda) return NOTHING;
    if (marker === 0xffe1 && data.getUint32(at + 4) === 0x45786966) return notes(data, at + 10);
    at += 2 + data.getUint16(at + 2);
  }
  return NOTHING;
}

function notes(data: DataView, start: number): Taken {
  const little = data.getUint16(start) === 0x4949;
  const short = (at: number) => data.getUint16(start + at, little);
  const long = (at: number) => data.getUint32(start + at, little);
  const folder = (at: number): Map<number, Tag> => {
    const tags = new Map<number, Tag>();
    for (let index = 0, count = Math.min(short(at), 200); index < count; index++) {
      const entry = at + 2 + index * 12;
      tags.set(short(entry), { type: short(entry + 2), count: long(entry + 4), at: entry + 8 });
    }
    return tags;
  };
  const words = (tag: Tag | undefined): string => {
    if (!tag || tag.type !== 2) return "";
    const from = tag.count > 4 ? long(tag.at) : tag.at;
    return Array.from({ length: Math.min(tag.count, 64) - 1 }, (_, index) => String.fromCharCode(data.getUint8(start + from + index))).join("");
  };
  const ratios = (tag: Tag | undefined): number[] => {
    if (!tag || tag.type !== 5) return [];
    const from = long(tag.at);
    return Array.from({ length: Math.min(tag.count, 3) }, (_, index) => long(from + index * 8) / long(from + index * 8 + 4));
  };
  const first = folder(long(4));
  const [exif, gps] = [first.get(EXIF), first.get(GPS)].map((tag) => (tag ? folder(long(tag.at)) : new Map<number, Tag>()));
  return { at: moment(words(exif!.get(ORIGINAL)), words(exif!.get(OFFSET))), place: place(ratios(gps!.get(2)), words(gps!.get(1)), ratios(gps!.get(4)), words(gps!.get(3))) };
}

/** "2026:11:22 14:03:09" in the camera's own time, which is the phone's unless it says otherwise. */
function moment(written: string, offset: string): string | null {
  const found = /^(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)/.exec(written);
  if (!found) return null;
  const at = new Date(`${found[1]}-${found[2]}-${found[3]}T${found[4]}${/^[+-]\d\d:\d\d$/.test(offset) ? offset : ""}`);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

function place(north: number[], northSouth: string, east: number[], eastWest: string): Place | null {
  const degrees = (parts: number[]) => (parts[0] ?? NaN) + (parts[1] ?? 0) / 60 + (parts[2] ?? 0) / 3600;
  const latitude_deg = degrees(north) * (northSouth.startsWith("S") ? -1 : 1);
  const longitude_deg = degrees(east) * (eastWest.startsWith("W") ? -1 : 1);
  if (!Number.isFinite(latitude_deg) || !Number.isFinite(longitude_deg) || Math.abs(latitude_deg) > 90 || Math.abs(longitude_deg) > 180) return null;
  return latitude_deg === 0 && longitude_deg === 0 ? null : { latitude_deg, longitude_deg }; // what cameras without a fix write
}
