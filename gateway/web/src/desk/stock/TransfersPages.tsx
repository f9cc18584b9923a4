/** Transfers: sent by one, confirmed by the other; what went missing on the way stands out. */
import { ArrowLeftRight, PackageCheck, Plus, Send } from "lucide-react";
import { useNavigate, useOutletContext, useParams } from "react-router";

import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Values } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Loaded, Notice } from "../../ui/states";
import type { Tone } from "../../ui/theme";
import { amount, Part, PARTS, partName, Place, PLACES, StockTabs, type PartRef, type PlaceRef } from "./common";

export type Line = { id: string; part: PartRef; lot: string | null; serial: string | null; quantity: number; shipped: number | null; received: number | null; difference: number | null };
export type Transfer = { id: string; number: string; from: PlaceRef | null; to: PlaceRef | null; state: string; expected_on: string | null; carrier: string | null; tracking_number: string | null; lines: Line[]; legal: string[]; version: number };
const TONE: Record<string, Tone> = { planned: "quiet", shipped: "learning", received: "ok", cancelled: "quiet" };

function StateChip(props: { state: string }) {
  const text = useText();
  return <Chip tone={TONE[props.state] ?? "quiet"} small>{text.code("transfer_state", props.state)}</Chip>;
}

export function TransfersPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "stock.use") || may(me, "stock.manage") ? <FormButton primary icon={Plus} label={text.t("transfers.add")} form={{ path: "/stock-transfers", size: "lg", fields: [
    { name: "from_location_id", label: "col.from_place", kind: "pick", of: PLACES, required: true, half: true },
    { name: "to_location_id", label: "col.to_place", kind: "pick", of: PLACES, required: true, half: true },
    { name: "lines", label: "col.parts", kind: "lines", add: "stock.add_part", lines: [{ name: "part_id", label: "col.part", kind: "pick", of: PARTS, required: true }, { name: "quantity", label: "col.quantity", kind: "number", min: 0, required: true, half: true }, { name: "serial", label: "col.serial", half: true }, { name: "lot", label: "col.lot", half: true }] },
    { name: "expected_on", label: "purchase.expected", kind: "date", half: true },
    { name: "carrier", label: "transfers.carrier", half: true },
    { name: "tracking_number", label: "transfers.tracking", half: true },
  ], initial: { lines: [{ quantity: 1 }] }, after: (made: { id: string }) => void navigate(`/stock/transfers/${made.id}`) }} /> : undefined;
  return (
    <ListPage<Transfer>
      title={text.t("stock.tab.transfers")}
      sub={text.t("transfers.sub")}
      tabs={<StockTabs />}
      path="/stock-transfers"
      exports="stock-transfers"
      filters={[{ name: "state", label: "col.state", options: Object.keys(TONE).map((word) => ({ value: word, label: text.code("transfer_state", word) })) }]}
      columns={[
        { label: "col.number", cell: (row) => <span className="mono">{row.number}</span> },
        { label: "col.from_place", cell: (row) => <Place place={row.from} /> },
        { label: "col.to_place", cell: (row) => <Place place={row.to} /> },
        { label: "col.parts", cell: (row) => <span className="small">{row.lines.slice(0, 3).map((line) => `${line.part.number} × ${text.number(line.quantity)}`).join(", ")}{row.lines.length > 3 && " …"}</span> },
        { label: "purchase.expected", phone: "named", cell: (row) => text.day(row.expected_on) },
        { label: "col.state", phone: "side", cell: (row) => <StateChip state={row.state} /> },
      ]}
      to={(row) => `/stock/transfers/${row.id}`}
      right={add}
      empty={{ icon: ArrowLeftRight, sentence: "transfers.empty", example: "transfers.example", action: add }}
    />
  );
}

export function TransferPage() {
  const { id = "" } = useParams();
  const text = useText();
  const me = useOutletContext<Me>();
  const transfer = useOne<Transfer>(`/stock-transfers/${id}`);
  useTitle(transfer.data?.number);
  const use = may(me, "stock.use") || may(me, "stock.manage");
  return (
    <Loaded of={transfer} skeleton={<Bones rows={8} />}>
      {(data) => {
        const can = (word: string) => use && (data.legal.includes(word) || data.legal.includes({ ship: "shipped", receive: "received", cancel: "cancelled" }[word]!));
        const differs = data.lines.some((line) => line.difference);
        return (
          <>
            <PageHead back={{ to: "/stock/transfers", label: text.t("stock.tab.transfers") }} title={data.number} marks={<StateChip state={data.state} />} right={<>
              {can("cancel") && <ActButton danger label={text.t("transfers.cancel")} path={`/stock-transfers/${data.id}/cancel`} version={data.version} />}
              {can("ship") && <ActButton primary icon={Send} label={text.t("transfers.ship")} path={`/stock-transfers/${data.id}/ship`} version={data.version} done="transfers.shipped" />}
              {can("receive") && <FormButton primary icon={PackageCheck} label={text.t("transfers.receive")} form={{ path: `/stock-transfers/${data.id}/receive`, version: data.version, now: `/stock-transfers/${data.id}`, size: "lg", done: "transfers.received", fields: [
                { name: "lines", label: "col.parts", kind: "lines", lines: [{ name: "line_id", label: "col.part", kind: "select", required: true, options: data.lines.map((line) => ({ value: line.id, label: `${line.part.number} ${partName(line.part, text)}` })) }, { name: "received", label: "purchase.received", kind: "number", min: 0, required: true, half: true }] },
                { name: "note", label: "finish.note", kind: "area", most: 500 },
              ], initial: { lines: data.lines.map((line) => ({ line_id: line.id, received: (line.shipped ?? line.quantity) - (line.received ?? 0) })) }, body: (values: Values) => ({ lines: (values.lines as Values[]).map((row) => ({ line_id: row.line_id, received: Number(row.received ?? 0) })), note: values.note || undefined, final: true }) }} />}
            </>} />
            {differs && <div style={{ marginBottom: 16 }}><Notice tone="trouble">{text.t("transfers.differs")}</Notice></div>}
            <div className="two">
              <div><CardBlock title={text.t("col.parts")} flush><Table plain rows={data.lines} columns={[
                { label: "col.part", cell: (line) => <Part part={line.part} /> },
                { label: "stock.lot_serial", cell: (line) => <span className="mono">{[line.lot, line.serial].filter(Boolean).join(" · ")}</span> },
                { label: "col.quantity", num: true, phone: "side", cell: (line) => amount(line.quantity, line.part.unit, text) },
                { label: "transfers.shipped_amount", num: true, phone: "named", cell: (line) => amount(line.shipped, null, text) },
                { label: "purchase.received", num: true, phone: "named", cell: (line) => amount(line.received, null, text) },
                { label: "transfers.difference", num: true, phone: "named", cell: (line) => (line.difference ? <b style={{ color: "#b3261e" }}>{text.number(line.difference)}</b> : "–") },
              ]} /></CardBlock></div>
              <div><CardBlock title={text.t("asset.about")}><Facts rows={[[text.t("col.from_place"), <Place place={data.from} />], [text.t("col.to_place"), <Place place={data.to} />], [text.t("purchase.expected"), text.day(data.expected_on)], [text.t("transfers.carrier"), [data.carrier, data.tracking_number].filter(Boolean).join(" · ") || "–"]]} /></CardBlock></div>
            </div>
          </>
        );
      }}
    </Loaded>
  );
}
