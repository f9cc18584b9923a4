/** What is covered until when, machine by machine; and the cards and registrations behind it. */
import { Button } from "@mantine/core";
import { BadgeCheck, FileDown, ShieldCheck, Inbox } from "lucide-react";
import { Link, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { ListPage } from "../../ui/ListPage";
import { Ago } from "../../ui/parts";
import { CUSTOMERS } from "../assets/look";
import { CoverChip } from "./look";
import type { AssetRef, Card, Named } from "./types";
import { WarrantyTabs } from "./WarrantyTabs";

export type Row = { id: string; asset: AssetRef; card: Named; card_state: string; state: string; starts_on: string | null; ends_on: string | null; customer: Named | null };
const SOON_DAYS = 60;

export const coverState = (starts: string | null, ends: string | null, now = Date.now()): string => {
  if (starts && new Date(starts).getTime() > now) return "not_begun";
  if (!ends) return "running";
  const left = (new Date(`${ends}T23:59:59`).getTime() - now) / 86_400_000;
  return left < 0 ? "ended" : left < SOON_DAYS ? "ending" : "running";
};

export function WarrantiesPage() {
  const text = useText();
  return (
    <ListPage<Row>
      title={text.t("nav.warranties")}
      sub={text.t("warranty.sub")}
      tabs={<WarrantyTabs />}
      path="/warranties"
      search="assets.search"
      exports="warranties"
      filters={[{ name: "state", label: "col.state", options: ["running", "ending", "ended"].map((word) => ({ value: word, label: text.code("cover_state", word) })) }]}
      columns={[
        { label: "col.asset", cell: (row) => <>{row.asset.name} <span className="mono small muted">{row.asset.serial}</span></> },
        { label: "col.customer", cell: (row) => row.customer?.name ?? <span className="faint">–</span> },
        { label: "warranty.card", cell: (row) => <span className="mono">{row.card.name}</span>, phone: "hide" },
        { label: "col.from", cell: (row) => text.day(row.starts_on), phone: "hide" },
        { label: "col.to", cell: (row) => text.day(row.ends_on), phone: "named" },
        { label: "col.state", cell: (row) => <CoverChip state={coverState(row.starts_on, row.ends_on)} />, phone: "side" },
      ]}
      to={(row) => `/assets/${row.asset.id}/warranty`}
      empty={{ icon: ShieldCheck, sentence: "warranty.empty", example: "warranty.example" }}
    />
  );
}

export function CardsPage() {
  const text = useText();
  return (
    <ListPage<Card>
      title={text.t("warranty.tab.cards")}
      sub={text.t("warranty.cards_sub")}
      tabs={<WarrantyTabs />}
      path="/warranty-cards"
      search="warranty.cards_search"
      exports="warranty-cards"
      filters={[{ name: "customer_id", label: "col.customer", of: CUSTOMERS }, { name: "state", label: "col.state", options: ["issued", "confirmed", "revoked"].map((word) => ({ value: word, label: text.code("cover_state", word) })) }]}
      columns={[
        { label: "warranty.card", cell: (card) => <span className="mono">{card.number}</span> },
        { label: "col.asset", cell: (card) => card.asset.name },
        { label: "col.customer", cell: (card) => card.customer?.name ?? <span className="faint">–</span> },
        { label: "fact.purchased_on", phone: "hide", cell: (card) => text.day(card.purchased_on) },
        { label: "col.to", phone: "named", cell: (card) => text.day(card.ends_on) },
        { label: "col.state", phone: "side", cell: (card) => <CoverChip state={card.state} /> },
        { label: "col.act", cell: (card) => <span className="row wrap"><CardFile card={card} /><Moves card={card} /></span> },
      ]}
      to={(card) => `/assets/${card.asset.id}/warranty`}
      empty={{ icon: BadgeCheck, sentence: "warranty.no_cards", example: "warranty.no_cards_example" }}
    />
  );
}

/** The card to print or to send on. */
export function CardFile(props: { card: Card }) {
  const text = useText();
  if (props.card.state === "revoked") return null;
  return <Button size="compact-sm" variant="default" leftSection={<FileDown size={14} />} component="a" href={`/api/v1/warranty-cards/${props.card.id}/file?language=${text.language}`} download>{text.t("warranty.card_file")}</Button>;
}

export function Moves(props: { card: Card }) {
  const text = useText();
  return (
    <span className="row wrap">
      {props.card.legal.map((to) => <FormButton key={to} small danger={to === "revoked"} label={text.code("warranty.to", to)} form={{ path: `/warranty-cards/${props.card.id}/transitions`, version: props.card.version, now: `/warranty-cards/${props.card.id}`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: to === "revoked", most: 500 }], body: (values) => ({ to, reason: values.reason || null }) }} />)}
    </span>
  );
}

export type Registration = { id: string; asset: AssetRef; name: string; phone: string | null; email: string | null; customer: Named | null; purchased_on: string | null; proof: string | null; state: string; reason: string | null; created_at: string; legal: string[] };

export function RegistrationsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  return (
    <ListPage<Registration>
      title={text.t("warranty.tab.registrations")}
      sub={text.t("warranty.registrations_sub")}
      tabs={<WarrantyTabs />}
      path="/warranty-registrations"
      asked={{ state: "review" }}
      columns={[
        { label: "col.asset", cell: (row) => <Link className="link" to={`/assets/${row.asset.id}/warranty`}>{row.asset.name}</Link> },
        { label: "col.serial", cell: (row) => <span className="mono">{row.asset.serial}</span> },
        { label: "col.customer", cell: (row) => [row.customer?.name ?? row.name, row.phone, row.email].filter(Boolean).join(" · ") },
        { label: "fact.purchased_on", phone: "named", cell: (row) => text.day(row.purchased_on) },
        { label: "warranty.proof", cell: (row) => row.proof ?? <span className="faint">–</span> },
        { label: "col.at", phone: "hide", cell: (row) => <Ago at={row.created_at} /> },
        { label: "col.act", cell: (row) => may(me, "warranty.manage") && (
          <span className="row wrap">{[true, false].map((accept) => <FormButton key={String(accept)} small primary={accept} danger={!accept} label={text.t(accept ? "warranty.accept" : "warranty.refuse")} form={{ path: `/warranty-registrations/${row.id}/decision`, fields: [{ name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }], body: (values) => ({ accept, reason: values.reason }) }} />)}</span>
        ) },
      ]}
      empty={{ icon: Inbox, sentence: "warranty.no_registrations", example: "warranty.no_registrations_example" }}
    />
  );
}
