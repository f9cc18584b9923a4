/** Places of the stock: warehouses with bins, vans, people, quarantine, repair shops. */
import { MapPinned, Pencil, Plus } from "lucide-react";
import { useOutletContext } from "react-router";

import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { Bones, Loaded } from "../../ui/states";
import { PEOPLE, SITES } from "../assets/look";
import { LOCATION_KINDS, OWN_KINDS, PLACES, StockTabs, type PlaceRef, type Ref } from "./common";

export type Location = PlaceRef & { parent: PlaceRef | null; person: Ref | null; supplied_from: PlaceRef | null; site_id: string | null; nettable: boolean; active: boolean; version: number };

export function LocationsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const manage = may(me, "stock.manage");
  const fields: Field[] = [
    { name: "code", label: "col.code", required: true, half: true, most: 60, example: "WH1-A-03" },
    { name: "name", label: "col.name", required: true, half: true },
    { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: OWN_KINDS.map((word) => ({ value: word, label: text.code("location_kind", word) })) },
    { name: "parent_id", label: "locations.inside", kind: "pick", of: PLACES, half: true },
    { name: "person_id", label: "locations.person", kind: "pick", of: PEOPLE, half: true, show: (values) => values.kind === "van" || values.kind === "person" },
    { name: "supplied_from_id", label: "locations.supplied_from", kind: "pick", of: PLACES, half: true },
    { name: "site_id", label: "col.site", kind: "pick", of: SITES, half: true },
  ];
  const add = manage ? <FormButton primary icon={Plus} label={text.t("locations.add")} form={{ path: "/stock-locations", fields, initial: { kind: "warehouse" } }} /> : undefined;
  const chosen = (place: { id: string; name: string; code?: string } | null) => place && { id: place.id, label: [place.code, place.name].filter(Boolean).join(" · ") };
  return (
    <ListPage<Location>
      title={text.t("stock.tab.locations")}
      sub={text.t("locations.sub")}
      tabs={<StockTabs />}
      path="/stock-locations"
      search="locations.search"
      exports="stock-locations"
      filters={[{ name: "kind", label: "col.kind", options: LOCATION_KINDS.map((word) => ({ value: word, label: text.code("location_kind", word) })) }]}
      columns={[
        { label: "col.code", cell: (row) => <span className="mono">{row.code}</span> },
        { label: "col.name", cell: (row) => row.name },
        { label: "col.kind", phone: "side", cell: (row) => <Chip tone="quiet" small>{text.code("location_kind", row.kind)}</Chip> },
        { label: "locations.inside", phone: "named", cell: (row) => row.parent?.code ?? "–" },
        { label: "locations.person", phone: "named", cell: (row) => row.person?.name ?? "–" },
        { label: "locations.supplied_from", phone: "hide", cell: (row) => row.supplied_from?.code ?? "–" },
        { label: "col.act", phone: "hide", cell: (row) => manage && OWN_KINDS.includes(row.kind) && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: row.code, submit: text.t("action.save"), path: `/stock-locations/${row.id}`, method: "PATCH", version: row.version, fields: [...fields.filter((field) => !["code", "kind"].includes(field.name)), { name: "active", label: "parts.active", kind: "switch" }], initial: { ...row, parent_id: chosen(row.parent), person_id: chosen(row.person), supplied_from_id: chosen(row.supplied_from) } }} /> },
      ]}
      to={(row) => `/stock?location_id=${row.id}&location_id.label=${encodeURIComponent(row.code)}`}
      right={add}
      empty={{ icon: MapPinned, sentence: "locations.empty", example: "locations.example", action: add }}
    />
  );
}

export type Settings = { mode: string; over_receipt_percent: number; old_part_days: number; currency: string; version?: number };

export function StockSettingsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const settings = useOne<Settings>("/stock-settings");
  useTitle(text.t("stock.tab.settings"));
  const fields: Field[] = [
    { name: "mode", label: "stock.mode", kind: "select", required: true, options: ["simple", "personal", "full"].map((word) => ({ value: word, label: text.code("stock_mode", word) })) },
    { name: "currency", label: "col.currency", required: true, most: 3, half: true },
    { name: "over_receipt_percent", label: "stock.over_receipt", kind: "number", min: 0, max: 100, required: true, half: true, suffix: "%" },
    { name: "old_part_days", label: "stock.old_part_days", kind: "integer", min: 1, max: 365, required: true, half: true },
  ];
  return (
    <>
      <PageHead title={text.t("stock.tab.settings")} sub={text.t("stock.settings_sub")} />
      <StockTabs />
      <Loaded of={settings} skeleton={<Bones rows={4} />}>
        {(data) => (
          <CardBlock title={text.code("stock_mode", data.mode)} right={may(me, "settings.manage") && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: text.t("stock.tab.settings"), submit: text.t("action.save"), path: "/stock-settings", method: "PUT", version: data.version, fields, initial: { ...data }, done: "form.saved" }} />}>
            <div className="small" style={{ marginBottom: 14, maxWidth: "70ch" }}>{text.code("stock_mode_hint", data.mode)}</div>
            <div className="row wrap small muted" style={{ gap: "6px 28px" }}><span>{text.t("col.currency")}: {data.currency}</span><span>{text.t("stock.over_receipt")}: {text.number(data.over_receipt_percent)}%</span><span>{text.t("stock.old_part_days")}: {data.old_part_days}</span></div>
          </CardBlock>
        )}
      </Loaded>
    </>
  );
}
