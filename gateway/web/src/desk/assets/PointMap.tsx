/** A map drawn on one canvas, once a frame: moved and zoomed by mouse, wheel, one finger or two. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useNavigate } from "react-router";

import { useText } from "../../i18n/useText";
import { StateChip } from "../../ui/chips";
import { around, draw, gather, onScreen, place, type Group, type Size, type Spot, type View } from "./mapDraw";
import type { Tiles } from "./mapTiles";

export type { Spot } from "./mapDraw";

const CLOSEST = 2 ** 27; // pixels around the earth: a street's width fills the screen
const NEAR = 26; // pixels around a point that hit it
const SHOWN = 50;

type Finger = { x: number; y: number };

export function PointMap(props: { spots: Spot[]; tiles: Tiles | null }) {
  const text = useText();
  const navigate = useNavigate();
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [chosen, setChosen] = useState<Spot[]>([]);
  const [height, setHeight] = useState(520);
  const { tiles } = props;
  const placed = useMemo(() => props.spots.map((spot) => place(spot, tiles?.datum === "gcj02")), [props.spots, tiles]);
  // What changes with every frame stands outside of React: drawing must not wait for it.
  const held = useRef<{ view: View | null; size: Size; groups: Group[]; of: typeof placed | null; scale: number; frame: number }>({ view: null, size: { width: 0, height: 0 }, groups: [], of: null, scale: 0, frame: 0 });

  const later = useCallback(() => {
    const now = held.current;
    now.frame ||= requestAnimationFrame(() => {
      now.frame = 0;
      if (!canvas.current || !now.size.width) return;
      now.view ??= around(placed, now.size, !tiles);
      if (now.of !== placed || now.scale !== now.view.scale) { now.groups = gather(placed, now.view.scale); now.of = placed; now.scale = now.view.scale; }
      draw(canvas.current, now.view, now.groups, now.size, tiles, later);
    });
  }, [placed, tiles]);

  const zoom = useCallback((factor: number, at?: Finger) => {
    const { view, size } = held.current;
    if (!view) return;
    const [x, y] = [(at?.x ?? size.width / 2) - size.width / 2, (at?.y ?? size.height / 2) - size.height / 2];
    const scale = Math.min(CLOSEST, Math.max(size.width, view.scale * factor));
    held.current.view = { scale, x: x / view.scale + view.x - x / scale, y: y / view.scale + view.y - y / scale };
    later();
  }, [later]);

  const hit = useCallback((at: Finger) => {
    const { view, size, groups } = held.current;
    if (!view) return;
    let best: Group | null = null;
    let far = NEAR;
    for (const group of groups) {
      const [x, y] = onScreen(group, view, size);
      const away = Math.hypot(x - at.x, y - at.y);
      if (away <= far) [best, far] = [group, away];
    }
    if (!best) return setChosen([]);
    if (best.spots.length > 1 && view.scale < CLOSEST / 8) return zoom(4, at);
    setChosen(best.spots.slice(0, SHOWN));
  }, [zoom]);

  useEffect(() => {
    if (!box.current) return;
    const watch = new ResizeObserver(([entry]) => {
      const size = { width: entry!.contentRect.width, height: Math.max(360, Math.min(620, window.innerHeight - 330)) };
      held.current.size = size;
      setHeight(size.height);
      later();
    });
    watch.observe(box.current);
    return () => watch.disconnect();
  }, [later]);
  useEffect(later, [later, height]);
  useEffect(() => () => cancelAnimationFrame(held.current.frame), []);
  useEffect(() => (canvas.current ? fingers(canvas.current, { view: () => held.current.view, move: (view) => { held.current.view = view; later(); }, zoom, hit }) : undefined), [later, zoom, hit]);

  return (
    <div ref={box} className="card" style={{ overflow: "hidden", position: "relative" }}>
      <canvas ref={canvas} style={{ width: "100%", height, display: "block", touchAction: "none", cursor: "grab" }} role="img" aria-label={text.t("map.label", { count: props.spots.length })} />
      <div className="mapbuttons"><button type="button" aria-label={text.t("map.in")} onClick={() => zoom(2)}>+</button><button type="button" aria-label={text.t("map.out")} onClick={() => zoom(0.5)}>−</button><button type="button" aria-label={text.t("map.all")} onClick={() => { held.current.view = null; later(); }}>⤢</button></div>
      {tiles?.attribution && <div className="mapby">{tiles.attribution}</div>}
      {chosen.length > 0 && (
        <div className="mapbox">{chosen.map((spot) => <button key={spot.id} type="button" className="plainbutton line row" style={{ width: "100%", gap: 10 }} onClick={() => void navigate(spot.to ?? `/assets/${spot.id}`)}><span className="grow"><span className="break" style={{ fontWeight: 600 }}>{spot.name}</span><span className="mono small muted" style={{ display: "block" }}>{spot.serial}</span></span>{!spot.to && <StateChip state={spot.state ?? "no_data"} small />}</button>)}</div>
      )}
    </div>
  );
}

type Moved = { view: () => View | null; move: (view: View) => void; zoom: (factor: number, at: Finger) => void; hit: (at: Finger) => void };

/** One finger moves, two zoom around their middle; what has not moved was a tap. Returns how to stop listening. */
function fingers(canvas: HTMLCanvasElement, map: Moved): () => void {
  const down = new Map<number, Finger>();
  let begun: Finger | null = null; // where a tap began; null once it has moved
  const where = (event: MouseEvent): Finger => { const at = canvas.getBoundingClientRect(); return { x: event.clientX - at.left, y: event.clientY - at.top }; };
  const press = (event: PointerEvent) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, where(event));
    begun = down.size === 1 ? where(event) : null;
  };
  const move = (event: PointerEvent) => {
    const before = down.get(event.pointerId);
    const view = map.view();
    if (!before || !view) return;
    const now = where(event);
    if (begun && Math.hypot(now.x - begun.x, now.y - begun.y) <= 4) return;
    begun = null;
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    down.set(event.pointerId, now);
    if (!other) return map.move({ ...view, x: view.x - (now.x - before.x) / view.scale, y: view.y - (now.y - before.y) / view.scale });
    const apart = Math.hypot(before.x - other.x, before.y - other.y);
    if (apart > 0) map.zoom(Math.hypot(now.x - other.x, now.y - other.y) / apart, { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  };
  const lift = (event: PointerEvent) => {
    if (down.delete(event.pointerId) && begun && event.type === "pointerup") map.hit(where(event));
    begun = null;
  };
  const wheel = (event: WheelEvent) => {
    event.preventDefault(); // the page must not run away below the map
    map.zoom(2 ** (-Math.max(-100, Math.min(100, event.deltaY)) / 220), where(event));
  };
  const stop = new AbortController();
  const { signal } = stop;
  canvas.addEventListener("pointerdown", press, { signal });
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerup", lift, { signal });
  canvas.addEventListener("pointercancel", lift, { signal });
  canvas.addEventListener("wheel", wheel, { signal, passive: false });
  return () => stop.abort();
}
