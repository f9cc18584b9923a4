/** Territories on a map: looked at, or one outline drawn point by point. */
import { useCallback, useEffect, useRef } from "react";

import { useText } from "../../i18n/useText";
import { around, draw, onScreen, type Size, type View } from "../assets/mapDraw";
import type { Tiles } from "../assets/mapTiles";
import { mercator } from "../assets/mercator";

export type Place = [number, number]; // longitude, latitude
export type Polygon = { type: string; coordinates: unknown } | null;
export type Drawn = { id: string; name: string; polygon: Polygon; colour: string | null };

const COLOURS = ["#1d7470", "#3b52b4", "#8f5a00", "#6b3fa0", "#1f7a4d", "#b3261e", "#0f5c8c"];
const WORLD: View = { x: 0.79, y: 0.41, scale: 2400 };
export const colourOf = (one: Drawn, index: number): string => one.colour ?? COLOURS[index % COLOURS.length]!;

/** Outer and inner rings of a polygon or several. */
export function rings(polygon: Polygon): Place[][] {
  if (!polygon) return [];
  const of = polygon.coordinates as Place[][] | Place[][][];
  return polygon.type === "MultiPolygon" ? (of as Place[][][]).flat() : (of as Place[][]);
}

const degrees = (x: number, y: number): Place => [x * 360 - 180, (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI];

export function TerritoryMap(props: { territories: Drawn[]; sketch?: Place[]; add?: (place: Place) => void; tiles: Tiles | null; wrong?: Place | null; height?: number }) {
  const { t } = useText();
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const held = useRef<{ view: View | null; size: Size; frame: number }>({ view: null, size: { width: 0, height: 0 }, frame: 0 });
  const shown = useRef(props);
  shown.current = props;

  const later = useCallback(() => {
    const now = held.current;
    now.frame ||= requestAnimationFrame(() => {
      now.frame = 0;
      const pen = canvas.current?.getContext("2d");
      if (!canvas.current || !pen || !now.size.width) return;
      now.view ??= fitted(shown.current, now.size);
      draw(canvas.current, now.view, [], now.size, shown.current.tiles, later);
      shown.current.territories.forEach((one, index) => outline(pen, rings(one.polygon), colourOf(one, index), one.name, now.view!, now.size));
      sketch(pen, shown.current, now.view, now.size);
    });
  }, []);
  const zoom = useCallback((factor: number, x?: number, y?: number) => {
    const { view, size } = held.current;
    if (!view) return;
    const [dx, dy] = [(x ?? size.width / 2) - size.width / 2, (y ?? size.height / 2) - size.height / 2];
    const scale = Math.min(2 ** 26, Math.max(size.width, view.scale * factor));
    held.current.view = { scale, x: dx / view.scale + view.x - dx / scale, y: dy / view.scale + view.y - dy / scale };
    later();
  }, [later]);

  useEffect(() => {
    if (!box.current) return;
    const watch = new ResizeObserver(([entry]) => { held.current.size = { width: entry!.contentRect.width, height: props.height ?? 420 }; later(); });
    watch.observe(box.current);
    return () => { watch.disconnect(); cancelAnimationFrame(held.current.frame); held.current.frame = 0; };
  }, [later, props.height]);
  useEffect(later, [later, props.territories, props.sketch, props.tiles, props.wrong]);
  useEffect(() => canvas.current ? pointing(canvas.current, { view: () => held.current, move: (view) => { held.current.view = view; later(); }, zoom, tap: (place) => shown.current.add?.(place) }) : undefined, [later, zoom]);

  return (
    <div ref={box} className="card" style={{ overflow: "hidden", position: "relative" }}>
      <canvas ref={canvas} style={{ width: "100%", height: props.height ?? 420, display: "block", touchAction: "none", cursor: props.add ? "crosshair" : "grab" }} role="img" aria-label={t("territories.map", { count: props.territories.length })} />
      <div className="mapbuttons"><button type="button" aria-label={t("map.in")} onClick={() => zoom(2)}>+</button><button type="button" aria-label={t("map.out")} onClick={() => zoom(0.5)}>−</button><button type="button" aria-label={t("map.all")} onClick={() => { held.current.view = null; later(); }}>⤢</button></div>
      {props.tiles?.attribution && <div className="mapby">{props.tiles.attribution}</div>}
    </div>
  );
}

function fitted(of: { territories: Drawn[]; sketch?: Place[] }, size: Size): View {
  const places = [...(of.sketch ?? []), ...(of.sketch?.length ? [] : of.territories.flatMap((one) => rings(one.polygon).flat()))];
  if (places.length === 0) return { ...WORLD, scale: Math.max(size.width, WORLD.scale) };
  return around(places.map(([longitude, latitude]) => { const [x, y] = mercator(latitude, longitude); return { spot: null as never, x, y }; }), size);
}

const at = ([longitude, latitude]: Place, view: View, size: Size): [number, number] => { const [x, y] = mercator(latitude, longitude); return onScreen({ x, y }, view, size); };

function outline(pen: CanvasRenderingContext2D, of: Place[][], colour: string, name: string, view: View, size: Size): void {
  if (of.length === 0) return;
  pen.beginPath();
  for (const ring of of) { ring.forEach((place, index) => { const [x, y] = at(place, view, size); if (index) pen.lineTo(x, y); else pen.moveTo(x, y); }); pen.closePath(); }
  pen.fillStyle = `${colour}2e`;
  pen.fill("evenodd");
  pen.lineWidth = 2;
  pen.strokeStyle = colour;
  pen.stroke();
  const first = of[0]!.map((place) => at(place, view, size));
  const [x, y] = [first.reduce((sum, one) => sum + one[0], 0) / first.length, first.reduce((sum, one) => sum + one[1], 0) / first.length];
  pen.font = "600 12px 'Inter Variable', 'PingFang SC', 'Noto Sans CJK SC', sans-serif";
  pen.textAlign = "center";
  pen.lineWidth = 3;
  pen.strokeStyle = "#fff";
  pen.strokeText(name.slice(0, 40), x, y);
  pen.fillStyle = colour;
  pen.fillText(name.slice(0, 40), x, y);
}

function sketch(pen: CanvasRenderingContext2D, of: { sketch?: Place[]; wrong?: Place | null }, view: View, size: Size): void {
  const places = (of.sketch ?? []).map((place) => at(place, view, size));
  if (places.length) {
    pen.beginPath();
    places.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    if (places.length > 2) pen.closePath();
    pen.fillStyle = "rgba(29, 116, 112, .16)";
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = "#1d7470";
    pen.stroke();
  }
  const dot = ([x, y]: [number, number], colour: string, radius: number) => { pen.beginPath(); pen.arc(x, y, radius, 0, 2 * Math.PI); pen.fillStyle = colour; pen.fill(); pen.lineWidth = 2; pen.strokeStyle = "#fff"; pen.stroke(); };
  places.forEach((place) => dot(place, "#1d7470", 5));
  if (of.wrong) dot(at(of.wrong, view, size), "#b3261e", 8);
}

type Held = { view: () => { view: View | null; size: Size }; move: (view: View) => void; zoom: (factor: number, x: number, y: number) => void; tap: (place: Place) => void };

/** Drag moves, the wheel zooms, what has not moved was a tap. Returns how to stop listening. */
function pointing(canvas: HTMLCanvasElement, map: Held): () => void {
  let from: { x: number; y: number; moved: boolean } | null = null;
  const where = (event: MouseEvent) => { const box = canvas.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; };
  const stop = new AbortController();
  const on = <K extends keyof HTMLElementEventMap>(name: K, act: (event: HTMLElementEventMap[K]) => void, passive = true) => canvas.addEventListener(name, act, { signal: stop.signal, passive });
  on("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); from = { ...where(event), moved: false }; });
  on("pointermove", (event) => {
    const { view } = map.view();
    if (!from || !view) return;
    const now = where(event);
    if (!from.moved && Math.hypot(now.x - from.x, now.y - from.y) < 5) return;
    map.move({ ...view, x: view.x - (now.x - from.x) / view.scale, y: view.y - (now.y - from.y) / view.scale });
    from = { ...now, moved: true };
  });
  on("pointerup", (event) => {
    const { view, size } = map.view();
    if (from && !from.moved && view) { const now = where(event); map.tap(degrees((now.x - size.width / 2) / view.scale + view.x, (now.y - size.height / 2) / view.scale + view.y)); }
    from = null;
  });
  on("pointercancel", () => { from = null; });
  on("wheel", (event) => { event.preventDefault(); const now = where(event); map.zoom(2 ** (-Math.max(-100, Math.min(100, event.deltaY)) / 220), now.x, now.y); }, false);
  return () => stop.abort();
}
