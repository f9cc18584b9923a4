/** Fail when a text is missing in a language, is not used, or is asked for but does not exist. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const LANGUAGES = ["en", "zh"];
// Families whose last part is a stored word: t(`family.${word}`) or code("family", word).
const PLURAL = /_(zero|one|two|few|many|other)$/;

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

const root = new URL(".", import.meta.url).pathname;
const tables = Object.fromEntries(
  LANGUAGES.map((name) => [name, JSON.parse(readFileSync(join(root, `src/i18n/${name}.json`), "utf8"))]),
);
const bare = (table) => new Set(Object.keys(table).map((key) => key.replace(PLURAL, "")));
const keys = Object.fromEntries(LANGUAGES.map((name) => [name, bare(tables[name])]));
const all = new Set(LANGUAGES.flatMap((name) => [...keys[name]]));
const code = sources(join(root, "src")).map((path) => readFileSync(path, "utf8")).join("\n");

const asked = new Set([...code.matchAll(/\bt\(\s*"([^"]+)"/g)].map((match) => match[1]));
const literal = new Set([...code.matchAll(/"([a-z_]+(?:\.[a-z_0-9]+)+)"/g)].map((match) => match[1]));
const families = new Set([
  ...[...code.matchAll(/\b(?:code|words)\(\s*"([a-z_.]+)"/g)].map((match) => match[1] + "."),
  ...[...code.matchAll(/`([a-z_]+(?:\.[a-z_]+)*\.)\$\{/g)].map((match) => match[1]),
  // families named in tables of text/sentences.ts
  ...["state.", "visit.", "operation.", "presence.", "outcome.", "origin.", "priority.", "severity.", "kind.", "role.", "command.", "why.", "presence_reason.", "reason.", "verdict_why.", "budget_said."],
]);

const wrong = [];
for (const name of LANGUAGES)
  for (const key of all) if (!keys[name].has(key)) wrong.push(`${key}: missing in ${name}.json`);
for (const key of asked) if (!all.has(key)) wrong.push(`${key}: asked for, exists in no language`);
for (const key of all) {
  const inFamily = [...families].some((family) => key.startsWith(family));
  if (!asked.has(key) && !literal.has(key) && !inFamily) wrong.push(`${key}: not used`);
}
for (const name of LANGUAGES)
  for (const [key, value] of Object.entries(tables[name])) {
    if (!String(value).trim()) wrong.push(`${key}: empty in ${name}.json`);
    const other = tables[name === "en" ? "zh" : "en"];
    const twin = other[key] ?? other[key.replace(PLURAL, "_other")];
    const holes = (text) => [...String(text ?? "").matchAll(/\{\{(\w+)/g)].map((match) => match[1]).sort().join();
    if (twin !== undefined && holes(value) !== holes(twin) && !PLURAL.test(key))
      wrong.push(`${key}: {{…}} differ between the languages`);
  }
for (const line of [...new Set(wrong)].sort()) console.error(line);
console.log(`${all.size} texts, ${asked.size} asked for by name, ${wrong.length} problems`);
process.exit(wrong.length ? 1 : 0);
