/** Raster tiles below the points, where the server names an address; kept while the page is open, within a bound. */
import type { Size, View } from "./mapDraw";

export type Tiles = { address: string; attribution: string; datum: "wgs84" | "gcj02" };

const SIDE = 256;
const CLOSEST = 19;
const KEPT = 400; // pictures: some ten screens

const pictures = new Map<string, HTMLImageElement>();

export function drawTiles(pen: CanvasRenderingContext2D, tiles: Tiles, view: View, size: Size, again: () => void): void {
  const zoom = Math.min(CLOSEST, Math.max(0, Math.round(Math.log2(view.scale / SIDE))));
  const count = 2 ** zoom;
  const side = view.scale / count;
  const [left, top] = [view.x * count - size.width / 2 / side, view.y * count - size.height / 2 / side];
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(count, top + size.height / side); y++)
    for (let x = Math.floor(left); x < left + size.width / side; x++) {
      const [px, py] = [(x - left) * side, (y - top) * side];
      const picture = tile(tiles, zoom, ((x % count) + count) % count, y, again);
      // A little larger than its place: else rounding leaves hairlines between tiles.
      if (picture) pen.drawImage(picture, px, py, side + 0.5, side + 0.5);
    }
}

function tile(tiles: Tiles, zoom: number, x: number, y: number, again: () => void): HTMLImageElement | null {
  const address = tiles.address.replace("{z}", String(zoom)).replace("{x}", String(x)).replace("{y}", String(y));
  const held = pictures.get(address);
  if (held) return held.complete && held.naturalWidth > 0 ? held : null;
  const made = new Image();
  made.onload = again;
  made.src = address;
  pictures.set(address, made);
  if (pictures.size > KEPT) {
    const oldest = pictures.keys().next().value;
    if (oldest) pictures.delete(oldest);
  }
  return null;
}
