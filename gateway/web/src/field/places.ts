/** Where the phone is, how far away something is, and why the phone cannot tell. */

export type Fix = { latitude_deg: number; longitude_deg: number; accuracy_m: number };
export type NoFix = "insecure" | "none" | "refused" | "late";

const FIX_MS = 30_000; // a phone that comes out of a hall needs a while for its first fix
const FRESH_MS = 10_000;
const EARTH_M = 6_371_008.8; // mean radius
const RAD = Math.PI / 180;

/** Where the phone is, or why it cannot tell: a word of the family onsite.gps. */
export function position(within = FIX_MS, fresh = FRESH_MS): Promise<Fix | NoFix> {
  if (!window.isSecureContext) return Promise.resolve("insecure");
  if (!("geolocation" in navigator)) return Promise.resolve("none");
  return new Promise((resolve) => {
    // A question for leave that nobody answers would otherwise wait for ever.
    const timer = window.setTimeout(() => resolve("late"), within + 1_000);
    const answer = (said: Fix | NoFix) => { window.clearTimeout(timer); resolve(said); };
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => answer({ latitude_deg: coords.latitude, longitude_deg: coords.longitude, accuracy_m: coords.accuracy }),
      (error) => answer(error.code === error.PERMISSION_DENIED ? "refused" : error.code === error.TIMEOUT ? "late" : "none"),
      { enableHighAccuracy: true, timeout: within, maximumAge: fresh },
    );
  });
}

/** Metres on the great circle. */
export function metresBetween(one: { latitude_deg: number; longitude_deg: number }, other: { latitude_deg: number; longitude_deg: number }): number {
  const north = (other.latitude_deg - one.latitude_deg) * RAD;
  const east = (other.longitude_deg - one.longitude_deg) * RAD;
  const half = Math.sin(north / 2) ** 2 + Math.cos(one.latitude_deg * RAD) * Math.cos(other.latitude_deg * RAD) * Math.sin(east / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(half)));
}
