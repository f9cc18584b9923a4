/** What speaks against sending somebody at a time, asked while the form is filled in: skills, leave, hours, other visits. */
import { useQuery } from "@tanstack/react-query";
import { CircleCheck, TriangleAlert } from "lucide-react";

import { api, query } from "../../api/client";
import type { Schema } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import type { Field, Values } from "../../ui/Form";
import type { Chosen } from "../../ui/Pick";
import { Notice } from "../../ui/states";
import type { Order } from "./look";

export type Fit = Schema["Fitness"];
type Objection = Fit["objections"][number];

const HOUR_MS = 3_600_000;

export const askFitness = (person: string, order: string, from: Date, until: Date): Promise<Fit> =>
  api<Fit>(`/technicians/${person}/fitness${query({ from: from.toISOString(), until: until.toISOString(), work_order_id: order })}`);

export function objectionText(one: Objection, text: Text): string {
  const said = one.params as Record<string, string | number | null>;
  const moments = Object.fromEntries(["planned_start", "planned_end", "starts_at", "ends_at", "until"].filter((name) => said[name]).map((name) => [name, text.moment(String(said[name]))]));
  return text.code("objection", one.code, { ...said, ...moments });
}

export function Objections(props: { fit: Fit }) {
  const text = useText();
  if (props.fit.objections.length === 0) return <Notice tone="ok" icon={CircleCheck}>{text.t("objection.none")}</Notice>;
  return (
    <Notice tone="watch" icon={TriangleAlert}>
      <b>{text.t("objection.title")}</b>
      <ul style={{ margin: "4px 0 0", paddingLeft: 18 }}>{props.fit.objections.map((one, place) => <li key={`${one.code}${place}`}>{objectionText(one, text)}</li>)}</ul>
    </Notice>
  );
}

function Live(props: { order: Pick<Order, "id" | "duration_minutes">; values: Values }) {
  const person = (props.values.technician_id as Chosen | null | undefined)?.id;
  const from = props.values.planned_start ? new Date(String(props.values.planned_start)) : null;
  const given = props.values.planned_end ? new Date(String(props.values.planned_end)) : null;
  const until = from && (given && given > from ? given : new Date(from.getTime() + (props.order.duration_minutes ?? 60) * 60_000));
  const valid = person && from && until && until.getTime() - from.getTime() <= 31 * 24 * HOUR_MS;
  const found = useQuery({
    queryKey: ["fitness", person, props.order.id, from?.getTime(), until?.getTime()],
    queryFn: () => askFitness(person!, props.order.id, from!, until!),
    enabled: Boolean(valid),
  });
  return valid && found.data ? <Objections fit={found.data} /> : null;
}

/** A field of a form with `technician_id`, `planned_start` and `planned_end`: it holds nothing, it warns. */
export const fitness = (order: Pick<Order, "id" | "duration_minutes">): Field => ({ name: "fitness", label: "objection.title", kind: "own", own: (_value, _change, values) => <Live order={order} values={values} /> });
