/** Build the technicians' service worker last: it names every file of its page, so that /m opens without a network. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "vite";

const PAGE = "m.html";
const ADDRESS = "/m";
const STATIC = "m"; // what lies beside the worker: manifests and icons
const SELDOM = /-(cyrillic|greek|vietnamese)[\w-]*\.woff2$/; // letters of other languages, asked for when needed

export function serviceWorker(): Plugin {
  return {
    name: "technicians-service-worker",
    apply: "build",
    async writeBundle(options) {
      const dist = options.dir!;
      const files = [...loadedBy(dist, PAGE), ...besides(dist)].filter((path) => !SELDOM.test(path)).sort();
      const shell = { version: versionOf(dist, files), page: ADDRESS, files };
      await build({
        configFile: false,
        logLevel: "warn",
        publicDir: false,
        define: { __SHELL__: JSON.stringify(shell) },
        build: {
          outDir: join(dist, STATIC),
          emptyOutDir: false,
          target: "es2022",
          rollupOptions: { input: join(import.meta.dirname, "src/field/worker.ts"), output: { format: "iife", entryFileNames: "sw.js" } },
        },
      });
    },
  };
}

/** Every file under /ui that a file names, and what those name in turn. */
function loadedBy(dist: string, name: string, found = new Set<string>()): Set<string> {
  const text = readFileSync(join(dist, name), "utf8");
  const near = [...text.matchAll(/["'`(](?:\/ui\/|\.\/|ui\/)([\w.-]+\.(?:js|css|svg|woff2|png|wasm))["'`)]/g)];
  for (const path of near.map((match) => `/ui/${match[1]}`)) {
    if (found.has(path)) continue;
    found.add(path);
    if (/\.(js|css)$/.test(path)) loadedBy(dist, path.slice(1), found);
  }
  return found;
}

function besides(dist: string): string[] {
  return readdirSync(join(dist, STATIC)).filter((name) => name !== "sw.js").map((name) => `/${STATIC}/${name}`);
}

function versionOf(dist: string, files: string[]): string {
  const digest = createHash("sha256");
  for (const path of [PAGE, ...files]) digest.update(path).update(readFileSync(join(dist, path)));
  return digest.digest("hex").slice(0, 16);
}
