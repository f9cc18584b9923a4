/** What may be done with a work order now: the next step as a button, the ways out with their reasons. */
import { Button, Group, Menu, Modal, Select, Textarea } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { ChevronDown, ShieldCheck } from "lucide-react";
import { useState } from "react";

import { useAct, useAsset, useMe, useTechnicians } from "../../api/hooks";
import { useText } from "../../i18n/useText";
import { isOpen } from "../../ui/chips";
import { FinishForm } from "../../ui/FinishForm";
import { FormModal, problemText, type FormProps } from "../../ui/Form";
import { say } from "../../ui/Providers";
import { errorText } from "../../ui/states";
import { askFitness, Objections, type Fit } from "./Fitness";
import { CANNOT_REASONS, HOLD_REASONS, OPEN_ORDERS, type Order } from "./look";

const DESK = ["administrator", "planner", "dispatcher"];

export function Assign(props: { order: Order }) {
  const text = useText();
  const me = useMe();
  const { order } = props;
  const may = me.data?.roles.some((role) => DESK.includes(role)) && isOpen(order);
  const technicians = useTechnicians(may);
  const assign = useAct();
  const [asked, setAsked] = useState<{ person: string; fit: Fit } | null>(null);
  if (!may) return <>{order.assignee?.name ?? text.t("orders.nobody")}</>;
  const listed = (technicians.data?.items ?? []).map((one) => ({ value: one.person_id, label: text.t("order.technician_load", { name: one.name, count: one.open_work_orders }) }));
  if (order.assignee && !listed.some((one) => one.value === order.assignee!.id)) listed.unshift({ value: order.assignee.id, label: order.assignee.name });
  const give = (person: string) => {
    setAsked(null);
    assign.mutate(
      { path: `/work-orders/${order.id}/assign`, body: { person_id: person } },
      { onSuccess: () => say(text.t("order.assigned")), onError: (error) => say(errorText(error, text), "bad") },
    );
  };
  // Without planned hours only skills can stand against somebody. What cannot be asked must not stop the work.
  const choose = (person: string) =>
    void askFitness(person, order.id, new Date(), new Date(Date.now() + (order.duration_minutes ?? 60) * 60_000)).then(
      (fit) => {
        const objections = fit.objections.filter((one) => one.code.startsWith("skill_") || one.code === "absent");
        if (objections.length) setAsked({ person, fit: { ...fit, objections } });
        else give(person);
      },
      () => give(person),
    );
  return (
    <>
      <Select
        size="sm"
        aria-label={text.t("order.assign")}
        placeholder={text.t("order.assign")}
        value={order.assignee?.id ?? null}
        data={listed}
        disabled={assign.isPending}
        searchable={listed.length > 8}
        onChange={(person) => person && choose(person)}
      />
      <Modal opened={asked !== null} onClose={() => setAsked(null)} title={text.t("order.assign")}>
        {asked && <Objections fit={asked.fit} />}
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={() => setAsked(null)}>{text.t("action.back")}</Button>
          <Button onClick={() => asked && give(asked.person)}>{text.t("objection.assign_anyway")}</Button>
        </Group>
      </Modal>
    </>
  );
}

// The way work usually goes on is the filled button; a way out needs a reason.
const FORWARD = ["completed", "documented", "closed", "in_progress", "scheduled"];
const NEEDS_REASON = ["cancelled", "cannot_complete", "on_hold"];
const CODES: Record<string, string[]> = { on_hold: HOLD_REASONS, cannot_complete: CANNOT_REASONS };
const FINISHED = ["completed", "documented"];

export function Moves(props: { order: Order }) {
  const text = useText();
  const { order } = props;
  const [reasonFor, setReasonFor] = useState<string | null>(null);
  const [form, setForm] = useState<string | null>(null);
  const [finishing, finish] = useDisclosure(false);
  const asset = useAsset(order.asset.id);
  const act = useAct();
  const review = order.may.includes("work_order.review");
  const done = FINISHED.includes(order.state);
  const move = (to: string, more: Record<string, unknown> = {}) =>
    act.mutate(
      { path: to === "closed" && done ? `/work-orders/${order.id}/approve` : `/work-orders/${order.id}/transitions`, body: { ...(to === "closed" && done ? {} : { to }), ...more } },
      {
        onSuccess: () => {
          setReasonFor(null);
          finish.close();
          say(text.t("order.moved", { state: text.code("state", to) }));
        },
        onError: (error) => say(problemText(error, text), "bad"),
      },
    );
  const press = (to: string) => (to === "completed" ? finish.open() : NEEDS_REASON.includes(to) ? setReasonFor(to) : move(to));
  const unassigned = !order.assignee && isOpen(order);
  // Whoever reviews sends back with a reason instead; who did the work may take it up again.
  const legal = order.legal_moves.filter((to) => !(done && review && (to === "in_progress" || to === "unscheduled")));
  // Nobody starts what nobody has: first comes a name, then the work.
  const first = unassigned ? undefined : FORWARD.find((to) => legal.includes(to) && !(to === "documented" && review && legal.includes("closed") && order.steps_missing === 0));
  const others = legal.filter((to) => to !== first);
  const forms = formsOf(order);
  const more = Object.keys(forms).filter((name) => forms[name] !== null);
  return (
    <>
      {unassigned && <div style={{ width: 210 }}><Assign order={order} /></div>}
      {first && <Button loading={act.isPending} onClick={() => press(first)} leftSection={first === "closed" ? <ShieldCheck size={16} /> : undefined}>{text.code("move", first)}</Button>}
      {(others.length > 0 || more.length > 0) && (
        <Menu position="bottom-end" width={240}>
          <Menu.Target><Button variant="default" rightSection={<ChevronDown size={15} />}>{text.t("order.more")}</Button></Menu.Target>
          <Menu.Dropdown>
            {others.map((to) => <Menu.Item key={to} color={to === "cancelled" ? "red" : undefined} onClick={() => press(to)}>{text.code("move", to)}</Menu.Item>)}
            {others.length > 0 && more.length > 0 && <Menu.Divider />}
            {more.map((name) => <Menu.Item key={name} onClick={() => setForm(name)}>{text.t(`work.${name}`)}</Menu.Item>)}
          </Menu.Dropdown>
        </Menu>
      )}
      {reasonFor && <Reason to={reasonFor} busy={act.isPending} close={() => setReasonFor(null)} submit={(body) => move(reasonFor, body)} />}
      {form && <FormModal {...forms[form]!} title={text.t(`work.${form}`)} submit={text.t(`work.${form}`)} close={() => setForm(null)} />}
      <Modal opened={finishing} onClose={finish.close} title={text.code("move", "completed")} size="md">
        <FinishForm origin={order.origin} repairCodes={asset.data?.repair_codes ?? []} busy={act.isPending} submit={(found) => move("completed", { ...found })} />
      </Modal>
    </>
  );
}

function Reason(props: { to: string; busy: boolean; close: () => void; submit: (body: Record<string, unknown>) => void }) {
  const text = useText();
  const [words, setWords] = useState("");
  const [code, setCode] = useState<string | null>(null);
  const codes = CODES[props.to];
  const ready = codes ? code !== null && (code !== "other" || words.trim() !== "") : words.trim() !== "";
  return (
    <Modal opened onClose={props.close} title={text.code("move", props.to)}>
      <div className="stack" style={{ gap: 14 }}>
        {codes && <Select label={text.t("order.reason")} data={codes.map((value) => ({ value, label: text.code("work_reason", value) }))} value={code} onChange={setCode} data-autofocus withAsterisk />}
        <Textarea label={codes ? text.t("work.in_words") : text.t("order.reason")} value={words} onChange={(event) => setWords(event.currentTarget.value)} autosize minRows={2} maxLength={1000} withAsterisk={!codes || code === "other"} data-autofocus={codes ? undefined : true} />
      </div>
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={props.close}>{text.t("action.back")}</Button>
        <Button disabled={!ready} loading={props.busy} onClick={() => props.submit({ ...(codes ? { reason_code: code } : {}), reason: words.trim() || undefined })}>{text.code("move", props.to)}</Button>
      </Group>
    </Modal>
  );
}

type Form = Omit<FormProps, "close" | "title"> | null;

function formsOf(order: Order): Record<string, Form> {
  const path = `/work-orders/${order.id}`;
  const reason = { name: "reason", label: "order.reason", kind: "area" as const, required: true, most: 1000 };
  const may = (action: string) => order.may.includes(action);
  const open = isOpen(order);
  return {
    send_back: FINISHED.includes(order.state) && may("work_order.review") ? { path: `${path}/send-back`, fields: [reason], version: order.version, done: "work.sent_back" } : null,
    reopen: order.state === "closed" && may("work_order.review") ? { path: `${path}/reopen`, fields: [reason], version: order.version, done: "work.reopened" } : null,
    merge: open && may("work_order.merge") ? { path: `${path}/merge`, fields: [{ name: "into", label: "work.merge_into", hint: "work.merge_hint", kind: "pick", of: { ...OPEN_ORDERS, asked: { open: true, asset_id: order.asset.id } }, required: true }, reason], version: order.version, done: "work.merged" } : null,
    split: open && may("work_order.merge") ? { path: `${path}/split`, fields: [{ name: "title", label: "work.split_title", hint: "work.split_hint", required: true, most: 200 }, { name: "duration_minutes", label: "work.duration", kind: "integer", min: 1, max: 86400, suffix: "min" }], version: order.version, done: "work.was_split" } : null,
    amend: order.state === "closed" && may("work_order.review") ? { path: `${path}/result`, method: "PATCH", version: order.version, now: path, initial: { outcome_note: order.outcome_note, repair_code: order.repair_code }, fields: [{ name: "outcome_note", label: "finish.note", kind: "area", most: 4000 }, { name: "repair_code", label: "finish.repair", most: 100 }, reason], done: "form.saved" } : null,
  };
}
