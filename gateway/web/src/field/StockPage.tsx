/** Parts on the phone: scan, count, take for a job or give back; what could not be sent waits and goes by itself. */
import { ActionIcon, Button, SegmentedControl, Select } from "@mantine/core";
import { Minus, Package, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useOutletContext, useSearchParams } from "react-router";

import { api, query } from "../api/client";
import type { Me, Page, WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { say } from "../ui/Providers";
import { Bones, Empty, errorText, Loaded, Notice } from "../ui/states";
import { amount, partName, type PartRef, type PlaceRef } from "../desk/stock/common";
import type { Row as Balance } from "../desk/stock/StockPage";
import { balancesPath, ownPlacesPath } from "./ahead";
import { useKept } from "./kept";
import { useOutbox } from "./outbox";
import { ScanInput } from "./Scan";
import { MINE } from "./store";

type Line = { part: PartRef; quantity: number; serial: string | null; lot: string | null };
const OWN = ["van", "person"];

export function FieldStockPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const own = useKept<Page<PlaceRef>>(["stock-locations"], ownPlacesPath(me.person.id), 300_000);
  const all = useKept<Page<PlaceRef>>(["stock-locations"], "/stock-locations?kind=warehouse&limit=100", 300_000);
  const places = [...(own.data?.items ?? []), ...(all.data?.items ?? [])].filter((place, index, list) => list.findIndex((one) => one.id === place.id) === index);
  const [chosen, setChosen] = useState<string | null>(null);
  const place = places.find((one) => one.id === chosen) ?? places.find((one) => OWN.includes(one.kind)) ?? places[0] ?? null;
  return (
    <>
      <div><h1>{text.t("field.parts")}</h1><div className="muted small">{text.t("field.parts_sub")}</div></div>
      {!own.data && !all.data ? (own.error ? <Notice tone="trouble">{errorText(own.error, text)}</Notice> : <Bones rows={5} height={26} />) : !place ? <Empty icon={Package} sentence={text.t("field.no_place")} example={text.t("field.no_place_example")} /> : (
        <>
          {places.length > 1 && <Select size="md" label={text.t("col.location")} value={place.id} onChange={setChosen} data={places.map((one) => ({ value: one.id, label: `${one.code} · ${one.name}` }))} />}
          <Booking key={place.id} place={place} me={me} />
        </>
      )}
    </>
  );
}

function Booking(props: { place: PlaceRef; me: Me }) {
  const text = useText();
  const { place, me } = props;
  const [kind, setKind] = useState("issue");
  const mine = useKept<Page<WorkOrder>>(["work-orders"], MINE);
  const stock = useKept<Page<Balance>>(["stock-balances"], balancesPath(place.id), 60_000);
  const orders = (mine.data?.items ?? []).filter((order) => !["closed", "cancelled"].includes(order.state));
  const [asked] = useSearchParams(); // from a job's page
  const [order, setOrder] = useState<string | null>(asked.get("order"));
  const { act } = useOutbox();
  const [lines, setLines] = useState<Line[]>([]);
  const [busy, setBusy] = useState(false);
  const job = orders.find((one) => one.id === order) ?? (orders.length === 1 ? orders[0] : undefined);
  const put = (line: Line) => setLines((held) => (held.some((one) => one.part.id === line.part.id && one.serial === line.serial) ? held.map((one) => (one.part.id === line.part.id && one.serial === line.serial && !one.serial ? { ...one, quantity: one.quantity + 1 } : one)) : [...held, line]));
  const found = async (code: string) => {
    const near = (stock.data?.items ?? []).find((row) => [row.serial, row.part.number].some((word) => word?.toLowerCase() === code.toLowerCase()));
    if (near) return put({ part: near.part, quantity: 1, serial: near.serial, lot: near.lot });
    setBusy(true);
    try {
      const parts = await api<Page<PartRef>>(`/parts${query({ q: code, limit: 2 })}`);
      const exact = parts.items.find((one) => one.number.toLowerCase() === code.toLowerCase()) ?? (parts.items.length === 1 ? parts.items[0] : undefined);
      if (exact) return put({ part: exact, quantity: 1, serial: null, lot: null });
      const serials = await api<Page<{ part: PartRef; serial: string; lot: string | null }>>(`/stock-serials${query({ serial: code, limit: 1 })}`);
      if (serials.items[0]) return put({ part: serials.items[0].part, quantity: 1, serial: serials.items[0].serial, lot: serials.items[0].lot });
      say(text.t("scan.unknown", { code }), "bad");
    } catch (error) {
      say(errorText(error as Error, text), "bad");
    } finally {
      setBusy(false);
    }
  };
  const send = async () => {
    const ends = kind === "issue" ? { from_location_id: place.id } : { to_location_id: place.id };
    const moved = lines.map((line) => ({ part_id: line.part.id, quantity: line.quantity, serial: line.serial ?? undefined, lot: line.lot ?? undefined, ...ends }));
    const words = `${text.code("movement", kind)}: ${lines.map((line) => `${line.part.number} × ${line.quantity}`).join(", ")}`;
    if (!(await act(me, { order: job!, kind: "stock.move", body: { kind, lines: moved }, said: words }))) return;
    say(text.t("field.put_down"));
    setLines([]);
  };
  return (
    <>
      <SegmentedControl size="md" value={kind} onChange={setKind} data={["issue", "return"].map((word) => ({ value: word, label: text.t(`field.${word}`) }))} />
      <Select size="md" label={text.t("col.order")} placeholder={text.t("field.which_job")} value={job?.id ?? null} onChange={setOrder} data={orders.map((one) => ({ value: one.id, label: `${one.number} · ${one.asset.name}` }))} nothingFoundMessage={text.t("field.none_mine")} />
      <ScanInput label={text.t("field.scan_part")} found={(code) => void found(code)} busy={busy} />
      {lines.length > 0 && (
        <section className="card pad">
          {lines.map((line, index) => (
            <div key={`${line.part.id}${line.serial}`} className="row line" style={{ gap: 10 }}>
              <span className="grow small"><b className="mono">{line.part.number}</b><span className="break" style={{ display: "block" }}>{partName(line.part, text)} {line.serial && <span className="mono">{line.serial}</span>}</span></span>
              {line.serial ? <span className="num">1</span> : <>
                <ActionIcon size={40} variant="default" aria-label={text.t("field.less")} onClick={() => setLines(lines.map((one, at) => (at === index ? { ...one, quantity: Math.max(1, one.quantity - 1) } : one)))}><Minus size={18} /></ActionIcon>
                <b className="num" style={{ minWidth: 24, textAlign: "center" }}>{text.number(line.quantity)}</b>
                <ActionIcon size={40} variant="default" aria-label={text.t("field.more")} onClick={() => setLines(lines.map((one, at) => (at === index ? { ...one, quantity: one.quantity + 1 } : one)))}><Plus size={18} /></ActionIcon>
              </>}
              <ActionIcon size={40} variant="subtle" color="red" aria-label={text.t("action.delete")} onClick={() => setLines(lines.filter((_, at) => at !== index))}><Trash2 size={18} /></ActionIcon>
            </div>
          ))}
          <Button mt={12} size="md" fullWidth loading={busy} disabled={!job} onClick={() => void send()}>{text.t(kind === "issue" ? "field.take" : "field.give_back", { number: job?.number ?? "" })}</Button>
        </section>
      )}
      <section className="card pad">
        <h2>{text.t("field.here", { place: place.name })}</h2>
        <Loaded of={stock} skeleton={<Bones rows={3} />}>
          {(page) => page.items.length === 0 ? <div className="small muted">{text.t("field.nothing_here")}</div> : <>{page.items.map((row) => (
            <button key={row.id ?? `${row.part.id}${row.serial}${row.lot}`} type="button" className="plainbutton row line" style={{ width: "100%", gap: 10, minHeight: 48 }} onClick={() => put({ part: row.part, quantity: 1, serial: row.serial, lot: row.lot })}>
              <span className="grow small"><b className="mono">{row.part.number}</b><span className="break" style={{ display: "block" }}>{partName(row.part, text)} {row.serial && <span className="mono">{row.serial}</span>}</span></span><b className="num nowrap">{amount(row.quantity, row.part.unit, text)}</b><Plus size={18} className="faint" aria-hidden />
            </button>
          ))}</>}
        </Loaded>
      </section>
    </>
  );
}
