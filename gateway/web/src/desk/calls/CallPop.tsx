/** A telephone rings: who calls stands on whatever page is open, within a second, until it is put away. */
import { ActionIcon, Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { PhoneIncoming, X } from "lucide-react";
import { useState } from "react";

import { api } from "../../api/client";
import type { Me, Page } from "../../api/types";
import { useText } from "../../i18n/useText";
import { may, useOne } from "../../api/rows";
import { CallCard, callersOf, CallChip, type Call, type Card } from "./CallCard";

const EVERY_MS = 10_000; // while the live stream is away
const SHOWN = 3; // more ring in the list of calls

export function CallPop(props: { me: Me }) {
  const text = useText();
  const allowed = may(props.me, "call.read");
  const calls = useQuery({ queryKey: ["calls", "live"], queryFn: () => api<Page<Call>>("/calls?live=true&limit=20"), enabled: allowed, refetchInterval: EVERY_MS });
  const [away, setAway] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState<string | null>(null);
  if (!allowed) return null;
  const live = (calls.data?.items ?? []).filter((call) => call.direction === "in" && !away.has(call.id) && !(call.answered_by && call.answered_by.id !== props.me.person.id));
  const shown = live.find((call) => call.id === open) ?? null;
  const put = (id: string) => { setAway((held) => new Set([...held, id])); if (open === id) setOpen(null); };
  return (
    <>
      {live.length > 0 && (
        <div role="status" style={{ position: "fixed", insetInlineEnd: 16, bottom: 16, zIndex: 150, display: "grid", gap: 8, maxWidth: "min(360px, calc(100vw - 32px))" }}>
          {live.slice(0, SHOWN).map((call) => (
            <section key={call.id} className="card pad" style={{ boxShadow: "0 6px 24px rgb(0 0 0 / .22)" }}>
              <div className="row" style={{ gap: 10 }}>
                <PhoneIncoming size={20} aria-hidden />
                <button type="button" className="plainbutton grow" style={{ textAlign: "start", minWidth: 0 }} onClick={() => setOpen(call.id)}>
                  <Who call={call} />
                  <div className="small mono-num">{call.number ?? text.t("calls.withheld")}</div>
                </button>
                <CallChip state={call.state} small />
                <ActionIcon variant="subtle" color="gray" aria-label={text.t("calls.put_away")} onClick={() => put(call.id)}><X size={16} /></ActionIcon>
              </div>
            </section>
          ))}
        </div>
      )}
      {shown && (
        <Modal opened onClose={() => setOpen(null)} title={<div><Who call={shown} /><div className="small mono-num muted">{shown.number ?? text.t("calls.withheld")}</div></div>} size="lg">
          <CallCard call={shown} me={props.me} done={() => put(shown.id)} />
        </Modal>
      )}
    </>
  );
}

/** One customer by name; several with one number are said to be several, never "unknown". */
function Who(props: { call: Call }) {
  const text = useText();
  const { call } = props;
  const card = useOne<Card>(`/calls/${call.id}/caller`, call.customer === null && call.number !== null);
  const names = callersOf(card.data);
  const name = call.customer?.name ?? (names.length > 0 ? names.join(text.language === "zh" ? "、" : ", ") : text.t("calls.unknown_caller"));
  return (
    <>
      <div className="clamp2 break" style={{ fontWeight: 650 }}>{name}</div>
      {!call.customer && names.length > 1 && <div className="small" style={{ color: "#8f5a00" }}>{text.t("calls.several", { count: names.length })}</div>}
    </>
  );
}
