/** One position: what stands there, who stood there before, what measures there; and the swap. */
import { ArrowLeftRight, Cable, LogOut, MapPin, Pencil } from "lucide-react";
import { Link, useOutletContext, useParams } from "react-router";

import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { localMoment } from "../../ui/Form";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Empty, Loaded } from "../../ui/states";
import { ASSETS } from "./look";
import type { PositionRow } from "./PositionsPage";

export type Stay = { asset_id: string; asset_name: string; asset_serial: string; valid_from: string; valid_to: string | null };
export type Channel = { device_id: string; device: string; channel: string; valid_from: string | null; valid_to: string | null };
export type Detail = PositionRow & { installations: Stay[]; channels: Channel[] };

export function PositionPage() {
  const { id = "" } = useParams();
  const text = useText();
  const position = useOne<Detail>(`/positions/${id}`);
  useTitle(position.data?.name);
  return <Loaded of={position} skeleton={<Bones rows={8} />}>{(data) => <Place position={data} text={text} />}</Loaded>;
}

function Place(props: { position: Detail; text: ReturnType<typeof useText> }) {
  const { position, text } = props;
  const me = useOutletContext<Me>();
  const now = position.installations.find((stay) => stay.valid_to === null);
  const manage = may(me, "asset.manage");
  const path = `/positions/${position.id}/install`;
  const at = { name: "at", label: "positions.at", kind: "moment" as const, hint: "positions.at_hint" };
  return (
    <>
      <PageHead
        back={{ to: "/positions", label: text.t("assets.tab.positions") }}
        title={position.name}
        sub={position.site?.name}
        marks={now ? <Chip tone="ok" small>{text.t("positions.taken")}</Chip> : <Chip tone="quiet" small>{text.t("positions.free")}</Chip>}
        right={manage && (
          <>
            <FormButton icon={Pencil} label={text.t("positions.rename")} form={{ path: `/positions/${position.id}`, method: "PATCH", fields: [{ name: "name", label: "col.name", required: true }], initial: { name: position.name }, done: "form.saved" }} />
            {now && <FormButton icon={LogOut} label={text.t("positions.take_out")} form={{ path, fields: [at], initial: { at: localMoment(Date.now()) }, body: (values) => ({ asset_id: null, at: values.at ? new Date(String(values.at)).toISOString() : undefined }), note: text.t("positions.take_out_note", { name: now.asset_name }) }} />}
            <FormButton primary icon={ArrowLeftRight} label={text.t(now ? "positions.swap" : "positions.install")} form={{ path, fields: [{ name: "asset_id", label: "positions.new_asset", kind: "pick", of: ASSETS, required: true }, at], initial: { at: localMoment(Date.now()) }, done: "positions.swapped", note: now ? text.t("positions.swap_note", { name: now.asset_name }) : undefined }} />
          </>
        )}
      />
      <div className="stack" style={{ gap: 16 }}>
        <CardBlock title={text.t("positions.history")} flush>
          {position.installations.length === 0 ? <Empty bare icon={MapPin} sentence={text.t("positions.never")} /> : (
            <Table
              plain
              rows={position.installations.map((stay) => ({ ...stay, id: `${stay.asset_id}${stay.valid_from}` }))}
              columns={[
                { label: "col.asset", cell: (stay) => <Link className="link break" to={`/assets/${stay.asset_id}`}>{stay.asset_name}</Link> },
                { label: "col.serial", cell: (stay) => <span className="mono">{stay.asset_serial}</span> },
                { label: "col.from", cell: (stay) => text.moment(stay.valid_from), phone: "named" },
                { label: "col.to", cell: (stay) => (stay.valid_to ? text.moment(stay.valid_to) : <Chip tone="ok" small>{text.t("positions.now")}</Chip>), phone: "named" },
                { label: "col.duration", cell: (stay) => text.lasted(stay.valid_from, stay.valid_to), phone: "hide" },
              ]}
            />
          )}
        </CardBlock>
        <CardBlock title={text.t("positions.channels")} right={manage && <FormButton small icon={Cable} label={text.t("positions.bind")} form={{ path: `/positions/${position.id}/channels`, fields: [{ name: "device_id", label: "asset.device", kind: "pick", required: true, of: { path: "/devices", local: true, label: (row) => row.serial } }, { name: "channel", label: "positions.channel", hint: "positions.channel_hint", most: 128 }, { name: "at", label: "positions.at", kind: "moment", hint: "positions.since_ever" }] }} />}>
          {position.channels.length === 0 ? <div className="small muted">{text.t("positions.no_channels")}</div> : position.channels.map((one) => (
            <div key={`${one.device_id}${one.channel}${one.valid_from}`} className="row wrap line small"><Link className="link mono" to={`/devices/${one.device_id}`}>{one.device}</Link>{one.channel && <span className="mono">{one.channel}</span>}<span className="grow" /><span className="muted">{one.valid_from ? text.moment(one.valid_from) : text.t("positions.ever")} – {one.valid_to ? text.moment(one.valid_to) : text.t("positions.now")}</span></div>
          ))}
        </CardBlock>
      </div>
    </>
  );
}
