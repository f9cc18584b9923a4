/** Files of machines' documents kept on the phone, to be read where there is no network. */
import { useEffect, useState } from "react";

import type { Document, Revision } from "../desk/files/DocumentList";
import { PAPERS } from "./store";

const EACH_MOST = 8 * 2 ** 20; // bytes; a larger one is read where there is a network
const OF_ONE_MOST = 8;
const ALL_MOST = 60;
// What opens in a page of ours can run nothing there; anything else is saved as a file.
const SHOWN = ["application/pdf", "image/png", "image/jpeg", "image/webp", "text/plain"];

export type Paper = { href: string; download?: string };

export const documentsPath = (asset: string): string => `/documents?asset_id=${asset}&limit=50`;

const newest = (one: Document): Revision | undefined => [...one.revisions].sort((a, b) => b.revision - a.revision)[0];
const addressOf = (one: Document, at: Revision): string => `/api/v1/documents/${one.id}/file?revision=${at.revision}`;

/** Fetch the newest files that are not here yet. A page without `caches` (plain HTTP) keeps none. */
export async function keepPapers(documents: Document[], signal: AbortSignal): Promise<void> {
  if (!("caches" in globalThis) || (navigator as { connection?: { saveData?: boolean } }).connection?.saveData) return;
  const cache = await caches.open(PAPERS);
  for (const one of documents.slice(0, OF_ONE_MOST)) {
    const at = newest(one);
    if (signal.aborted) return;
    if (!at || at.size_bytes > EACH_MOST || (await cache.match(addressOf(one, at)))) continue;
    const answer = await fetch(addressOf(one, at), { signal });
    if (answer.ok) await cache.put(addressOf(one, at), answer);
  }
  const held = await cache.keys(); // the oldest first
  for (const old of held.slice(0, Math.max(0, held.length - ALL_MOST))) await cache.delete(old);
}

/** Where each document is read: the copy on this phone, else at the server. */
export function usePapers(documents: Document[]): (one: Document) => Paper {
  const [here, found] = useState(new Map<string, string>());
  const wanted = documents.map((one) => `${one.id}.${newest(one)?.revision}`).join();
  useEffect(() => {
    const made: string[] = [];
    let left = false;
    void copies(documents, made).then((urls) => (left ? drop(made) : found(urls)), () => undefined);
    return () => ((left = true), drop(made));
  }, [wanted]); // by id and revision: the list itself is new with every answer
  return (one) => {
    const copy = here.get(one.id);
    const at = newest(one);
    if (!copy || !at) return { href: `/api/v1/documents/${one.id}/file` };
    return SHOWN.includes(at.media_type) ? { href: copy } : { href: copy, download: at.file_name };
  };
}

async function copies(documents: Document[], made: string[]): Promise<Map<string, string>> {
  const urls = new Map<string, string>();
  if (!("caches" in globalThis)) return urls;
  const cache = await caches.open(PAPERS);
  for (const one of documents) {
    const at = newest(one);
    const kept = at && (await cache.match(addressOf(one, at)));
    if (!at || !kept) continue;
    const url = URL.createObjectURL(new Blob([await kept.blob()], { type: at.media_type }));
    made.push(url);
    urls.set(one.id, url);
  }
  return urls;
}

function drop(urls: string[]): void {
  for (const url of urls.splice(0)) URL.revokeObjectURL(url);
}
