/** Territories: areas on the map, regions and sites, and which teams and people cover them. */
import { Button, Modal, MultiSelect, NumberInput, TagsInput, Textarea, TextInput } from "@mantine/core";
import { MapPinned, Plus, Trash2, Undo2 } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { ApiError } from "../../api/client";
import { may, useList, useOne, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { problemText } from "../../ui/Form";
import { PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import type { Tiles } from "../assets/mapTiles";
import { PeopleTabs } from "./PeopleTabs";
import { colourOf, rings, TerritoryMap, type Drawn, type Place, type Polygon } from "./TerritoryMap";

type Territory = Schema["TerritoryItem"];
type Named = { id: string; name: string };

const drawn = (one: Territory): Drawn => ({ id: one.id, name: one.name, polygon: one.polygon as Polygon, colour: one.colour });

export function TerritoriesPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const found = useList<Territory>("/territories");
  const settings = useOne<{ tiles: Tiles | null }>("/map-settings");
  const [open, setOpen] = useState<Territory | "new" | null>(null);
  const manage = may(me, "territory.manage");
  const tiles = settings.data?.tiles ?? null;
  useTitle(text.t("people.tab.territories"));
  const add = manage ? <Button leftSection={<Plus size={16} />} onClick={() => setOpen("new")}>{text.t("territories.add")}</Button> : undefined;
  return (
    <>
      <PageHead title={text.t("people.tab.territories")} sub={text.t("territories.sub")} right={add} />
      <PeopleTabs />
      <Loaded of={found} skeleton={<Bones rows={8} height={40} />}>
        {(page) => page.items.length === 0 ? <Empty icon={MapPinned} sentence={text.t("territories.empty")} example={text.t("territories.example")} action={add} /> : (
          <div className="stack" style={{ gap: 14 }}>
            <TerritoryMap territories={page.items.map(drawn)} tiles={tiles} />
            <Table rows={page.items} pick={manage ? setOpen : undefined} columns={[
              { label: "col.name", cell: (row) => <span className="row" style={{ gap: 8 }}><span aria-hidden style={{ width: 12, height: 12, borderRadius: 3, flex: "none", background: colourOf(drawn(row), page.items.indexOf(row)) }} /><span className="break" style={{ fontWeight: 600 }}>{row.name}</span></span> },
              { label: "territories.size", num: true, phone: "named", cell: (row) => row.area_km2 === null ? "–" : `${text.number(row.area_km2, 0)} km²` },
              { label: "territories.also", phone: "named", cell: (row) => <span className="small break">{[...row.regions, ...(row.sites.length ? [text.t("territories.sites_count", { count: row.sites.length })] : [])].join(", ") || "–"}</span> },
              { label: "territories.service_types", phone: "hide", cell: (row) => row.service_types.join(", ") || text.t("territories.all_types") },
              { label: "territories.covered_by", phone: "named", cell: (row) => <span className="small break">{[...row.teams, ...row.people].map((one) => one.name).join(", ") || <span className="faint">{text.t("territories.nobody")}</span>}</span> },
              { label: "territories.rank", num: true, phone: "hide", cell: (row) => row.rank },
            ]} />
          </div>
        )}
      </Loaded>
      {open && <Editor territory={open === "new" ? null : open} others={(found.data?.items ?? []).filter((one) => open === "new" || one.id !== open.id)} tiles={tiles} close={() => setOpen(null)} />}
    </>
  );
}

function Editor(props: { territory: Territory | null; others: Territory[]; tiles: Tiles | null; close: () => void }) {
  const text = useText();
  const { territory } = props;
  const simple = territory?.polygon?.type !== "MultiPolygon" && rings((territory?.polygon as Polygon) ?? null).length <= 1;
  const [name, setName] = useState(territory?.name ?? "");
  const [sketch, setSketch] = useState<Place[]>(() => (simple ? (rings((territory?.polygon as Polygon) ?? null)[0] ?? []).slice(0, -1) : []));
  const [pasted, setPasted] = useState(simple ? "" : JSON.stringify(territory?.polygon));
  const [regions, setRegions] = useState(territory?.regions ?? []);
  const [types, setTypes] = useState(territory?.service_types ?? []);
  const [rank, setRank] = useState(territory?.rank ?? 0);
  const [teams, setTeams] = useState((territory?.teams ?? []).map((one) => one.id));
  const [people, setPeople] = useState((territory?.people ?? []).map((one) => one.id));
  const [sites, setSites] = useState((territory?.sites ?? []).map((one) => one.id));
  const [unreadable, setUnreadable] = useState(false);
  const send = useSend();
  const polygon = (): unknown => (pasted.trim() ? JSON.parse(pasted) : sketch.length ? { type: "Polygon", coordinates: [[...sketch, sketch[0]!]] } : null);
  const save = () => {
    let area: unknown;
    try { area = polygon(); } catch { return setUnreadable(true); }
    setUnreadable(false);
    const body = { name: name.trim(), polygon: area, regions, service_types: types, rank, team_ids: teams, person_ids: people, site_ids: sites };
    send.mutate({ path: territory ? `/territories/${territory.id}` : "/territories", method: territory ? "PATCH" : "POST", version: territory?.version, body }, { onSuccess: props.close });
  };
  const params = send.error instanceof ApiError ? send.error.params : {};
  const wrong = typeof params.latitude_deg === "number" && typeof params.longitude_deg === "number" ? ([params.longitude_deg, params.latitude_deg] as Place) : null;
  return (
    <Modal opened onClose={props.close} title={territory?.name ?? text.t("territories.add")} size="xl" closeOnClickOutside={false}>
      <div className="stack" style={{ gap: 14 }}>
        <TextInput required label={text.t("col.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={200} data-autofocus />
        <div>
          <div className="row wrap" style={{ marginBottom: 6 }}><span className="small muted grow">{text.t("territories.draw")}</span><Button size="compact-xs" variant="default" leftSection={<Undo2 size={13} />} disabled={!sketch.length} onClick={() => setSketch(sketch.slice(0, -1))}>{text.t("territories.undo")}</Button><Button size="compact-xs" variant="default" leftSection={<Trash2 size={13} />} disabled={!sketch.length} onClick={() => setSketch([])}>{text.t("territories.clear")}</Button></div>
          <TerritoryMap territories={props.others.map(drawn)} sketch={sketch} add={(place) => { setPasted(""); setSketch((held) => [...held, [Number(place[0].toFixed(6)), Number(place[1].toFixed(6))]]); }} tiles={props.tiles} wrong={wrong} height={320} />
        </div>
        <Textarea label={text.t("territories.geojson")} description={text.t("territories.geojson_hint")} error={unreadable ? text.t("territories.unreadable") : undefined} value={pasted} onChange={(event) => setPasted(event.currentTarget.value)} autosize minRows={1} maxRows={5} />
        <div className="row wrap top" style={{ gap: 12 }}>
          <Choose path="/teams" label={text.t("people.tab.teams")} value={teams} change={setTeams} known={territory?.teams ?? []} />
          <Choose path="/technicians" label={text.t("people.tab.technicians")} value={people} change={setPeople} known={territory?.people ?? []} />
        </div>
        <div className="row wrap top" style={{ gap: 12 }}>
          <Choose path="/sites" label={text.t("nav.sites")} value={sites} change={setSites} known={territory?.sites ?? []} />
          <TagsInput className="grow" style={{ flexBasis: 220 }} label={text.t("territories.regions")} value={regions} onChange={setRegions} maxTags={200} />
        </div>
        <div className="row wrap top" style={{ gap: 12 }}>
          <TagsInput className="grow" style={{ flexBasis: 220 }} label={text.t("territories.service_types")} description={text.t("territories.types_hint")} value={types} onChange={setTypes} maxTags={200} />
          <NumberInput style={{ width: 140 }} label={text.t("territories.rank")} description={text.t("territories.rank_hint")} value={rank} onChange={(value) => setRank(Number(value) || 0)} min={0} max={1000} />
        </div>
        {send.error && <Notice tone="trouble">{wrong ? text.t("territories.crosses", { latitude: wrong[1].toFixed(5), longitude: wrong[0].toFixed(5) }) : problemText(send.error, text)}</Notice>}
        <div className="row wrap">
          <Button loading={send.isPending} disabled={!name.trim()} onClick={save}>{text.t("action.save")}</Button>
          {territory && <ActButton danger icon={Trash2} label={text.t("action.delete")} path={`/territories/${territory.id}`} method="DELETE" version={territory.version} after={props.close} />}
        </div>
      </div>
    </Modal>
  );
}

function Choose(props: { path: string; label: string; value: string[]; change: (ids: string[]) => void; known: Named[] }) {
  const [typed, setTyped] = useState("");
  const found = useList<Named>(props.path, { q: typed || undefined, limit: 50 });
  const rows = new Map([...props.known, ...(found.data?.items ?? [])].map((one) => [one.id, one.name]));
  return <MultiSelect className="grow" style={{ flexBasis: 220 }} label={props.label} searchable searchValue={typed} onSearchChange={setTyped} value={props.value} onChange={props.change} data={[...rows].map(([value, label]) => ({ value, label }))} maxDropdownHeight={220} />;
}
