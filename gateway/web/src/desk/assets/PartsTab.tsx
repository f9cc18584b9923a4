/** What is built in: the tree by serial at any day, parts put in and taken out, and what the machine itself is a part of. */
import { TextInput } from "@mantine/core";
import { CornerDownRight, Network, PackagePlus } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext } from "react-router";

import { query } from "../../api/client";
import { may, useOne } from "../../api/rows";
import type { AssetDetail, Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { localMoment, type Field } from "../../ui/Form";
import { CardBlock } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import { ASSETS } from "./look";

export type Ref = { id: string; name: string; serial: string };
export type Built = { id: string; depth: number; asset: Ref; child: Ref | null; place: string | null; item_number: string | null; serial: string | null; lot: string | null; name: string | null; quantity: number; valid_from: string; valid_to: string | null };
export type AsInstalled = { at: string; items: Built[] };
export type Tree = { asset: Ref; above: Ref[]; parts: Ref[] };

export function PartsTab(props: { asset: AssetDetail }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const [day, setDay] = useState("");
  const { id } = props.asset;
  const built = useOne<AsInstalled>(`/assets/${id}/as-installed${query({ at: day ? new Date(`${day}T23:59:59`).toISOString() : undefined })}`);
  const manage = may(me, "asset.manage");
  return (
    <div className="two">
      <div>
        <CardBlock title={text.t("built.title")} right={<span className="row wrap">
          <TextInput size="xs" type="date" aria-label={text.t("built.on")} value={day} onChange={(event) => setDay(event.currentTarget.value)} />
          {manage && <FormButton small primary icon={PackagePlus} label={text.t("built.put_in")} form={{ path: `/assets/${id}/components`, fields: putIn(), initial: { quantity: 1, at: localMoment(Date.now()) }, done: "built.put_in_done" }} />}
        </span>}>
          <Loaded of={built} skeleton={<Bones rows={4} />}>
            {(data) => data.items.length === 0 ? <Empty bare icon={Network} sentence={text.t("built.empty")} example={text.t("built.example")} /> : <>{data.items.map((one) => <Row key={one.id} one={one} manage={manage && !one.valid_to && one.depth <= 1} />)}</>}
          </Loaded>
        </CardBlock>
      </div>
      <div><Around asset={props.asset} manage={manage} /></div>
    </div>
  );
}

const putIn = (): Field[] => [
  { name: "asset_id", label: "built.machine", hint: "built.machine_hint", kind: "pick", of: ASSETS },
  { name: "item_number", label: "built.item_number", half: true, most: 100, show: (values) => !values.asset_id },
  { name: "serial", label: "col.serial", half: true, most: 120, show: (values) => !values.asset_id },
  { name: "lot", label: "col.lot", half: true, most: 100, show: (values) => !values.asset_id },
  { name: "quantity", label: "col.quantity", kind: "number", min: 0, half: true, show: (values) => !values.asset_id },
  { name: "name", label: "col.name", show: (values) => !values.asset_id },
  { name: "place", label: "col.place", half: true, most: 100 },
  { name: "at", label: "col.at", kind: "moment", half: true },
];

function Row(props: { one: Built; manage: boolean }) {
  const text = useText();
  const { one } = props;
  const label = one.child?.name ?? one.name ?? one.item_number ?? one.serial ?? "–";
  return (
    <div className="row wrap line small" style={{ paddingLeft: Math.max(0, one.depth - 1) * 20, gap: "2px 12px" }}>
      <span className="row grow" style={{ flexBasis: 200, gap: 6 }}>
        {one.depth > 1 && <CornerDownRight size={14} className="faint" style={{ flex: "none" }} aria-hidden />}
        <span className="break">{one.child ? <Link className="link" to={`/assets/${one.child.id}`}>{label}</Link> : <b style={{ fontWeight: 580 }}>{label}</b>}{one.place && <span className="muted"> · {one.place}</span>}</span>
      </span>
      <span className="mono break">{[one.item_number !== label ? one.item_number : null, one.serial, one.lot].filter(Boolean).join(" · ")}</span>
      {one.quantity !== 1 && <span className="num">× {text.number(one.quantity)}</span>}
      <span className="muted nowrap">{text.day(one.valid_from)}{one.valid_to && ` – ${text.day(one.valid_to)}`}</span>
      {props.manage && <FormButton small label={text.t("built.take_out")} form={{ path: `/components/${one.id}/removal`, initial: { at: localMoment(Date.now()) }, fields: [{ name: "at", label: "col.at", kind: "moment" }, { name: "reason", label: "order.reason", kind: "area", required: true, most: 500 }], done: "built.taken_out" }} />}
    </div>
  );
}

/** Wholes and parts along the asset tree: alarms of the whole hold those of its parts back. */
function Around(props: { asset: AssetDetail; manage: boolean }) {
  const text = useText();
  const { id } = props.asset;
  const tree = useOne<Tree>(`/assets/${id}/tree`);
  const { data } = tree;
  const parent = data?.above[0];
  return (
    <CardBlock title={text.t("built.around")}>
      {data && data.above.length > 0 && <div className="small" style={{ marginBottom: 8 }}>{[...data.above].reverse().map((one, index) => <span key={one.id}>{index > 0 && " › "}<Link className="link break" to={`/assets/${one.id}`}>{one.name}</Link></span>)}</div>}
      {data && data.above.length === 0 && <div className="small muted" style={{ marginBottom: 8 }}>{text.t("built.stands_alone")}</div>}
      {props.manage && data && <FormButton small icon={Network} label={text.t("built.change_parent")} form={{ path: `/assets/${id}/parent`, method: "PUT", fields: [{ name: "parent_id", label: "assets.part_of", kind: "pick", of: ASSETS }], initial: { parent_id: parent ? { id: parent.id, label: `${parent.name} · ${parent.serial}` } : null }, note: text.t("built.parent_note") }} />}
      {data && data.parts.length > 0 && (
        <div style={{ marginTop: 12 }}>
          <div className="label small">{text.t("built.parts", { count: data.parts.length })}</div>
          <div style={{ maxHeight: 340, overflowY: "auto" }}>{data.parts.map((part) => <div key={part.id} className="line small"><Link className="link break" to={`/assets/${part.id}`}>{part.name}</Link> <span className="mono muted">{part.serial}</span></div>)}</div>
        </div>
      )}
    </CardBlock>
  );
}
