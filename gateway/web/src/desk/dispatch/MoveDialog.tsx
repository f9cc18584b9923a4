/** What a drop comes to, before it is written: rules that it breaks, what it costs, who comes later because of it. */
import { Button, Modal } from "@mantine/core";
import { CircleCheck, TriangleAlert } from "lucide-react";
import { useEffect, useState } from "react";

import { ApiError } from "../../api/client";
import { useSend } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { say } from "../../ui/Providers";
import { Notice } from "../../ui/states";
import { sign, type Board, type Moved, type Waiting } from "./look";
import type { Drop } from "./Timeline";

export function MoveDialog(props: { drop: Drop; board: Board; bench: Waiting[]; close: () => void }) {
  const text = useText();
  const { drop } = props;
  const send = useSend<Moved>();
  const [found, setFound] = useState<Moved | null>(null);
  const waiting = props.bench.find((one) => one.work_order_id === drop.order);
  const person = props.board.resources.find((line) => line.id === drop.technician)?.name ?? "";
  const body = {
    ...(drop.visit ? { visit_id: drop.visit.id, version: drop.visit.version } : waiting?.visit_id ? { visit_id: waiting.visit_id, version: waiting.visit_version } : { work_order_id: drop.order, version: waiting?.order_version }),
    technician_id: drop.technician,
    planned_start: drop.start.toISOString(),
    planned_end: drop.end?.toISOString(),
  };
  const failed = (error: Error) => {
    drop.revert();
    say(error instanceof ApiError && error.status === 412 ? text.t("dispatch.moved_meanwhile") : problemText(error, text), "bad");
    props.close();
  };
  const write = (accept: string[]) =>
    send.mutate({ path: "/dispatch/moves", body: { ...body, accept } }, {
      onSuccess: (moved) => { say(text.t("dispatch.moved", { person, at: text.moment(moved.planned_start) })); props.close(); },
      onError: failed,
    });
  useEffect(() => {
    send.mutate({ path: "/dispatch/moves", body: { ...body, dry_run: true } }, {
      onSuccess: (moved) => (moved.violations.length || moved.pushed.length ? setFound(moved) : write([])),
      onError: failed,
    });
    // Once for each drop: the dialog is made anew for the next one.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  const stop = () => { drop.revert(); props.close(); };
  if (!found) return null;
  const codes = [...new Set(found.violations.map((one) => one.code))];
  return (
    <Modal opened onClose={stop} title={text.t("dispatch.check", { number: drop.visit?.number ?? waiting?.number ?? "", person })}>
      <div className="stack" style={{ gap: 12 }}>
        <div>{text.moment(found.planned_start)} – {text.moment(found.planned_end)}{found.travel_minutes !== null && <span className="muted"> · {text.t("dispatch.travel", { minutes: found.travel_minutes })}</span>}</div>
        {codes.map((code) => <Notice key={code} tone="trouble" icon={TriangleAlert}>{text.code("violation", code)}{found.violations.filter((one) => one.code === code && one.detail && code === "skill").map((one) => ` (${one.detail})`)}</Notice>)}
        {!codes.length && <Notice tone="ok" icon={CircleCheck}>{text.t("dispatch.no_violations")}</Notice>}
        <div className="small">{text.t("dispatch.cost", { cost: sign(found.cost, text) })}</div>
        {found.pushed.length > 0 && <div className="small"><b>{text.t("dispatch.pushed")}</b>{found.pushed.map((one) => <div key={one.visit_id}><span className="mono">{one.number}</span> {text.moment(one.before)} → {text.moment(one.planned_start)}</div>)}</div>}
        <div className="row" style={{ gap: 8, justifyContent: "flex-end" }}>
          <Button variant="default" onClick={stop}>{text.t("action.cancel")}</Button>
          <Button color={codes.length ? "red" : undefined} loading={send.isPending} onClick={() => write(codes)}>{text.t(codes.length ? "dispatch.move_anyway" : "dispatch.move")}</Button>
        </div>
      </div>
    </Modal>
  );
}

