/** What a sample message offers: its plain values, each with the path that names it. */
import type { Rules } from "../../api/mappings";

export type Leaf = { path: string; name: string; value: number | string | boolean };
type Json = null | number | string | boolean | Json[] | { [name: string]: Json };

const LEAVES_MOST = 60;
const DEEPEST = 8;

export function parse(payload: string): Json | undefined {
  try {
    return JSON.parse(payload) as Json;
  } catch {
    return undefined;
  }
}

/** Plain values of the message, or of the first element of the list that `each` names. */
export function leavesOf(payload: string, rules: Rules): Leaf[] {
  const root = parse(payload);
  if (root === undefined || rules.payload === "text") return [];
  const found: Leaf[] = [];
  walk(rules.each ? firstElement(root, rules.each) : root, "", 0, found);
  return found;
}

/** Lists in the message: their elements are samples of their own. */
export function listsOf(payload: string): string[] {
  const found: string[] = [];
  const look = (node: Json, path: string, depth: number): void => {
    if (depth > DEEPEST || found.length > 5) return;
    if (Array.isArray(node)) {
      if (node.some((each) => typeof each === "object" && each !== null)) found.push(`${path || "@"}[]`);
    } else if (node !== null && typeof node === "object") for (const [name, each] of Object.entries(node)) look(each, joined(path, name), depth + 1);
  };
  const root = parse(payload);
  if (root !== undefined) look(root, "", 0);
  return found;
}

function walk(node: Json, path: string, depth: number, found: Leaf[]): void {
  if (found.length >= LEAVES_MOST || depth > DEEPEST || node === null) return;
  if (typeof node !== "object") {
    found.push({ path: path || "@", name: nameOf(path), value: node });
  } else if (!Array.isArray(node)) for (const [name, each] of Object.entries(node)) walk(each, joined(path, name), depth + 1, found);
}

function firstElement(root: Json, each: string): Json {
  let node: Json | undefined = root;
  for (const part of each.replace(/^\$\.?/, "").replace(/\[\*?\]$/, "").split(".").filter((name) => name && name !== "@")) {
    if (node === null || typeof node !== "object" || Array.isArray(node)) return null;
    node = node[part.replace(/^"|"$/g, "")];
  }
  return Array.isArray(node) ? (node[0] ?? null) : null;
}

/** JMESPath wants quotes around names that are no plain words. */
function joined(path: string, name: string): string {
  const written = /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
  return path ? `${path}.${written}` : written;
}

/** A metric's name from the last part of a path: small letters, digits, underscores. */
function nameOf(path: string): string {
  const last = path.split(".").at(-1)?.replace(/"/g, "") ?? "";
  return last.replace(/([a-z\d])([A-Z])/g, "$1_$2").replace(/[^\w]+/g, "_").toLowerCase() || "value";
}

/** A first topic that a filter lets through, for trying. */
export function topicOf(filter: string): string {
  return filter.replace(/\+/g, "x").replace(/#$/, "x");
}
