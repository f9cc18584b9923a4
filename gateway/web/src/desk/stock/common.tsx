/** What all pages of the stock share: references, where parts and places are chosen from, tabs, amounts. */
import { Link } from "react-router";

import { useText, type Text } from "../../i18n/useText";
import type { Source } from "../../ui/Pick";
import { Tabs } from "../../ui/Tabs";

export type PartRef = { id: string; number: string; name_en: string; name_zh: string; unit: string };
export type PlaceRef = { id: string; code: string; name: string; kind: string };
export type Ref = { id: string; name: string };
export type OrderRef = { id: string; number: string };

export const LOCATION_KINDS = ["warehouse", "bin", "van", "person", "customer", "transit", "quarantine", "repair_shop", "supplier", "scrap", "adjustment"];
export const OWN_KINDS = ["warehouse", "bin", "van", "person", "quarantine", "repair_shop"];

export const PARTS: Source = { path: "/parts", label: (row, language) => `${row.number} · ${(language === "zh" && row.name_zh) || row.name_en}` };
export const ANY_PLACES: Source = { path: "/stock-locations", label: (row) => `${row.code} · ${row.name}` };
/** Where things lie; the accounts that things come from and go to are nobody's choice in a form. */
export const PLACES: Source = { ...ANY_PLACES, asked: { own: true } };
export const ORDERS: Source = { path: "/work-orders", asked: { open: true }, local: true, label: (row) => [row.number, row.asset?.name].filter(Boolean).join(" · ") };

export const partName = (part: { name_en: string; name_zh: string }, text: Text): string => (text.language === "zh" && part.name_zh) || part.name_en;

export function Part(props: { part: PartRef; plain?: boolean }) {
  const text = useText();
  const said = <><span className="mono">{props.part.number}</span> {partName(props.part, text)}</>;
  return props.plain ? said : <Link className="link break" to={`/parts/${props.part.id}`}>{said}</Link>;
}

export function Place(props: { place: PlaceRef | null | undefined }) {
  const text = useText();
  if (!props.place) return <span className="faint">–</span>;
  const own = OWN_KINDS.includes(props.place.kind);
  return <span className="break">{own ? <><span className="mono">{props.place.code}</span> {props.place.name !== props.place.code && props.place.name}</> : text.code("location_kind", props.place.kind)}</span>;
}

export function Order(props: { order: OrderRef | null | undefined }) {
  return props.order ? <Link className="link mono-num nowrap" to={`/work-orders/${props.order.id}`}>{props.order.number}</Link> : <span className="faint">–</span>;
}

/** Units of parts are words of the trade ("pcs", "m"), no units of measurement. */
export const amount = (quantity: number | null | undefined, unit: string | null | undefined, text: Text): string => (quantity === null || quantity === undefined ? "–" : `${text.number(quantity, 3)}${unit ? ` ${text.has(`part_unit.${unit}`) ? text.code("part_unit", unit) : unit}` : ""}`);

export function money(value: number | null | undefined, currency: string | null | undefined, text: Text): string {
  if (value === null || value === undefined) return "–";
  try {
    return new Intl.NumberFormat(text.language === "zh" ? "zh-CN" : "en-GB", { style: "currency", currency: currency || "EUR" }).format(value);
  } catch {
    return `${text.number(value, 2)} ${currency ?? ""}`;
  }
}

function tabsOf(places: [to: string, key: string, action?: string][], label: string) {
  return function Made() {
    const { t } = useText();
    return <Tabs tabs={places.map(([to, key, action]) => ({ to, label: t(key), action }))} label={t(label)} />;
  };
}

export const StockTabs = tabsOf([["/stock", "stock.tab.balances"], ["/stock/movements", "stock.tab.movements"], ["/stock/transfers", "stock.tab.transfers"], ["/stock/reservations", "stock.tab.reservations"], ["/stock/conflicts", "stock.tab.conflicts"], ["/stock/locations", "stock.tab.locations"], ["/stock/settings", "stock.tab.settings"]], "nav.stock");
export const PartTabs = tabsOf([["/parts", "nav.parts"], ["/price-books", "stock.tab.price_books", "price.read"]], "nav.parts");
export const PurchaseTabs = tabsOf([["/purchase-orders", "nav.purchasing", "price.read"], ["/purchase-orders/replenishment", "stock.tab.replenishment"], ["/purchase-orders/levels", "stock.tab.levels"]], "nav.purchasing");
export const ToolTabs = tabsOf([["/tools", "nav.tools"], ["/tools/serials", "stock.tab.serials"], ["/tools/repairs", "stock.tab.repairs"], ["/tools/old-parts", "stock.tab.old_parts"]], "nav.tools");
