/** One site: its machines, its floor plan with them on it, and the way there. */
import { Select } from "@mantine/core";
import { Image, Navigation, Pencil, Trash2 } from "lucide-react";
import { useState, type MouseEvent } from "react";
import { Link, useNavigate, useOutletContext, useParams } from "react-router";

import { may, useList, useOne, useRows, useSend } from "../../api/rows";
import type { AssetCard, AssetState, Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { STATE_LOOK, StateChip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Rows } from "../../ui/Rows";
import { Bones, Loaded } from "../../ui/states";
import { TONES } from "../../ui/theme";
import { navigation } from "../../ui/navigation";
import { siteFields, type Site } from "./SitesPage";

export type Spot = { id: string; name: string; serial: string; plan_x: number | null; plan_y: number | null; state?: AssetState; site_id: string | null };

export function SitePage() {
  const { id = "" } = useParams();
  const site = useOne<Site>(`/sites/${id}`);
  useTitle(site.data?.name);
  return <Loaded of={site} skeleton={<Bones rows={8} />}>{(data) => <One site={data} />}</Loaded>;
}

function One(props: { site: Site }) {
  const { site } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const manage = may(me, "asset.manage");
  const assets = useRows<AssetCard>("/assets", { site_id: site.id });
  const customer = useOne<{ name: string }>(`/customers/${site.customer_id}`, !!site.customer_id);
  const placed = site.latitude_deg !== null && site.longitude_deg !== null;
  return (
    <>
      <PageHead
        back={{ to: "/sites", label: text.t("nav.sites") }}
        title={site.name}
        sub={site.address}
        right={<>
          {placed && <NavigateMenu site={site} />}
          {manage && <FormButton icon={Pencil} label={text.t("action.edit")} form={{ title: site.name, submit: text.t("action.save"), path: `/sites/${site.id}`, method: "PATCH", version: site.version, fields: siteFields(), initial: { ...site, customer_id: site.customer_id ? { id: site.customer_id, label: customer.data?.name ?? "…" } : null, calendar_id: site.calendar_id ? { id: site.calendar_id, label: "…" } : null }, done: "form.saved" }} />}
          {manage && <ActButton danger icon={Trash2} label={text.t("action.delete")} path={`/sites/${site.id}`} method="DELETE" after={() => void navigate("/sites")} />}
        </>}
      />
      <div className="two">
        <div>
          <Plan site={site} manage={manage} />
          <CardBlock title={text.t("nav.assets")} flush>
            <Rows of={assets} plain columns={[
              { label: "col.name", cell: (row) => row.name },
              { label: "col.serial", cell: (row) => <span className="mono">{row.serial}</span> },
              { label: "col.state", cell: (row) => <StateChip state={row.state} small />, phone: "side" },
            ]} to={(row) => `/assets/${row.id}`} empty={<div className="small muted inset" style={{ paddingBottom: 16 }}>{text.t("sites.no_assets")}</div>} />
          </CardBlock>
        </div>
        <div>
          <CardBlock title={text.t("asset.about")}>
            <Facts rows={[
              [text.t("col.customer"), site.customer_id ? <Link className="link" to={`/customers/${site.customer_id}`}>{customer.data?.name ?? "…"}</Link> : "–"],
              [text.t("col.time_zone"), site.time_zone.replaceAll("_", " ")],
              [text.t("sites.region"), site.region],
              [text.t("col.coordinates"), placed ? <span className="mono">{site.latitude_deg!.toFixed(5)}, {site.longitude_deg!.toFixed(5)}</span> : "–"],
            ]} />
          </CardBlock>
        </div>
      </div>
    </>
  );
}

function NavigateMenu(props: { site: Site }) {
  const text = useText();
  const links = navigation(props.site.latitude_deg!, props.site.longitude_deg!, props.site.name);
  return <Select placeholder={text.t("sites.navigate")} aria-label={text.t("sites.navigate")} leftSection={<Navigation size={15} />} value={null} style={{ width: 170 }} data={links.map((link) => ({ value: link.href, label: text.t(`sites.via.${link.name}`) }))} onChange={(href) => href && window.open(href, "_blank", "noopener")} />;
}

/** The floor plan is an image among the site's documents; machines are put on it by a click. */
function Plan(props: { site: Site; manage: boolean }) {
  const { site } = props;
  const text = useText();
  const spots = useList<Spot>("/assets/map", { site_id: site.id }, !!site.floor_plan_document_id);
  const here = useRows<AssetCard>("/assets", { site_id: site.id });
  const [placing, setPlacing] = useState<string | null>(null);
  const send = useSend();
  if (!site.floor_plan_document_id)
    return props.manage ? (
      <CardBlock title={text.t("sites.plan")}>
        <div className="row wrap small muted" style={{ gap: 12 }}><span className="grow">{text.t("sites.no_plan")}</span><FormButton small icon={Image} label={text.t("sites.choose_plan")} form={{ path: `/sites/${site.id}`, method: "PATCH", version: site.version, fields: [{ name: "floor_plan_document_id", label: "sites.plan_document", kind: "pick", of: { path: "/documents", asked: { kind: "drawing" }, label: (row) => row.title }, required: true }] }} /></div>
      </CardBlock>
    ) : null;
  const put = (event: MouseEvent<HTMLDivElement>) => {
    if (!placing) return;
    const box = event.currentTarget.getBoundingClientRect();
    const share = (value: number) => Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000;
    send.mutate({ path: `/assets/${placing}`, method: "PATCH", body: { plan_x: share((event.clientX - box.left) / box.width), plan_y: share((event.clientY - box.top) / box.height) } }, { onError: (error) => say(problemText(error, text), "bad") });
    setPlacing(null);
  };
  return (
    <CardBlock title={text.t("sites.plan")} right={props.manage && <Select size="xs" searchable clearable placeholder={text.t("sites.place_machine")} value={placing} onChange={setPlacing} data={(here.data?.pages.flatMap((page) => page.items) ?? []).map((one) => ({ value: one.id, label: one.name }))} style={{ width: 220 }} />}>
      {placing && <div className="small" style={{ marginBottom: 8 }}>{text.t("sites.click_plan")}</div>}
      <div style={{ position: "relative", cursor: placing ? "crosshair" : undefined }} onClick={put}>
        <img src={`/api/v1/documents/${site.floor_plan_document_id}/file`} alt={text.t("sites.plan")} style={{ width: "100%", display: "block", borderRadius: 8, border: "1px solid var(--line)" }} />
        {(spots.data?.items ?? []).filter((spot) => spot.plan_x !== null && spot.plan_y !== null).map((spot) => {
          const tone = TONES[STATE_LOOK[spot.state ?? "no_data"].tone];
          return <Link key={spot.id} to={`/assets/${spot.id}`} className="pin" title={`${spot.name} · ${spot.serial}`} style={{ left: `${spot.plan_x! * 100}%`, top: `${spot.plan_y! * 100}%`, background: tone.ink }}><span>{spot.name}</span></Link>;
        })}
      </div>
    </CardBlock>
  );
}
