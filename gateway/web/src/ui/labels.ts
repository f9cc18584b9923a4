/** A page of labels to print: each device with its claim code, as text and as QR code. */
import { renderSVG } from "uqr";

const STYLE =
  "body{font:11pt sans-serif;display:grid;grid-template-columns:1fr 1fr;gap:4mm;margin:8mm}" +
  "article{display:flex;gap:4mm;border:1px dashed #999;padding:3mm;break-inside:avoid}" +
  "svg{width:28mm;height:28mm;flex:none}div{display:flex;flex-direction:column;gap:1mm;min-width:0}" +
  "code{font-size:14pt;letter-spacing:.08em}b,small{overflow-wrap:anywhere}small{font-size:7pt}";

export function printLabels(rows: { serial: string; claim_code: string | null }[]): void {
  const frame = document.createElement("iframe"); // a window of its own might be blocked
  frame.style.cssText = "position:fixed;width:0;height:0;border:0";
  document.body.append(frame);
  const page = frame.contentDocument!;
  page.head.append(Object.assign(page.createElement("style"), { textContent: STYLE }));
  for (const row of rows) if (row.claim_code) page.body.append(label(page, row.serial, row.claim_code));
  frame.contentWindow!.addEventListener("afterprint", () => frame.remove());
  frame.contentWindow!.print();
}

function label(page: Document, serial: string, code: string): HTMLElement {
  const address = `${location.origin}/claim/${code}`; // server and code in one, as `forewarn-edge claim` takes it
  const article = page.createElement("article");
  article.innerHTML = renderSVG(address, { border: 1 });
  const said = page.createElement("div");
  const line = (tag: string, text: string) => said.append(Object.assign(page.createElement(tag), { textContent: text }));
  line("b", serial);
  line("code", code);
  line("small", `forewarn-edge claim ${address}`);
  article.append(said);
  return article;
}
