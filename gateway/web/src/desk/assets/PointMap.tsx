/** A map drawn on one canvas: outlines of countries, points gathered where they would cover each other. */
import { useEffect, useMemo, useRef, useState, type PointerEvent, type WheelEvent } from "react";
import { useNavigate } from "react-router";

import type { AssetState } from "../../api/types";
import { useText } from "../../i18n/useText";
import { STATE_LOOK, StateChip } from "../../ui/chips";
import { TONES } from "../../ui/theme";
import { outlines } from "./outlines";

export type Spot = { id: string; name: string; serial: string; latitude_deg: number | null; longitude_deg: number | null; state?: AssetState | null };
export type View = { x: number; y: number; scale: number }; // middle in the unit square of the Mercator map; pixels per its side
export type Group = { x: number; y: number; spots: Spot[]; worst: AssetState };

const REACH = 30; // pixels within which points are one
const CLOSEST = 2 ** 25;
const RANK: AssetState[] = ["trouble", "watch", "no_data", "learning", "ok"];
const MAX_LATITUDE = 85;

export const mercator = (lat: number, lon: number): [number, number] => {
  const y = Math.min(MAX_LATITUDE, Math.max(-MAX_LATITUDE, lat)) * (Math.PI / 180);
  return [(lon + 180) / 360, 0.5 - Math.log(Math.tan(Math.PI / 4 + y / 2)) / (2 * Math.PI)];
};

function around(points: [number, number][], width: number, height: number): View {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right, top, bottom] = [xs.reduce((a, b) => Math.min(a, b)), xs.reduce((a, b) => Math.max(a, b)), ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
  const scale = Math.min(width / Math.max(right - left, 0.004), height / Math.max(bottom - top, 0.004)) * 0.8;
  return { x: (left + right) / 2, y: (top + bottom) / 2, scale };
}

function gather(spots: { spot: Spot; at: [number, number] }[], view: View, width: number, height: number): Group[] {
  const cells = new Map<string, { x: number; y: number; spots: Spot[] }>();
  for (const { spot, at } of spots) {
    const x = (at[0] - view.x) * view.scale + width / 2;
    const y = (at[1] - view.y) * view.scale + height / 2;
    if (x < -REACH || y < -REACH || x > width + REACH || y > height + REACH) continue;
    // Cells stand on the map, not on the screen: groups must not dance while it is moved.
    const key = `${Math.floor((at[0] * view.scale) / REACH)},${Math.floor((at[1] * view.scale) / REACH)}`;
    const cell = cells.get(key);
    if (cell) { cell.x += x; cell.y += y; cell.spots.push(spot); } else cells.set(key, { x, y, spots: [spot] });
  }
  return [...cells.values()].map((cell) => ({ x: cell.x / cell.spots.length, y: cell.y / cell.spots.length, spots: cell.spots, worst: RANK.find((state) => cell.spots.some((spot) => (spot.state ?? "no_data") === state)) ?? "no_data" }));
}

export function PointMap(props: { spots: Spot[] }) {
  const text = useText();
  const navigate = useNavigate();
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 520 });
  const [view, setView] = useState<View | null>(null);
  const [chosen, setChosen] = useState<Spot[]>([]);
  const placed = useMemo(() => props.spots.map((spot) => ({ spot, at: mercator(spot.latitude_deg!, spot.longitude_deg!) })), [props.spots]);
  useEffect(() => {
    if (!box.current) return;
    const watch = new ResizeObserver(([entry]) => setSize({ width: entry!.contentRect.width, height: Math.max(360, Math.min(620, window.innerHeight - 330)) }));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const { width, height } = size;
  const shown = view ?? (width ? around(placed.map((one) => one.at), width, height) : null);
  const groups = useMemo(() => (shown ? gather(placed, shown, width, height) : []), [placed, shown?.x, shown?.y, shown?.scale, width, height]);
  useEffect(() => { if (shown && canvas.current) draw(canvas.current, shown, groups, width, height); });
  const drag = useRef<{ x: number; y: number; view: View; moved: boolean } | null>(null);
  const zoom = (factor: number, x = width / 2, y = height / 2) => {
    if (!shown) return;
    const scale = Math.min(CLOSEST, Math.max(width, shown.scale * factor));
    const [mapX, mapY] = [(x - width / 2) / shown.scale + shown.x, (y - height / 2) / shown.scale + shown.y];
    setView({ scale, x: mapX - (x - width / 2) / scale, y: mapY - (y - height / 2) / scale });
  };
  const wheel = (event: WheelEvent<HTMLCanvasElement>) => { const at = event.currentTarget.getBoundingClientRect(); zoom(event.deltaY < 0 ? 1.35 : 1 / 1.35, event.clientX - at.left, event.clientY - at.top); };
  const down = (event: PointerEvent<HTMLCanvasElement>) => { if (shown) { drag.current = { x: event.clientX, y: event.clientY, view: shown, moved: false }; event.currentTarget.setPointerCapture(event.pointerId); } };
  const move = (event: PointerEvent<HTMLCanvasElement>) => {
    const held = drag.current;
    if (!held) return;
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    if (Math.abs(dx) + Math.abs(dy) > 4) held.moved = true;
    if (held.moved) setView({ ...held.view, x: held.view.x - dx / held.view.scale, y: held.view.y - dy / held.view.scale });
  };
  const up = (event: PointerEvent<HTMLCanvasElement>) => {
    const held = drag.current;
    drag.current = null;
    if (!held || held.moved || !shown) return;
    const at = event.currentTarget.getBoundingClientRect();
    const [x, y] = [event.clientX - at.left, event.clientY - at.top];
    const hit = groups.map((group) => ({ group, far: Math.hypot(group.x - x, group.y - y) })).sort((a, b) => a.far - b.far)[0];
    if (!hit || hit.far > 26) return setChosen([]);
    if (hit.group.spots.length > 1 && shown.scale < CLOSEST / 8) return zoom(4, x, y);
    setChosen(hit.group.spots.slice(0, 50));
  };
  return (
    <div ref={box} className="card" style={{ overflow: "hidden", position: "relative" }}>
      <canvas ref={canvas} style={{ width: "100%", height, display: "block", touchAction: "none", cursor: "grab" }} role="img" aria-label={text.t("map.label", { count: props.spots.length })} onWheel={wheel} onPointerDown={down} onPointerMove={move} onPointerUp={up} />
      <div className="mapbuttons"><button type="button" aria-label={text.t("map.in")} onClick={() => zoom(2)}>+</button><button type="button" aria-label={text.t("map.out")} onClick={() => zoom(0.5)}>−</button><button type="button" aria-label={text.t("map.all")} onClick={() => setView(null)}>⤢</button></div>
      {chosen.length > 0 && (
        <div className="mapbox">{chosen.map((spot) => <button key={spot.id} type="button" className="plainbutton line row" style={{ width: "100%", gap: 10 }} onClick={() => void navigate(`/assets/${spot.id}`)}><span className="grow"><span className="break" style={{ fontWeight: 600 }}>{spot.name}</span><span className="mono small muted" style={{ display: "block" }}>{spot.serial}</span></span><StateChip state={spot.state ?? "no_data"} small /></button>)}</div>
      )}
    </div>
  );
}

function draw(canvas: HTMLCanvasElement, view: View, groups: Group[], width: number, height: number): void {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
  const pen = canvas.getContext("2d")!;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = "#e9f1f4";
  pen.fillRect(0, 0, width, height);
  pen.lineWidth = 1;
  for (const ring of outlines()) {
    if ((ring.right - view.x) * view.scale < -width / 2 || (ring.left - view.x) * view.scale > width / 2 || (ring.bottom - view.y) * view.scale < -height / 2 || (ring.top - view.y) * view.scale > height / 2) continue;
    pen.beginPath();
    ring.points.forEach(([x, y], index) => { const [px, py] = [(x - view.x) * view.scale + width / 2, (y - view.y) * view.scale + height / 2]; if (index) pen.lineTo(px, py); else pen.moveTo(px, py); });
    pen.closePath();
    pen.fillStyle = "#fbfcfd";
    pen.fill();
    pen.strokeStyle = "#c9d5dc";
    pen.stroke();
  }
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const group of groups) {
    const many = group.spots.length > 1;
    const radius = many ? 11 + Math.min(10, Math.log2(group.spots.length) * 1.6) : 7;
    pen.beginPath();
    pen.arc(group.x, group.y, radius, 0, 2 * Math.PI);
    pen.fillStyle = TONES[STATE_LOOK[group.worst].tone].ink;
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = "#fff";
    pen.stroke();
    if (many) { pen.fillStyle = "#fff"; pen.font = "600 11px 'Inter Variable', sans-serif"; pen.fillText(group.spots.length > 999 ? `${Math.round(group.spots.length / 100) / 10}k` : String(group.spots.length), group.x, group.y); }
  }
}
