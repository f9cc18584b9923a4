/** Sites: where machines stand, with place, time zone, calendar and floor plan. */
import { MapPin, Plus } from "lucide-react";
import { useNavigate, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import type { Field } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { CUSTOMERS } from "../assets/look";
import { RegistryTabs } from "./RegistryTabs";

export type Site = { id: string; name: string; address: string | null; time_zone: string; region: string | null; latitude_deg: number | null; longitude_deg: number | null; customer_id: string | null; calendar_id: string | null; floor_plan_document_id: string | null; version: number };

const zones = (): { value: string; label: string }[] => Intl.supportedValuesOf("timeZone").map((zone) => ({ value: zone, label: zone.replaceAll("_", " ") }));

export const siteFields = (): Field[] => [
  { name: "name", label: "col.name", required: true },
  { name: "address", label: "col.address", kind: "area", most: 500 },
  { name: "customer_id", label: "col.customer", kind: "pick", of: CUSTOMERS, half: true },
  { name: "time_zone", label: "col.time_zone", kind: "select", required: true, half: true, options: zones() },
  { name: "region", label: "sites.region", hint: "sites.region_hint", example: "CN-31", most: 20 },
  { name: "latitude_deg", label: "col.latitude", kind: "number", min: -90, max: 90, decimals: 6, half: true },
  { name: "longitude_deg", label: "col.longitude", kind: "number", min: -180, max: 180, decimals: 6, half: true },
  { name: "calendar_id", label: "col.calendar", kind: "pick", of: { path: "/calendars", local: true }, half: true },
];

export function SitesPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "asset.manage") ? <FormButton primary icon={Plus} label={text.t("sites.add")} form={{ path: "/sites", fields: siteFields(), initial: { time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone }, after: (made: { id: string }) => void navigate(`/sites/${made.id}`) }} /> : undefined;
  return (
    <ListPage<Site>
      title={text.t("nav.sites")}
      sub={text.t("sites.sub")}
      tabs={<RegistryTabs />}
      path="/sites"
      search="sites.search"
      exports="sites"
      filters={[{ name: "customer_id", label: "col.customer", of: CUSTOMERS }]}
      columns={[
        { label: "col.name", sort: "name", cell: (row) => row.name },
        { label: "col.address", sort: "address", cell: (row) => row.address ?? <span className="faint">–</span> },
        { label: "col.time_zone", sort: "time_zone", cell: (row) => row.time_zone?.replaceAll("_", " ") ?? "–", phone: "hide" },
      ]}
      to={(row) => `/sites/${row.id}`}
      right={add}
      empty={{ icon: MapPin, sentence: "sites.empty", example: "sites.example", action: add }}
    />
  );
}
