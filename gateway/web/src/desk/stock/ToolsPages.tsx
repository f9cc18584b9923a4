/** Tools: who has them, since when, until when they are calibrated, and the hours they worked. */
import { Clock3, HandHelping, Plus, Wrench } from "lucide-react";
import { useNavigate, useOutletContext, useParams } from "react-router";

import { may, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { CardBlock, Facts, PageHead, useTitle } from "../../ui/parts";
import { Table } from "../../ui/Rows";
import { Bones, Loaded } from "../../ui/states";
import { PEOPLE } from "../assets/look";
import { money, Order, ORDERS, partName, Place, PLACES, ToolTabs, type OrderRef, type PlaceRef, type Ref } from "./common";

export type Tool = { id: string; number: string; name_en: string; name_zh: string; serial: string | null; hourly_rate: number | null; currency: string | null; custodian: Ref | null; location: PlaceRef | null; calibration_due_on: string | null; state: string; legal?: string[]; version?: number };
export type Custody = { custodian: Ref | null; location: PlaceRef | null; at: string; by: Ref | null; note: string | null };
export type Used = { id: string; hours: number; occurred_at: string; work_order: OrderRef | null; amount: number | null; currency: string | null };

function Due(props: { on: string | null }) {
  const text = useText();
  if (!props.on) return <span className="faint">–</span>;
  const late = new Date(`${props.on}T23:59:59`).getTime() < Date.now();
  return late ? <Chip tone="trouble" small>{text.t("tools.overdue", { day: text.day(props.on) })}</Chip> : <>{text.day(props.on)}</>;
}

export function ToolsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "stock.manage") ? <FormButton primary icon={Plus} label={text.t("tools.add")} form={{ path: "/tools", fields: [
    { name: "number", label: "col.number", required: true, half: true, most: 60 }, { name: "serial", label: "col.serial", required: true, half: true },
    { name: "name_en", label: "col.name_en", required: true, half: true }, { name: "name_zh", label: "col.name_zh", required: true, half: true },
    { name: "hourly_rate", label: "tools.rate", kind: "number", min: 0, decimals: 2, half: true }, { name: "currency", label: "col.currency", half: true, most: 3 },
    { name: "location_id", label: "col.location", kind: "pick", of: PLACES, required: true, half: true }, { name: "calibration_due_on", label: "tools.calibration", kind: "date", half: true },
  ], after: (made: { id: string }) => void navigate(`/tools/${made.id}`) }} /> : undefined;
  return (
    <ListPage<Tool>
      title={text.t("nav.tools")}
      sub={text.t("tools.sub")}
      tabs={<ToolTabs />}
      path="/tools"
      search="tools.search"
      exports="tools"
      columns={[
        { label: "col.name", cell: (row) => <>{partName(row, text)} <span className="mono small muted">{row.number}</span></> },
        { label: "col.serial", cell: (row) => <span className="mono">{row.serial ?? "–"}</span> },
        { label: "tools.custodian", cell: (row) => row.custodian?.name ?? <Place place={row.location} /> },
        { label: "tools.calibration", phone: "named", cell: (row) => <Due on={row.calibration_due_on} /> },
        { label: "tools.rate", num: true, phone: "hide", cell: (row) => money(row.hourly_rate, row.currency, text) },
        { label: "col.state", phone: "side", cell: (row) => <Chip tone={row.state === "available" ? "ok" : row.state === "in_custody" ? "learning" : "quiet"} small>{text.code("tool_state", row.state)}</Chip> },
      ]}
      to={(row) => `/tools/${row.id}`}
      right={add}
      empty={{ icon: Wrench, sentence: "tools.empty", example: "tools.example", action: add }}
    />
  );
}

export function ToolPage() {
  const { id = "" } = useParams();
  const text = useText();
  const me = useOutletContext<Me>();
  const tool = useOne<Tool & { custody: Custody[]; hours: Used[] }>(`/tools/${id}`);
  useTitle(tool.data?.number);
  const use = may(me, "stock.use") || may(me, "stock.manage");
  return (
    <Loaded of={tool} skeleton={<Bones rows={8} />}>
      {(data) => (
        <>
          <PageHead back={{ to: "/tools", label: text.t("nav.tools") }} title={partName(data, text)} sub={<span className="mono">{[data.number, data.serial].filter(Boolean).join(" · ")}</span>} right={use && <>
            <FormButton icon={Clock3} label={text.t("tools.book_hours")} form={{ path: `/tools/${data.id}/hours`, fields: [{ name: "hours", label: "tools.hours", kind: "number", min: 0, required: true, decimals: 2, suffix: "h" }, { name: "work_order_id", label: "col.order", kind: "pick", of: ORDERS, required: true }] }} />
            <FormButton primary icon={HandHelping} label={text.t("tools.hand_over")} form={{ path: `/tools/${data.id}/custody`, note: text.t("tools.hand_note"), fields: [{ name: "person_id", label: "col.person", kind: "pick", of: PEOPLE, show: (values) => !values.location_id }, { name: "location_id", label: "col.location", kind: "pick", of: PLACES, show: (values) => !values.person_id }, { name: "note", label: "finish.note", kind: "area", most: 500 }] }} />
          </>} />
          <div className="two">
            <div>
              <CardBlock title={text.t("tools.history")} flush><Table plain rows={data.custody.map((one, index) => ({ ...one, id: String(index) }))} columns={[
                { label: "tools.custodian", cell: (one) => one.custodian?.name ?? <Place place={one.location} /> },
                { label: "col.from", phone: "named", cell: (one) => text.moment(one.at) },
                { label: "col.by", phone: "named", cell: (one) => one.by?.name ?? "" },
                { label: "finish.note", cell: (one) => one.note ?? "" },
              ]} /></CardBlock>
              {data.hours.length > 0 && <CardBlock title={text.t("tools.hours")} flush><Table plain rows={data.hours} columns={[
                { label: "col.at", cell: (one) => text.moment(one.occurred_at) },
                { label: "col.order", cell: (one) => <Order order={one.work_order} /> },
                { label: "tools.hours", num: true, phone: "side", cell: (one) => `${text.number(one.hours, 2)} h` },
                { label: "purchase.value", num: true, phone: "named", cell: (one) => money(one.amount, one.currency ?? data.currency, text) },
              ]} /></CardBlock>}
            </div>
            <div><CardBlock title={text.t("asset.about")}><Facts rows={[[text.t("tools.custodian"), data.custodian?.name ?? <Place place={data.location} />], [text.t("tools.calibration"), <Due on={data.calibration_due_on} />], [text.t("tools.rate"), money(data.hourly_rate, data.currency, text)]]} /></CardBlock></div>
          </div>
        </>
      )}
    </Loaded>
  );
}
