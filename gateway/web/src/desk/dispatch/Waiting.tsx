/** What nobody is planned for, each with its reason; dragged onto the board, or given to the best one. */
import { Button, Modal, Select } from "@mantine/core";
import { CalendarClock, CircleHelp, GripVertical, Inbox, Siren } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";

import { useOne, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { Chip, PriorityChip } from "../../ui/chips";
import { CardBlock } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import { AppointmentModal } from "../work/Appointment";
import { nameOf, sign, type Bench, type Waiting } from "./look";

const ROUGH = new Set(["not_planned", "not_tried"]);

export function WaitingList(props: { bench: Bench; editable: boolean; give: (order: Waiting, technician: string, start: string) => void }) {
  const text = useText();
  const [why, setWhy] = useState<Waiting | null>(null);
  const [promise, setPromise] = useState<Waiting | null>(null);
  const [code, setCode] = useState<string | null>(null);
  const codes = [...new Set(props.bench.items.map((one) => one.reason_code))];
  const shown = props.bench.items.filter((one) => !code || one.reason_code === code);
  return (
    <CardBlock title={text.t("dispatch.waiting", { count: props.bench.total })} right={codes.length > 1 && <Select size="xs" clearable placeholder={text.t("dispatch.reason")} aria-label={text.t("dispatch.reason")} value={code} onChange={setCode} data={codes.map((value) => ({ value, label: text.code("reason", value) }))} />}>
      {props.bench.items.length === 0 && <Empty bare icon={Inbox} sentence={text.t("dispatch.nothing_waits")} />}
      {props.bench.total > props.bench.items.length && <div className="small muted">{text.t("dispatch.shown_of", { shown: props.bench.items.length, total: props.bench.total })}</div>}
      <div style={{ maxHeight: 560, overflowY: "auto" }}>
        {shown.map((one) => (
          <div key={one.visit_id ?? one.work_order_id} className="line" draggable={props.editable} onDragStart={(event) => event.dataTransfer.setData("text/x-order", one.work_order_id)} style={{ cursor: props.editable ? "grab" : undefined, display: "block" }}>
            <div className="row wrap" style={{ gap: "2px 8px" }}>
              {props.editable && <GripVertical size={14} aria-hidden className="faint" />}
              <Link to={`/work-orders/${one.work_order_id}`} className="mono link">{one.number}</Link>
              <PriorityChip priority={one.priority} small />
              <span className="small muted">{text.t("dispatch.minutes", { minutes: one.duration_minutes })}</span>
            </div>
            <div className="break">{nameOf(one, text)} <span className="muted small">{[one.asset_name, one.site_name].filter(Boolean).join(" · ")}</span></div>
            <div className="row wrap" style={{ gap: 6, marginTop: 4 }}>
              <Chip small tone={ROUGH.has(one.reason_code) ? "quiet" : "watch"} title={one.reason_detail ?? undefined}>{text.code("reason", one.reason_code)}</Chip>
              {one.appointment && <span className="small muted">🕑 {text.moment(one.appointment.from_at)}</span>}
              {props.editable && <Button size="compact-sm" variant="default" leftSection={<CircleHelp size={14} />} onClick={() => setWhy(one)}>{text.t("dispatch.who")}</Button>}
              {props.editable && <Button size="compact-sm" variant="default" leftSection={<CalendarClock size={14} />} onClick={() => setPromise(one)}>{text.t("appointment.title")}</Button>}
              {props.editable && <ActButton small icon={Siren} label={text.t("dispatch.emergency")} path="/dispatch/emergencies" body={{ work_order_id: one.work_order_id }} done="dispatch.plan_asked" />}
            </div>
          </div>
        ))}
      </div>
      {promise && <AppointmentModal order={{ id: promise.work_order_id, state: "unscheduled", number: promise.number }} close={() => setPromise(null)} />}
      {why && <Candidates of={why} close={() => setWhy(null)} give={props.give} />}
    </CardBlock>
  );
}

/** Why this technician: the best three, what each costs, and what stands against them. */
function Candidates(props: { of: Waiting; close: () => void; give: (order: Waiting, technician: string, start: string) => void }) {
  const text = useText();
  const found = useOne<Schema["Candidates"]>(`/work-orders/${props.of.work_order_id}/candidates`);
  return (
    <Modal opened onClose={props.close} title={text.t("dispatch.candidates", { number: props.of.number })} size="lg">
      <Loaded of={found} skeleton={<Bones rows={3} />}>
        {(page) => page.items.length === 0 ? <Empty bare icon={Inbox} sentence={text.t("dispatch.nobody_works")} /> : <div>
          {page.items.map((one, place) => (
            <div key={one.technician_id} className="line" style={{ display: "block" }}>
              <div className="row wrap" style={{ gap: 8 }}>
                <b className="break">{place + 1}. {one.name}</b>
                <span className="grow small">{text.moment(one.starts_at)}</span>
                <span className="num">{text.t("dispatch.cost", { cost: sign(one.cost, text) })}</span>
                <Button size="compact-sm" variant={one.violations.length ? "default" : "filled"} onClick={() => { props.close(); props.give(props.of, one.technician_id, one.starts_at); }}>{text.t("dispatch.give")}</Button>
              </div>
              <div className="small muted">{Object.entries(one.parts).filter(([, cost]) => cost !== 0).map(([part, cost]) => `${text.code("cost_part", part)} ${sign(cost, text)}`).join(" · ")}</div>
              {one.violations.map((each) => <Chip key={each.code + each.visit_id} small tone="trouble" title={each.detail ?? undefined}>{text.code("violation", each.code)}</Chip>)}
            </div>
          ))}
        </div>}
      </Loaded>
    </Modal>
  );
}
