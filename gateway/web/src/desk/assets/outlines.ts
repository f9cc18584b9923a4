/** Outlines of the countries, read once from the bundled atlas (Natural Earth, public domain). */
import atlas from "world-atlas/countries-110m.json";

import { mercator } from "./mercator";

export type Ring = { points: [number, number][]; left: number; right: number; top: number; bottom: number };
export type Topology = { arcs: number[][][]; transform: { scale: [number, number]; translate: [number, number] }; objects: { countries: { geometries: { type: string; arcs: unknown }[] } } };

let made: Ring[] | null = null;

export function outlines(): Ring[] {
  made ??= read(atlas as unknown as Topology);
  return made;
}

/** TopoJSON keeps each border once, as steps from point to point; a negative number is an arc walked backwards. */
function read(topology: Topology): Ring[] {
  const { scale, translate } = topology.transform;
  const arcs = topology.arcs.map((arc) => {
    let [x, y] = [0, 0];
    return arc.map(([dx, dy]): [number, number] => ((x += dx!), (y += dy!), mercator(y * scale[1] + translate[1], x * scale[0] + translate[0])));
  });
  const ringOf = (numbers: number[]): Ring => {
    const points = whole(numbers.flatMap((number) => (number >= 0 ? arcs[number]! : [...arcs[~number]!].reverse())));
    const xs = points.map(([x]) => x);
    const ys = points.map(([, y]) => y);
    return { points, left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
  };
  return topology.objects.countries.geometries.flatMap((country) => {
    const polygons = country.type === "Polygon" ? [country.arcs as number[][]] : country.type === "MultiPolygon" ? (country.arcs as number[][][]) : [];
    return polygons.flatMap((polygon) => polygon.map(ringOf));
  });
}

const ICE = 0.88; // south of it the one ring goes around the pole, and its step across is its edge

/** What crosses the date line goes on beside the map, instead of back across all of it. */
function whole(points: [number, number][]): [number, number][] {
  if (points.some(([, y]) => y > ICE)) return points;
  let before = points[0]?.[0] ?? 0;
  return points.map(([x, y]): [number, number] => [(before = x - Math.round(x - before)), y]);
}
