/** One part: where it lies, what is promised on which day, its serials and lots, what replaces it, where it fits. */
import { Select } from "@mantine/core";
import { Pencil, Replace } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext, useParams } from "react-router";

import { query } from "../../api/client";
import { may, useList, useOne, useRows } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Rows, Table } from "../../ui/Rows";
import { Bones, Loaded, Notice } from "../../ui/states";
import { MODELS } from "../assets/look";
import { amount, money, Part, partName, PARTS, Place, type PartRef, type PlaceRef } from "./common";
import { MovementLines, type Movement } from "./MovementsPage";
import { partFields, type PartRow } from "./PartsPage";

export type Detail = PartRow & { models: { id: string; code: string; name_en: string; name_zh: string }[]; substitutes: PartRef[]; balances: { id?: string; location: PlaceRef; lot?: string | null; serial?: string | null; condition?: string | null; quantity: number }[] };
export type Tracked = { id: string; serial?: string | null; lot?: string | null; condition?: string | null; location: PlaceRef | null; received_at: string | null; purchase_order: string | null; asset: { id: string; name: string; serial: string } | null; expires_at: string | null; quantity?: number };
export type Availability = { on_hand: number; available_to_promise: number; reserved: number; inbound: number; days: { on: string; receipts: number; reserved: number; projected: number }[] };

const HORIZON_MS = 60 * 86_400_000; // what is planned is seldom further away

export function PartPage() {
  const { id = "" } = useParams();
  const part = useOne<Detail>(`/parts/${id}`);
  useTitle(part.data?.number);
  return <Loaded of={part} skeleton={<Bones rows={8} />}>{(data) => <One part={data} />}</Loaded>;
}

function One(props: { part: Detail }) {
  const { part } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const manage = may(me, "part.manage");
  // What is promised and what comes is counted for one warehouse with all that lies in it.
  const houses = useList<{ id: string; code: string; name: string }>("/stock-locations", { kind: "warehouse", active: true }).data?.items ?? [];
  const [chosen, setChosen] = useState<string | null>(null);
  const house = chosen ?? houses[0]?.id ?? null;
  const availability = useOne<Availability>(`/parts/${part.id}/availability${query({ location_id: house, on: new Date(Date.now() + HORIZON_MS).toISOString().slice(0, 10) })}`, house !== null);
  const movements = useRows<Movement>("/stock-movements", { part_id: part.id, limit: 20 });
  const qty = (value: number | null | undefined) => amount(value, part.unit, text);
  return (
    <>
      <PageHead
        back={{ to: "/parts", label: text.t("nav.parts") }}
        title={partName(part, text)}
        marks={<><Chip tone="quiet" small>{text.code("part_kind", part.kind)}</Chip>{!part.active && <Chip tone="watch" small>{text.t("parts.inactive")}</Chip>}</>}
        sub={<span className="mono">{part.number}</span>}
        right={manage && <>
          <FormButton icon={Replace} label={text.t("parts.successor")} form={{ path: `/parts/${part.id}/successor`, method: "PUT", fields: [{ name: "part_id", label: "parts.superseded_by", kind: "pick", of: PARTS }], initial: { part_id: part.superseded_by && { id: part.superseded_by.id, label: part.superseded_by.number } } }} />
          <FormButton icon={Pencil} label={text.t("action.edit")} form={{ title: part.number, submit: text.t("action.save"), path: `/parts/${part.id}`, method: "PATCH", version: part.version, fields: partFields(text, false), initial: { ...part }, done: "form.saved" }} />
        </>}
      />
      {part.superseded_by && <div style={{ marginBottom: 16 }}><Notice tone="watch">{text.t("parts.superseded_note")} <Part part={part.superseded_by} /></Notice></div>}
      {houses.length > 1 && <Select mb={10} maw={320} aria-label={text.t("col.location")} allowDeselect={false} value={house} onChange={setChosen} data={houses.map((one) => ({ value: one.id, label: `${one.code} · ${one.name}` }))} />}
      <div className="figures four" style={{ marginBottom: 16 }}>
        {([["parts.on_hand", part.on_hand], ["parts.available", availability.data?.available_to_promise ?? part.available], ["parts.reserved", availability.data?.reserved], ["parts.inbound", availability.data?.inbound]] as const).map(([key, value]) => <div key={key} className="figure"><div className="what">{text.t(key)}</div><div className="big">{qty(value)}</div></div>)}
      </div>
      <div className="two">
        <div>
          <CardBlock title={text.t("parts.where")} flush>
            {part.balances.length === 0 ? <div className="small muted inset" style={{ paddingBottom: 16 }}>{text.t("parts.nowhere")}</div> : <Table plain rows={part.balances.map((one, index) => ({ ...one, id: String(index) }))} columns={[
              { label: "col.location", cell: (one) => <Place place={one.location} /> },
              { label: "stock.location_kind", cell: (one) => text.code("location_kind", one.location.kind) },
              { label: "stock.lot_serial", cell: (one) => <span className="mono">{[one.lot, one.serial].filter(Boolean).join(" · ")}</span> },
              { label: "col.quantity", num: true, phone: "side", cell: (one) => qty(one.quantity) },
            ]} />}
          </CardBlock>
          {part.tracking !== "none" && <TrackedCard part={part} />}
          {(availability.data?.days.length ?? 0) > 0 && (
            <CardBlock title={text.t("parts.projection")} flush><Table plain rows={availability.data!.days.map((one) => ({ ...one, id: one.on }))} columns={[
              { label: "col.at", cell: (one) => text.day(one.on) },
              { label: "parts.inbound", num: true, phone: "named", cell: (one) => qty(one.receipts) },
              { label: "parts.reserved", num: true, phone: "named", cell: (one) => qty(one.reserved) },
              { label: "parts.projected", num: true, phone: "side", cell: (one) => <b style={one.projected < 0 ? { color: "#b3261e" } : undefined}>{qty(one.projected)}</b> },
            ]} /></CardBlock>
          )}
          <CardBlock title={text.t("stock.tab.movements")} flush>
            <Rows of={movements} plain columns={[
              { label: "col.at", width: "150px", cell: (row) => text.moment(row.occurred_at) },
              { label: "col.kind", phone: "side", cell: (row) => text.code("movement", row.kind) },
              { label: "col.parts", cell: (row) => <MovementLines movement={row} only={(line) => line.part.id === part.id} /> },
            ]} empty={<div className="small muted inset" style={{ paddingBottom: 16 }}>{text.t("stock.no_movements")}</div>} />
          </CardBlock>
        </div>
        <div>
          <CardBlock title={text.t("asset.about")}><Facts rows={[
            [text.t("col.unit"), text.code("part_unit", part.unit)],
            [text.t("parts.tracking"), text.code("tracking", part.tracking)],
            [text.t("parts.cost"), money(part.standard_cost, part.currency, text)],
            [text.t("parts.supplier"), [part.supplier, part.supplier_number].filter(Boolean).join(" · ") || "–"],
            [text.t("parts.lead_time"), part.lead_time_days === null ? "–" : text.t("terms.days", { count: part.lead_time_days })],
            [text.t("parts.barcode"), part.barcode ?? "–"],
            [text.t("parts.old_part_return"), text.t(part.old_part_return ? "form.yes" : "form.no")],
          ]} /></CardBlock>
          <CardBlock title={text.t("parts.fits")} right={manage && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: text.t("parts.fits"), submit: text.t("action.save"), path: `/parts/${part.id}/models`, method: "PUT", fields: [{ name: "models", label: "nav.asset_models", kind: "lines", lines: [{ name: "model", label: "col.model", kind: "pick", of: MODELS }] }], initial: { models: part.models.map((one) => ({ model: { id: one.id, label: one.name_en } })) }, body: (values) => ({ model_ids: (values.models as { model?: { id: string } }[]).map((row) => row.model?.id).filter(Boolean) }) }} />}>
            {part.models.length === 0 ? <div className="small muted">{text.t("parts.fits_none")}</div> : part.models.map((one) => <div key={one.id} className="line small"><Link className="link" to={`/asset-models/${one.id}`}>{text.language === "zh" ? one.name_zh : one.name_en}</Link></div>)}
          </CardBlock>
          {part.substitutes.length > 0 && <CardBlock title={text.t("parts.substitutes")}>{part.substitutes.map((one) => <div key={one.id} className="line small"><Part part={one} /></div>)}</CardBlock>}
        </div>
      </div>
    </>
  );
}

function TrackedCard(props: { part: Detail }) {
  const text = useText();
  const kind = props.part.tracking === "serial" ? "serials" : "lots";
  const rows = useList<Tracked>(`/parts/${props.part.id}/${kind}`);
  return (
    <CardBlock title={text.t(`parts.${kind}`)} flush>
      <Table plain rows={rows.data?.items ?? []} to={(one) => `/tools/${kind}/${one.id}`} columns={[
        { label: kind === "serials" ? "col.serial" : "col.lot", cell: (one) => <span className="mono">{one.serial ?? one.lot}</span> },
        { label: "stock.condition", phone: "side", cell: (one) => (one.condition ? <Chip tone={one.condition === "good" ? "ok" : one.condition === "defective" ? "trouble" : "quiet"} small>{text.code("condition", one.condition)}</Chip> : "") },
        { label: "col.location", cell: (one) => (one.asset ? <Link className="link" to={`/assets/${one.asset.id}/parts`}>{one.asset.name}</Link> : <Place place={one.location} />) },
        { label: "parts.received", phone: "named", cell: (one) => <>{text.day(one.received_at)} {one.purchase_order && <Link className="link" to={`/purchase-orders?q=${one.purchase_order}`}>{one.purchase_order}</Link>}</> },
        { label: "parts.expires", phone: "named", cell: (one) => (one.expires_at ? text.day(one.expires_at) : "") },
      ]} />
    </CardBlock>
  );
}
