/** Links that lead there in the maps people use; in China their coordinates are shifted as the law there wants it. */

const AXIS = 6_378_245.0; // of the Krasovsky ellipsoid, which GCJ-02 is made on
const ECCENTRICITY = 0.006_693_421_622_965_943; // squared
const RAD = Math.PI / 180;

/** Roughly the area where maps are shifted; Hong Kong, Macau and Taiwan lie at its edge and are shifted too in these maps. */
export const inChina = (lat: number, lon: number): boolean => lon > 73.66 && lon < 135.05 && lat > 3.86 && lat < 53.55;

function bend(x: number, y: number): [number, number] {
  const wave = (20 * Math.sin(6 * x * Math.PI) + 20 * Math.sin(2 * x * Math.PI)) * (2 / 3);
  const north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * Math.sqrt(Math.abs(x)) + wave + (20 * Math.sin(y * Math.PI) + 40 * Math.sin((y / 3) * Math.PI)) * (2 / 3) + (160 * Math.sin((y / 12) * Math.PI) + 320 * Math.sin((y * Math.PI) / 30)) * (2 / 3);
  const east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * Math.sqrt(Math.abs(x)) + wave + (20 * Math.sin(x * Math.PI) + 40 * Math.sin((x / 3) * Math.PI)) * (2 / 3) + (150 * Math.sin((x / 12) * Math.PI) + 300 * Math.sin((x / 30) * Math.PI)) * (2 / 3);
  return [north, east];
}

/** WGS-84 to GCJ-02; unchanged outside China. */
export function gcj(lat: number, lon: number): [number, number] {
  if (!inChina(lat, lon)) return [lat, lon];
  const [north, east] = bend(lon - 105, lat - 35);
  const sine = Math.sin(lat * RAD);
  const magic = 1 - ECCENTRICITY * sine * sine;
  const root = Math.sqrt(magic);
  return [lat + north / (((AXIS * (1 - ECCENTRICITY)) / (magic * root)) * RAD), lon + east / ((AXIS / root) * Math.cos(lat * RAD) * RAD)];
}

export function navigation(lat: number, lon: number, name: string): { name: string; href: string }[] {
  const [y, x] = gcj(lat, lon).map((value) => value.toFixed(6));
  const said = encodeURIComponent(name);
  const china = [
    { name: "amap", href: `https://uri.amap.com/navigation?to=${x},${y},${said}&mode=car&coordinate=gaode` },
    { name: "baidu", href: `https://api.map.baidu.com/direction?destination=latlng:${y},${x}|name:${said}&mode=driving&coord_type=gcj02&output=html&src=forewarn` },
  ];
  const world = [
    { name: "apple", href: `https://maps.apple.com/?daddr=${lat},${lon}&q=${said}` },
    { name: "google", href: `https://www.google.com/maps/dir/?api=1&destination=${lat},${lon}` },
    { name: "osm", href: `https://www.openstreetmap.org/directions?to=${lat},${lon}` },
  ];
  return inChina(lat, lon) ? [...china, world[0]!] : world;
}
