/** One door to the server: JSON in, JSON out, errors as problem details. */

const TIMEOUT_MS = 25_000; // a slow phone network answers within this or is treated as absent

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly params: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

/** No answer at all: no network, or the server is away. */
export class Unreachable extends Error {}

type Options = { method?: string; body?: unknown; text?: string; type?: string; key?: string; version?: number; signal?: AbortSignal };

export async function api<T>(path: string, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  const method = options.method ?? "GET";
  if (method !== "GET") headers["X-Forewarn"] = "1";
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (options.text !== undefined) headers["Content-Type"] = options.type ?? "text/plain";
  if (options.version !== undefined) headers["If-Match"] = `"${options.version}"`;
  if (options.key) headers["Idempotency-Key"] = options.key;
  const late = AbortSignal.timeout(TIMEOUT_MS);
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      credentials: "same-origin",
      body: options.body === undefined ? options.text : JSON.stringify(options.body),
      signal: options.signal ? AbortSignal.any([options.signal, late]) : late,
    });
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    throw new Unreachable(String(cause));
  }
  if (!answer.ok) throw await problem(answer);
  if (answer.status === 204) return undefined as T;
  const text = await answer.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export async function problem(answer: Response): Promise<ApiError> {
  try {
    const body = (await answer.json()) as Record<string, unknown>;
    const params = (body.params as Record<string, unknown> | undefined) ?? {};
    const detail = typeof body.detail === "string" ? body.detail : String(body.title ?? "");
    return new ApiError(answer.status, String(body.code ?? ""), detail, params);
  } catch {
    return new ApiError(answer.status, "", answer.statusText);
  }
}

export function post<T>(path: string, body: unknown = {}, key?: string): Promise<T> {
  return api<T>(path, { method: "POST", body, key });
}

/** Query string of what is set. */
export function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const set = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  if (set.length === 0) return "";
  return "?" + new URLSearchParams(set.map(([key, value]) => [key, String(value)])).toString();
}

/** A fresh key for one intended action; repeats of the same action carry the same key. */
export function newKey(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  // Plain HTTP on a local network has no randomUUID.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
