/** The projection of all maps on the web: the world as a unit square. */
const MAX_LATITUDE = 85;

export const mercator = (lat: number, lon: number): [number, number] => {
  const y = Math.min(MAX_LATITUDE, Math.max(-MAX_LATITUDE, lat)) * (Math.PI / 180);
  return [(lon + 180) / 360, 0.5 - Math.log(Math.tan(Math.PI / 4 + y / 2)) / (2 * Math.PI)];
};
