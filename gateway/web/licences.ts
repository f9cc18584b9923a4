/** Write third-party-licences.txt: every package whose code is in the built pages, with its licence's text. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";

type Package = { name: string; version: string; license?: string; author?: string | { name?: string }; dependencies?: Record<string, string> };

const MODULES = join(import.meta.dirname, "node_modules");
const BUILDERS = ["vite", "rolldown"].map((name) => join(MODULES, name)); // they add small helpers of their own
const OF_ITS_OWN_PARTS = /\n#+ Licenses of bundled dependencies[^]*$/; // of the builder, which stays behind
const LICENCE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;

export function licences(): Plugin {
  return {
    name: "third-party-licences",
    apply: "build",
    generateBundle() {
      const direct = Object.keys(read(import.meta.dirname).dependencies ?? {}).map((name) => join(MODULES, name));
      const folders = new Set([...direct, ...BUILDERS, ...[...this.getModuleIds()].flatMap(folderOf)]);
      const sections = [...folders].map(section).sort();
      const source = `The web pages of Forewarn contain code of these packages.\n\n${sections.join("\n")}`;
      this.emitFile({ type: "asset", fileName: "third-party-licences.txt", source });
    },
  };
}

/** The folder of the package that a module belongs to; none for our own. */
function folderOf(id: string): string[] {
  let folder = dirname(id.replace(/^\0/, "").replace(/\?.*$/, ""));
  if (!folder.includes("node_modules")) return [];
  // Some packages hold nameless package.json files deeper down.
  while (folder !== MODULES && !(existsSync(join(folder, "package.json")) && read(folder).name)) folder = dirname(folder);
  return folder === MODULES ? [] : [folder];
}

function section(folder: string): string {
  const about = read(folder);
  const author = typeof about.author === "string" ? about.author : about.author?.name;
  const files = readdirSync(folder).filter((name) => LICENCE_FILE.test(name)).sort();
  const texts = files.map((name) => readFileSync(join(folder, name), "utf8").replace(OF_ITS_OWN_PARTS, "").trim());
  if (texts.length === 0) texts.push(`The package comes without the licence's text.${author ? ` Author: ${author}` : ""}`);
  return [`${"=".repeat(79)}`, `${about.name} ${about.version}: ${about.license ?? "see below"}`, "", ...texts, ""].join("\n");
}

function read(folder: string): Package {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Package;
}
