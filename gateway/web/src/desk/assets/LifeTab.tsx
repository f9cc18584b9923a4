/** A machine's life: its next legal moves, where it is and whose, its commissioning, and how long it stood still. */
import { SegmentedControl } from "@mantine/core";
import { ArrowRightLeft, LocateFixed, MapPinned, Power, UserRoundCog } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useList, useOne } from "../../api/rows";
import type { AssetDetail, Me } from "../../api/types";
import { duration } from "../../i18n/format";
import { useText, type Text } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { localMoment, type Field } from "../../ui/Form";
import { CardBlock, Facts } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Loaded } from "../../ui/states";
import { Commissioning } from "./Commissioning";
import { CUSTOMERS, LifecycleChip, OPERATION, OperationChip, PEOPLE, SITES } from "./look";

export type AssetLife = AssetDetail & {
  legal_transitions?: string[];
  lifecycle_since?: string | null;
  operation_since?: string | null;
  operation_cause?: string | null;
  latitude_deg?: number | null;
  longitude_deg?: number | null;
  custom?: Record<string, unknown>;
  custom_fields?: CustomField[];
  version?: number;
  site_id?: string | null;
  customer_id?: string | null;
  asset_model_id?: string | null;
};
export type CustomField = { key: string; kind: "text" | "number" | "date" | "choice" | "boolean"; label_en: string; label_zh: string; required: boolean; unit?: string | null; choices?: { value: string; en: string; zh: string }[] | null; minimum?: number | null; maximum?: number | null };
export type Interval = { axis: string; state: string; cause: string | null; reason_code: string | null; source: string | null; by: { name: string } | string | null; valid_from: string; valid_to: string | null };
export type Words = { reason_codes: { code: string; en: string; zh: string }[] };

export function LifeTab(props: { asset: AssetLife }) {
  const { asset } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const words = useOne<Words>("/lifecycle");
  const moves = may(me, "asset.move");
  return (
    <div className="two">
      <div>
        <CardBlock title={text.t("stage.now")}>
          <div className="row wrap" style={{ gap: 10, marginBottom: 12 }}><LifecycleChip state={asset.lifecycle} /><OperationChip state={asset.operation} />{asset.operation_cause && <span className="small muted break">{causeText(asset.operation_cause, text)}</span>}</div>
          <div className="row wrap">
            {(asset.legal_transitions ?? []).map((to) => <Move key={to} asset={asset} to={to} text={text} />)}
            {moves && <FormButton icon={Power} label={text.t("stage.operation")} form={{ path: `/assets/${asset.id}/operation`, fields: operationFields(text, words.data), initial: { to: asset.operation === "down" ? "up" : "down", at: localMoment(Date.now()) }, done: "stage.noted" }} />}
          </div>
        </CardBlock>
        <States asset={asset.id} words={words.data} />
        <Downtime asset={asset.id} words={words.data} />
      </div>
      <div>
        <Commissioning asset={asset.id} />
        <Where asset={asset} me={me} />
      </div>
    </div>
  );
}

const ENDS = ["retired", "scrapped"];

function Move(props: { asset: AssetLife; to: string; text: Text }) {
  const { text, to, asset } = props;
  const fields: Field[] = [
    { name: "reason", label: "order.reason", kind: "area", required: ENDS.includes(to), most: 500 },
    { name: "at", label: "col.at", kind: "moment" },
    ...(to === "installed" ? [{ name: "site_id", label: "col.site", kind: "pick" as const, of: SITES }] : []),
  ];
  return <FormButton primary={!ENDS.includes(to)} danger={ENDS.includes(to)} label={text.code("stage.to", to)} form={{ path: `/assets/${asset.id}/transitions`, fields, initial: { at: localMoment(Date.now()) }, version: asset.version, body: (values) => ({ to, reason: values.reason || undefined, at: values.at ? new Date(String(values.at)).toISOString() : undefined, site_id: (values.site_id as { id: string } | null)?.id }), note: ENDS.includes(to) ? text.t("stage.ends_note") : undefined, done: "stage.noted", now: `/assets/${asset.id}` }} />;
}

const operationFields = (text: Text, words: Words | undefined): Field[] => [
  { name: "to", label: "col.operation", kind: "select", required: true, options: OPERATION.map((word) => ({ value: word, label: text.code("operation", word) })) },
  { name: "reason_code", label: "col.reason_code", kind: "select", options: (words?.reason_codes ?? []).map((one) => ({ value: one.code, label: text.language === "zh" ? one.zh : one.en })), show: (values) => values.to === "down" || values.to === "degraded" },
  { name: "cause", label: "col.cause", kind: "area", required: true, most: 500 },
  { name: "at", label: "col.at", kind: "moment" },
];

const reasonName = (code: string | null | undefined, words: Words | undefined, text: Text): string => {
  const found = words?.reason_codes.find((one) => one.code === code);
  return found ? (text.language === "zh" ? found.zh : found.en) : code ? text.code("downtime", code) : "";
};

/** What a person wrote stands as it is; what a rule wrote is a code. */
function causeText(cause: string | null, text: Text): string {
  const [rule = "", kind, mode] = (cause ?? "").split(":");
  if (!text.has(`stage.cause.${rule}`)) return cause ?? "";
  return text.t(`stage.cause.${rule}`, { what: mode ? text.code("failure_mode", mode) : text.code("kind", kind) });
}

function States(props: { asset: string; words: Words | undefined }) {
  const text = useText();
  const [axis, setAxis] = useState("lifecycle");
  const states = useList<Interval>(`/assets/${props.asset}/states`, { axis });
  return (
    <CardBlock title={text.t("stage.history")} flush right={<SegmentedControl size="xs" value={axis} onChange={setAxis} data={["lifecycle", "operation"].map((word) => ({ value: word, label: text.t(`col.${word}`) }))} />}>
      <Loaded of={states} skeleton={<Bones rows={3} />}>
        {(page) => page.items.length === 0 ? <div className="small muted inset" style={{ paddingBottom: 16 }}>{text.t("stage.no_history")}</div> : (
          <Table
            plain
            rows={page.items.map((one) => ({ ...one, id: `${one.axis}${one.valid_from}` }))}
            columns={[
              { label: "col.state", cell: (one) => (one.axis === "lifecycle" ? <LifecycleChip state={one.state} /> : <OperationChip state={one.state} />) },
              { label: "col.from", cell: (one) => text.moment(one.valid_from), phone: "side" },
              { label: "col.duration", cell: (one) => text.lasted(one.valid_from, one.valid_to) },
              { label: "col.cause", cell: (one) => [reasonName(one.reason_code, props.words, text), causeText(one.cause, text)].filter(Boolean).join(" · ") || <span className="faint">–</span> },
              { label: "col.by", cell: (one) => (typeof one.by === "object" ? one.by?.name : one.by) ?? (one.source ? text.code("source", one.source) : "–") },
            ]}
          />
        )}
      </Loaded>
    </CardBlock>
  );
}

export type Down = { down_s: number; unobserved_s: number; availability: number | null; by_reason: { reason_code: string | null; seconds: number }[]; spans: { from: string; to: string | null; reason_code: string | null; sources: { kind: string; id: string; number?: string | null }[] }[] };
const DAYS = [7, 30, 90, 365];

function Downtime(props: { asset: string; words: Words | undefined }) {
  const text = useText();
  const [days, setDays] = useState(30);
  const [to] = useState(() => new Date().toISOString());
  const from = new Date(new Date(to).getTime() - days * 86_400_000).toISOString();
  const down = useOne<Down>(`/assets/${props.asset}/downtime?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`);
  return (
    <CardBlock title={text.t("downtime.title")} right={<SegmentedControl size="xs" value={String(days)} onChange={(value) => setDays(Number(value))} data={DAYS.map((count) => ({ value: String(count), label: text.t("downtime.days", { count }) }))} />}>
      <Loaded of={down} skeleton={<Bones rows={3} />}>
        {(data) => (
          <>
            <div className="row wrap" style={{ gap: "8px 32px", marginBottom: 12 }}>
              <div><div className="small muted">{text.t("downtime.availability")}</div><div style={{ fontSize: 24, fontWeight: 680 }}>{data.availability === null ? "–" : `${text.number(data.availability * 100, 2)}%`}</div></div>
              <div><div className="small muted">{text.t("downtime.down")}</div><div style={{ fontSize: 24, fontWeight: 680 }}>{duration(Math.round(data.down_s), text.language)}</div></div>
              {data.unobserved_s > 0 && <div><div className="small muted">{text.t("downtime.unobserved")}</div><div style={{ fontSize: 24, fontWeight: 680 }}>{duration(Math.round(data.unobserved_s), text.language)}</div></div>}
            </div>
            {data.by_reason.map((one) => (
              <div key={one.reason_code ?? "-"} className="row small" style={{ gap: 12, padding: "3px 0" }}>
                <span style={{ width: 150 }} className="clamp1">{reasonName(one.reason_code, props.words, text) || text.t("downtime.no_reason")}</span>
                <span className="bar grow"><i style={{ width: `${(one.seconds / Math.max(1, data.down_s)) * 100}%`, background: "#c98a1b" }} /></span>
                <span className="num nowrap" style={{ width: 90, textAlign: "right" }}>{duration(Math.round(one.seconds), text.language)}</span>
              </div>
            ))}
            {data.spans.slice(0, 20).map((span) => (
              <div key={span.from} className="row wrap line small" style={{ gap: "2px 14px" }}>
                <span>{text.moment(span.from)} – {span.to ? text.moment(span.to) : text.t("positions.now")}</span><span className="muted">{text.lasted(span.from, span.to)}</span>
                <span className="grow" /><span className="muted">{span.sources.map((source) => source.number ?? text.code("downtime.source", source.kind)).join(", ")}</span>
              </div>
            ))}
            {data.down_s === 0 && <div className="small muted">{text.t("downtime.none")}</div>}
            <div className="tiny muted" style={{ marginTop: 10 }}>{text.t("downtime.formula")}</div>
          </>
        )}
      </Loaded>
    </CardBlock>
  );
}

export type Stay = { site: { id: string; name: string } | null; person: { id: string; name: string } | null; place: string | null; reason: string | null; by: { name: string } | string | null; valid_from: string; valid_to: string | null };

function Where(props: { asset: AssetLife; me: Me }) {
  const { asset, me } = props;
  const text = useText();
  const moves = useList<Stay>(`/assets/${asset.id}/moves`);
  const reason: Field = { name: "reason", label: "order.reason", kind: "area", most: 500 };
  return (
    <CardBlock title={text.t("stage.where")}>
      <Facts rows={[[text.t("col.site"), asset.site?.name ?? "–"], [text.t("col.customer"), asset.customer?.name ?? "–"], [text.t("col.coordinates"), asset.latitude_deg != null && asset.longitude_deg != null ? <span className="mono">{asset.latitude_deg.toFixed(5)}, {asset.longitude_deg.toFixed(5)}</span> : "–"]]} />
      {(may(me, "asset.move") || may(me, "asset.transfer")) && (
        <div className="row wrap" style={{ margin: "12px 0" }}>
          {may(me, "asset.move") && <FormButton small icon={MapPinned} label={text.t("stage.move")} form={{ path: `/assets/${asset.id}/moves`, fields: [{ name: "site_id", label: "col.site", kind: "pick", of: SITES }, { name: "person_id", label: "stage.custodian", kind: "pick", of: PEOPLE }, { name: "place", label: "col.place", example: "3F / B-12" }, reason, { name: "at", label: "col.at", kind: "moment" }], initial: { at: localMoment(Date.now()) }, done: "stage.noted" }} />}
          {may(me, "asset.move") && <FormButton small icon={LocateFixed} label={text.t("stage.locate")} form={{ path: `/assets/${asset.id}/location`, method: "PUT", fields: [{ name: "latitude_deg", label: "col.latitude", kind: "number", min: -90, max: 90, decimals: 6, required: true, half: true }, { name: "longitude_deg", label: "col.longitude", kind: "number", min: -180, max: 180, decimals: 6, required: true, half: true }], initial: { latitude_deg: asset.latitude_deg ?? undefined, longitude_deg: asset.longitude_deg ?? undefined }, done: "stage.noted" }} />}
          {may(me, "asset.transfer") && <FormButton small icon={ArrowRightLeft} label={text.t("stage.transfer")} form={{ path: `/assets/${asset.id}/transfer`, fields: [{ name: "customer_id", label: "stage.new_owner", kind: "pick", of: CUSTOMERS, required: true }, { ...reason, required: true }], note: text.t("stage.transfer_note"), done: "stage.noted" }} />}
        </div>
      )}
      {(moves.data?.items ?? []).slice(0, 20).map((stay) => (
        <div key={stay.valid_from} className="line small">
          <div className="row" style={{ gap: 8 }}>{stay.person ? <UserRoundCog size={14} className="faint" aria-hidden /> : <MapPinned size={14} className="faint" aria-hidden />}<span className="break" style={{ fontWeight: 560 }}>{[stay.site?.name, stay.place, stay.person?.name].filter(Boolean).join(" · ") || "–"}</span></div>
          <div className="tiny muted">{text.day(stay.valid_from)} – {stay.valid_to ? text.day(stay.valid_to) : text.t("positions.now")}{stay.reason && ` · ${stay.reason}`}</div>
        </div>
      ))}
    </CardBlock>
  );
}
