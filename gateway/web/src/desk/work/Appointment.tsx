/** What the customer was promised: windows that the plan can keep are offered by a link, booked by the desk, moved, taken back. */
import { Button, Modal, Select } from "@mantine/core";
import { CalendarClock, CalendarPlus, CalendarX, Send } from "lucide-react";
import { useState } from "react";

import { may, useOne, useSend, type Schema } from "../../api/rows";
import { useMe } from "../../api/hooks";
import type { Page } from "../../api/types";
import { useText, type Text } from "../../i18n/useText";
import { ActButton } from "../../ui/Act";
import { Chip, isOpen } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { CardBlock, CopyIcon } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Loaded, Notice } from "../../ui/states";
import type { Order } from "./look";

type Promised = Schema["AppointmentItem"];
type Window = Schema["AppointmentWindow"];
type Offer = Schema["OfferItem"];

const spanOf = (one: Window, text: Text): string => {
  const [from, until] = [text.moment(one.window_from), text.moment(one.window_until)];
  return `${from} – ${from.slice(0, -5) === until.slice(0, -5) ? until.slice(-5) : until}`; // the date once, where it is one day
};

type Promisable = Pick<Order, "id" | "state">;

/** On the board, beside what waits. */
export function AppointmentModal(props: { order: Promisable & { number: string }; close: () => void }) {
  return <Modal opened onClose={props.close} size="lg" title={props.order.number}><AppointmentCard order={props.order} /></Modal>;
}

export function AppointmentCard(props: { order: Promisable }) {
  const text = useText();
  const me = useMe();
  const { order } = props;
  const [choosing, setChoosing] = useState(false);
  const [offered, setOffered] = useState<Offer | null>(null);
  const found = useOne<Page<Promised>>(`/work-orders/${order.id}/appointments`);
  const plans = me.data !== undefined && may(me.data, "dispatch.plan") && isOpen(order);
  const booked = found.data?.items.find((one) => one.state === "booked");
  const before = found.data?.items.filter((one) => one.state !== "booked") ?? [];
  return (
    <CardBlock title={text.t("appointment.title")} right={plans && <span className="row wrap" style={{ gap: 6 }}>
      <ActButton small icon={Send} label={text.t("appointment.offer")} path={`/work-orders/${order.id}/appointment-offers`} body={{}} after={setOffered} />
      <Button size="compact-sm" variant="default" leftSection={booked ? <CalendarClock size={14} /> : <CalendarPlus size={14} />} onClick={() => setChoosing(true)}>{text.t(booked ? "appointment.move" : "appointment.book")}</Button>
      {booked && <ActButton small danger icon={CalendarX} label={text.t("appointment.cancel")} path={`/appointments/${booked.id}/cancel`} version={booked.version} done="appointment.was_cancelled" />}
    </span>}>
      {booked
        ? <div className="row wrap line" style={{ gap: "2px 10px" }}><span className="grow" style={{ fontWeight: 560 }}>{spanOf(booked, text)}</span><span className="small muted">{text.code("appointment_by", booked.chosen_by)}{booked.moves > 0 && ` · ${text.t("appointment.moves", { moves: booked.moves, allowed: booked.moves_allowed })}`}</span></div>
        : <div className="small muted">{text.t("appointment.none")}</div>}
      {before.map((one) => <div key={one.id} className="row wrap line small muted" style={{ gap: "2px 10px" }}><span className="grow">{spanOf(one, text)}</span><Chip small tone="quiet">{text.code("appointment_state", one.state)}</Chip></div>)}
      {choosing && <Choose order={order} booked={booked} close={() => setChoosing(false)} />}
      {offered && <Offered offer={offered} close={() => setOffered(null)} />}
    </CardBlock>
  );
}

function Choose(props: { order: Promisable; booked: Promised | undefined; close: () => void }) {
  const text = useText();
  const [chosen, setChosen] = useState<string | null>(null);
  const windows = useOne<{ items: Window[] }>(`/work-orders/${props.order.id}/windows`);
  const send = useSend();
  const path = props.booked ? `/appointments/${props.booked.id}/move` : `/work-orders/${props.order.id}/appointments`;
  const book = (items: Window[]) => {
    const body = items.find((one) => one.window_from === chosen);
    send.mutate({ path, body, version: props.booked?.version }, { onSuccess: () => { say(text.t("appointment.booked")); props.close(); }, onError: (error) => say(problemText(error, text), "bad") });
  };
  return (
    <Modal opened onClose={props.close} title={text.t(props.booked ? "appointment.move" : "appointment.book")}>
      <Loaded of={windows} skeleton={<Bones rows={3} />}>
        {({ items }) => items.length === 0 ? <Notice tone="watch">{text.t("appointment.no_windows")}</Notice> : (
          <div className="stack" style={{ gap: 14 }}>
            <Select label={text.t("appointment.window")} data={items.map((one) => ({ value: one.window_from, label: spanOf(one, text) }))} value={chosen} onChange={setChosen} data-autofocus />
            <Button disabled={!chosen} loading={send.isPending} onClick={() => book(items)}>{text.t("appointment.promise")}</Button>
          </div>
        )}
      </Loaded>
    </Modal>
  );
}

function Offered(props: { offer: Offer; close: () => void }) {
  const text = useText();
  const link = new URL(props.offer.link, window.location.origin).href;
  return (
    <Modal opened onClose={props.close} title={text.t("appointment.offered")}>
      <div className="stack" style={{ gap: 12 }}>
        <div className="small muted">{text.t("appointment.offered_hint", { until: text.moment(props.offer.expires_at) })}</div>
        <div className="row" style={{ gap: 8 }}><a className="link break mono grow" href={link} target="_blank" rel="noreferrer">{link}</a><CopyIcon value={link} /></div>
        <ul style={{ margin: 0, paddingLeft: 18 }}>{props.offer.windows.map((one) => <li key={one.window_from}>{spanOf(one, text)}</li>)}</ul>
      </div>
    </Modal>
  );
}
