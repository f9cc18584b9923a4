/** Do a predicted job together with planned work of its machine: what is due, and what waiting until then costs. */
import { Button, Modal, TextInput } from "@mantine/core";
import { CalendarRange, Merge } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { newKey } from "../../api/client";
import { may, useOne, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { say } from "../../ui/Providers";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { dayText, said } from "../plans/look";
import { dayAhead, extraWords, money, type Job } from "./look";

export function MergeButton(props: { job: Job }) {
  const text = useText();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant="default" leftSection={<Merge size={16} />} onClick={() => setOpen(true)}>{text.t("planner.merge")}</Button>
      {open && <Dialog job={props.job} close={() => setOpen(false)} />}
    </>
  );
}

function Dialog(props: { job: Job; close: () => void }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const due = useOne<Schema["DueItems"]>(`/predicted-jobs/${props.job.id}/due`);
  const send = useSend();
  const [moving, setMoving] = useState<string | null>(null);
  const [day, setDay] = useState(dayAhead(2));
  const merge = (id: string, to: string | null) =>
    send.mutate(
      { path: `/predicted-jobs/${props.job.id}/merge`, body: { occurrence_id: id, move_to: to ? new Date(`${to}T08:00:00`).toISOString() : null }, key: newKey() },
      { onSuccess: () => { say(text.t("planner.merged")); props.close(); } },
    );
  return (
    <Modal opened onClose={props.close} title={`${text.t("planner.merge")} · ${props.job.asset.name}`} size="lg">
      <p className="small muted" style={{ marginTop: 0 }}>{text.t("planner.merge_hint")}</p>
      {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
      <Loaded of={due} skeleton={<Bones rows={3} />}>
        {(found) => found.items.length === 0 ? <Empty icon={CalendarRange} sentence={text.t("planner.no_due")} /> : (
          <div className="stack" style={{ gap: 0 }}>
            {found.items.map((one) => (
              <div key={one.id} className="line row wrap top" style={{ gap: "6px 14px", padding: "10px 0" }}>
                <div className="grow" style={{ flexBasis: 240 }}>
                  <div style={{ fontWeight: 620 }} className="break">{said(one.plan_name, text.language) || one.plan_code} · {one.packages.join(" + ")}</div>
                  <div className="small"><span className="num">{dayText(one.due_on, text)}</span>{one.state === "released" && <span className="muted"> · {text.code("plan.work_state", "released")}</span>}</div>
                  <div className="small muted">{extraWords(one.waiting, text)}{one.saved !== null && ` ${text.t("planner.visit_saved", { amount: money(one.saved, one.waiting.currency, text) })}`}</div>
                  {moving === one.id && <div className="row wrap" style={{ marginTop: 6 }}><TextInput type="date" aria-label={text.t("planner.move_first")} value={day} min={dayAhead(0)} onChange={(event) => setDay(event.currentTarget.value)} /><Button size="compact-sm" loading={send.isPending} disabled={!day} onClick={() => merge(one.id, day)}>{text.t("planner.move_and_merge")}</Button></div>}
                </div>
                <Button size="compact-sm" loading={send.isPending && moving !== one.id} onClick={() => merge(one.id, null)}>{text.t("planner.merge_this")}</Button>
                {one.state === "planned" && may(me, "occurrence.decide") && moving !== one.id && <Button size="compact-sm" variant="default" onClick={() => setMoving(one.id)}>{text.t("planner.move_first")}</Button>}
              </div>
            ))}
          </div>
        )}
      </Loaded>
    </Modal>
  );
}
