/** The SHA-256 of what is sent, also on plain HTTP, where browsers give no crypto.subtle. */

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export async function sha256(content: Blob): Promise<string> {
  const bytes = new Uint8Array(await content.arrayBuffer());
  if (crypto.subtle) return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  return hex(digest(bytes));
}

/** The first 32 bits of the fractional parts of roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3). */
function constants(): { k: Uint32Array; h: Uint32Array } {
  const primes: number[] = [];
  for (let number = 2; primes.length < 64; number++) if (primes.every((prime) => number % prime)) primes.push(number);
  const fraction = (value: number) => ((value - Math.floor(value)) * 2 ** 32) >>> 0;
  return { k: Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime))), h: Uint32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime))) };
}

/** FIPS 180-4, 6.2. */
export function digest(message: Uint8Array): Uint8Array {
  const { k, h } = constants();
  const length = Math.ceil((message.length + 9) / 64) * 64;
  const data = new Uint8Array(length);
  data.set(message);
  data[message.length] = 0x80;
  const view = new DataView(data.buffer);
  view.setUint32(length - 8, Math.floor(message.length / 2 ** 29));
  view.setUint32(length - 4, (message.length * 8) >>> 0);
  const w = new Uint32Array(64);
  const turn = (value: number, by: number) => (value >>> by) | (value << (32 - by));
  for (let block = 0; block < length; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(block + i * 4);
    for (let i = 16; i < 64; i++) {
      const [x, y] = [w[i - 15]!, w[i - 2]!];
      w[i] = w[i - 16]! + w[i - 7]! + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
    }
    let [a, b, c, d, e, f, g, last] = h as unknown as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i++) {
      const one = (last + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + k[i]! + w[i]!) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [last, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, last].forEach((value, index) => (h[index] = h[index]! + value));
  }
  const out = new DataView(new ArrayBuffer(32));
  h.forEach((value, index) => out.setUint32(index * 4, value));
  return new Uint8Array(out.buffer);
}
