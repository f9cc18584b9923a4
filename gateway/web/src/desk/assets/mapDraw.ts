/** What is drawn on the map's canvas: tiles or outlines, and points gathered where they would cover each other. */
import type { AssetState } from "../../api/types";
import { STATE_LOOK } from "../../ui/chips";
import { gcj } from "../../ui/navigation";
import { TONES } from "../../ui/theme";
import { drawTiles, type Tiles } from "./mapTiles";
import { outlines } from "./outlines";
import { mercator } from "./mercator";

export type Spot = { id: string; name: string; serial: string; latitude_deg: number | null; longitude_deg: number | null; state?: AssetState | null; to?: string };
export type View = { x: number; y: number; scale: number }; // middle in the unit square of the Mercator map; pixels per its side
export type Group = { x: number; y: number; spots: Spot[]; worst: AssetState }; // x and y on the map
export type Placed = { spot: Spot; x: number; y: number };
export type Size = { width: number; height: number };

const NEAREST = 0.0008; // of the map's side: what is shown at least, with tiles
const NEAREST_BARE = 0.012; // outlines alone need a coast or a border in sight to say where this is
const NAMED_MOST = 40; // points: more names than that would lie on each other
const REACH = 44; // pixels within which points are one
const RANK: AssetState[] = ["trouble", "watch", "no_data", "learning", "ok"];

/** Where a spot is on the map; on tiles that are shifted the points are shifted with them. */
export function place(spot: Spot, shifted: boolean): Placed {
  const [latitude, longitude] = shifted ? gcj(spot.latitude_deg!, spot.longitude_deg!) : [spot.latitude_deg!, spot.longitude_deg!];
  const [x, y] = mercator(latitude, longitude);
  return { spot, x, y };
}

export function around(points: Pick<Placed, "x" | "y">[], { width, height }: Size, bare = false): View {
  let [left, right, top, bottom] = [1, 0, 1, 0];
  for (const { x, y } of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  const least = bare ? NEAREST_BARE : NEAREST;
  return { x: (left + right) / 2, y: (top + bottom) / 2, scale: Math.min(width / Math.max(right - left, least), height / Math.max(bottom - top, least)) * 0.8 };
}

/** Groups depend on the scale alone, so they neither dance nor cost anything while the map is moved. */
export function gather(points: Placed[], scale: number): Group[] {
  const cells = new Map<number, { x: number; y: number; worst: number; spots: Spot[] }>();
  const across = Math.ceil(scale / REACH) + 1;
  for (const { spot, x, y } of points) {
    const key = Math.floor((x * scale) / REACH) + Math.floor((y * scale) / REACH) * across;
    const rank = RANK.indexOf(spot.state ?? "no_data");
    const cell = cells.get(key);
    if (!cell) cells.set(key, { x, y, worst: rank, spots: [spot] });
    else {
      cell.x += x;
      cell.y += y;
      cell.worst = Math.min(cell.worst, rank);
      cell.spots.push(spot);
    }
  }
  return [...cells.values()].map((cell) => ({ x: cell.x / cell.spots.length, y: cell.y / cell.spots.length, spots: cell.spots, worst: RANK[cell.worst]! }));
}

export const onScreen = (at: { x: number; y: number }, view: View, size: Size): [number, number] => [(at.x - view.x) * view.scale + size.width / 2, (at.y - view.y) * view.scale + size.height / 2];

export function draw(canvas: HTMLCanvasElement, view: View, groups: Group[], size: Size, tiles: Tiles | null, again: () => void): void {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = "#e9f1f4";
  pen.fillRect(0, 0, size.width, size.height);
  drawLand(pen, view, size);
  if (tiles) drawTiles(pen, tiles, view, size, again); // over the outlines, which stay where a tile does not come
  drawGroups(pen, view, groups, size);
}

function drawLand(pen: CanvasRenderingContext2D, view: View, size: Size): void {
  pen.lineWidth = 1;
  pen.fillStyle = "#fbfcfd";
  pen.strokeStyle = "#c9d5dc";
  const [across, down] = [size.width / 2 / view.scale, size.height / 2 / view.scale];
  for (const ring of outlines()) {
    if (ring.right < view.x - across || ring.left > view.x + across || ring.bottom < view.y - down || ring.top > view.y + down) continue;
    pen.beginPath();
    for (const [x, y] of ring.points) pen.lineTo((x - view.x) * view.scale + size.width / 2, (y - view.y) * view.scale + size.height / 2);
    pen.closePath();
    pen.fill();
    pen.stroke();
  }
}

function drawGroups(pen: CanvasRenderingContext2D, view: View, groups: Group[], size: Size): void {
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = "600 11px 'Inter Variable', sans-serif";
  const named = groups.length <= NAMED_MOST;
  for (const group of groups) {
    const [x, y] = onScreen(group, view, size);
    if (x < -REACH || y < -REACH || x > size.width + REACH || y > size.height + REACH) continue;
    const many = group.spots.length > 1;
    pen.beginPath();
    pen.arc(x, y, many ? 11 + Math.min(10, Math.log2(group.spots.length) * 1.6) : 7, 0, 2 * Math.PI);
    pen.fillStyle = TONES[STATE_LOOK[group.worst].tone].ink;
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = "#fff";
    pen.stroke();
    if (!many && named) name(pen, group.spots[0]!.name, x, y);
    if (!many) continue;
    pen.fillStyle = "#fff";
    pen.fillText(group.spots.length > 999 ? `${Math.round(group.spots.length / 100) / 10}k` : String(group.spots.length), x, y);
  }
}

function name(pen: CanvasRenderingContext2D, words: string, x: number, y: number): void {
  const said = words.length > 28 ? `${words.slice(0, 27)}…` : words;
  pen.textAlign = "left";
  pen.lineWidth = 3;
  pen.strokeText(said, x + 12, y); // the white edge keeps it readable on any tile
  pen.fillStyle = "#34434d";
  pen.fillText(said, x + 12, y);
  pen.textAlign = "center";
}
