/** How an order is planned: skills, time, dates, team; who works on it, their visits, and what it waits for. */
import { ActionIcon } from "@mantine/core";
import { CalendarPlus, Link2Off, Pencil, Pin, Plus, UserPlus, X } from "lucide-react";
import type { ReactNode } from "react";

import { useList, useOne, useSend } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip, isOpen } from "../../ui/chips";
import { localMoment, problemText } from "../../ui/Form";
import { CardBlock, Facts } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { AppointmentCard } from "./Appointment";
import { fitness } from "./Fitness";
import { Assign } from "./Moves";
import { duration, OPEN_ORDERS, PRIORITIES, RelatedLine, SERVICE_TYPES, TEAMS, TECHNICIANS, type Order, type PlannedVisit } from "./look";

type Bilingual = { name_en: string; name_zh: string };
type SkillRow = Bilingual & { id: string; code: string };

export function PlanCard(props: { order: Order }) {
  const text = useText();
  const { order } = props;
  const service = useOne<Bilingual>(`/service-types/${order.service_type_id}`, order.service_type_id !== null);
  const team = useOne<{ name: string }>(`/teams/${order.team_id}`, order.team_id !== null);
  const skills = useList<SkillRow>("/skills");
  const nameOf = (code: string) => {
    const found = skills.data?.items.find((one) => one.code === code);
    return found ? (text.language === "zh" && found.name_zh) || found.name_en : code;
  };
  const rows: [ReactNode, ReactNode][] = [
    [text.t("work.duration"), duration(order.duration_minutes, text)],
    [text.t("work.skills"), order.required_skills.length ? order.required_skills.map((one) => text.t("work.skill_level", { skill: nameOf(one.skill), level: one.level })).join(", ") : "–"],
    [text.t("work.window"), order.window_from || order.window_until ? `${order.window_from ? text.moment(order.window_from) : "…"} – ${order.window_until ? text.moment(order.window_until) : "…"}` : "–"],
    [text.t("work.due"), order.due_at ? text.moment(order.due_at) : "–"],
  ];
  if (order.team_id) rows.push([text.t("work.team"), team.data?.name ?? "…"]);
  if (order.service_type_id) rows.push([text.t("work.service_type"), service.data ? (text.language === "zh" && service.data.name_zh) || service.data.name_en : "…"]);
  const pick = (id: string | null, label: string | undefined) => (id ? { id, label: label ?? "…" } : null);
  const moment = (at: string | null) => (at ? localMoment(at) : "");
  const edit = isOpen(order) && order.may.includes("work_order.edit") && (
    <FormButton small icon={Pencil} label={text.t("action.edit")} form={{
      path: `/work-orders/${order.id}`, method: "PATCH", version: order.version, size: "lg", done: "form.saved", title: text.t("work.plan"),
      initial: { title_text: order.title_text, priority: order.priority, duration_minutes: order.duration_minutes, due_at: moment(order.due_at), window_from: moment(order.window_from), window_until: moment(order.window_until), team_id: pick(order.team_id, team.data?.name), service_type_id: pick(order.service_type_id, service.data?.name_en), required_skills: order.required_skills },
      fields: [
        { name: "title_text", label: "work.title", most: 200 },
        { name: "priority", label: "col.priority", kind: "select", half: true, required: true, options: PRIORITIES.map((value) => ({ value, label: text.code("priority", value) })) },
        { name: "duration_minutes", label: "work.duration", kind: "integer", min: 1, max: 86400, suffix: "min", half: true },
        { name: "window_from", label: "work.window_from", kind: "moment", half: true },
        { name: "window_until", label: "work.window_until", kind: "moment", half: true },
        { name: "due_at", label: "work.due", kind: "moment", half: true },
        { name: "team_id", label: "work.team", kind: "pick", of: TEAMS, half: true },
        { name: "service_type_id", label: "work.service_type", kind: "pick", of: SERVICE_TYPES },
        { name: "required_skills", label: "work.skills", kind: "lines", add: "work.add_skill", lines: [{ name: "skill", label: "work.skill", kind: "select", required: true, options: (skills.data?.items ?? []).map((one) => ({ value: one.code, label: nameOf(one.code) })) }, { name: "level", label: "work.level", kind: "integer", min: 1, max: 5, half: true }] },
      ],
    }} />
  );
  return <CardBlock title={text.t("work.plan")} right={edit || undefined}><Facts rows={rows} /></CardBlock>;
}

export function PeopleTab(props: { order: Order }) {
  const text = useText();
  const { order } = props;
  const send = useSend();
  const edit = isOpen(order) && order.may.includes("work_order.edit");
  const remove = (person: string) => send.mutate({ path: `/work-orders/${order.id}/people/${person}`, method: "DELETE" }, { onError: (error) => say(problemText(error, text), "bad") });
  return (
    <div className="halves">
      <div>
        <CardBlock title={text.t("work.people")} right={edit && <FormButton small icon={UserPlus} label={text.t("work.add_helper")} form={{ path: `/work-orders/${order.id}/people`, fields: [{ name: "person_id", label: "work.helper", kind: "pick", of: TECHNICIANS, required: true }], done: "form.saved" }} />}>
          <div className="row wrap line" style={{ gap: 10 }}><span className="grow muted">{text.t("orders.assignee")}</span><Assign order={order} /></div>
          {order.helpers.map((one) => (
            <div className="row line" key={one.id}>
              <span className="grow break">{one.name}</span><span className="small muted">{text.t("work.helper")}</span>
              {edit && <ActionIcon variant="subtle" color="gray" aria-label={text.t("work.remove_helper", { name: one.name })} onClick={() => remove(one.id)}><X size={15} /></ActionIcon>}
            </div>
          ))}
          {order.helpers.length === 0 && <div className="small muted" style={{ paddingTop: 8 }}>{text.t("work.no_helpers")}</div>}
        </CardBlock>
      </div>
      <div>
        <CardBlock title={text.t("order.visits")} right={edit && <PlanVisit order={order} />}>
          {order.visits.length === 0 && <div className="small muted">{text.t("order.no_visits")}</div>}
          {order.visits.map((visit) => <Visit key={visit.id} visit={visit} order={order} edit={edit} />)}
        </CardBlock>
        <AppointmentCard order={order} />
      </div>
    </div>
  );
}

function PlanVisit(props: { order: Order }) {
  const text = useText();
  const { order } = props;
  const next = new Date(Math.ceil(Date.now() / 1_800_000) * 1_800_000);
  return (
    <FormButton small icon={CalendarPlus} label={text.t("work.plan_visit")} form={{
      path: "/visits", done: "form.saved",
      initial: { technician_id: order.assignee && { id: order.assignee.id, label: order.assignee.name }, planned_start: localMoment(next) },
      fields: [{ name: "technician_id", label: "work.technician", kind: "pick", of: TECHNICIANS, required: true }, { name: "planned_start", label: "work.begins", kind: "moment", required: true, half: true }, { name: "planned_end", label: "work.ends", hint: "work.ends_hint", kind: "moment", half: true }, fitness(order)],
      body: (values) => ({ work_order_id: order.id, technician_id: (values.technician_id as { id: string }).id, planned_start: new Date(String(values.planned_start)).toISOString(), planned_end: values.planned_end ? new Date(String(values.planned_end)).toISOString() : undefined }),
    }} />
  );
}

function Visit(props: { visit: PlannedVisit; order: Order; edit: boolean }) {
  const text = useText();
  const { visit } = props;
  const moment = (at: string | null) => (at ? localMoment(at) : "");
  return (
    <div className="line">
      <div className="row wrap" style={{ gap: "2px 10px" }}>
        <span className="grow break" style={{ fontWeight: 560 }}>{visit.technician?.name ?? "–"} {visit.pinned && <Pin size={13} aria-label={text.t("work.pinned")} />}</span>
        <span className="small">{text.code("visit", visit.state)}</span>
        {props.edit && visit.state === "scheduled" && (
          <FormButton small icon={Pencil} label={text.t("work.move_visit")} form={{
            path: `/visits/${visit.id}`, method: "PATCH", version: visit.version, done: "form.saved",
            initial: { technician_id: visit.technician ? { id: visit.technician.id, label: visit.technician.name } : null, planned_start: moment(visit.planned_start), planned_end: moment(visit.planned_end), pinned: visit.pinned },
            fields: [{ name: "technician_id", label: "work.technician", kind: "pick", of: TECHNICIANS, required: true }, { name: "planned_start", label: "work.begins", kind: "moment", half: true }, { name: "planned_end", label: "work.ends", kind: "moment", half: true }, { name: "pinned", label: "work.pinned", kind: "switch" }, fitness(props.order)],
          }} />
        )}
      </div>
      <div className="small muted">{visit.planned_start ? `${text.moment(visit.planned_start)} – ${text.moment(visit.planned_end)}` : text.moment(visit.finished_at ?? visit.started_at ?? visit.scheduled_at)}</div>
      {visit.cannot_complete_reason && <div className="small">{text.code("work_reason", visit.cannot_complete_reason)}</div>}
    </div>
  );
}

export function BlocksTab(props: { order: Order }) {
  const text = useText();
  const { order } = props;
  const send = useSend();
  const edit = isOpen(order) && order.may.includes("work_order.edit");
  const add = edit ? <FormButton small icon={Plus} label={text.t("work.add_block")} form={{ path: `/work-orders/${order.id}/blocks`, fields: [{ name: "blocked_by", label: "work.first_done", kind: "pick", of: OPEN_ORDERS, required: true }], done: "form.saved" }} /> : undefined;
  const others: [string, Order["parts"]][] = [["work.is_waited_for", order.blocks], ["work.parts", order.parts], ["work.merged_here", order.merged], ["work.comes_from", order.parent ? [order.parent] : []], ["work.went_on", order.merged_into ? [order.merged_into] : []]];
  return (
    <>
      <CardBlock title={text.t("work.waits_for")} right={add}>
        {order.blocked_by.length === 0 && <div className="small muted">{text.t("work.waits_for_nothing")}</div>}
        {order.blocked_by.map((one) => (
          <RelatedLine key={one.id} order={one} right={<>
            {one.cleared_at && <Chip tone="ok" small>{text.t("work.cleared")}</Chip>}
            {edit && <ActionIcon variant="subtle" color="gray" aria-label={text.t("work.remove_block", { number: one.number })} onClick={() => send.mutate({ path: `/work-orders/${order.id}/blocks/${one.id}`, method: "DELETE" }, { onError: (error) => say(problemText(error, text), "bad") })}><Link2Off size={15} /></ActionIcon>}
          </>} />
        ))}
      </CardBlock>
      {others.filter(([, list]) => list.length > 0).map(([label, list]) => <CardBlock key={label} title={text.t(label)}>{list.map((one) => <RelatedLine key={one.id} order={one} />)}</CardBlock>)}
    </>
  );
}
