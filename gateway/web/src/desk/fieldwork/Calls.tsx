/** Calls for help and parts as they are shown everywhere: what is needed, who looks after it, taking and answering. */
import { CheckCheck, Hand, LifeBuoy, PackageSearch, Siren } from "lucide-react";
import { Link, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { Ago, CardBlock } from "../../ui/parts";
import { Bones, Loaded, Notice } from "../../ui/states";
import { isAlive, useCalls, type Call, type PartLine } from "./asked";

const TONE = { open: "trouble", taken: "watch", done: "ok", withdrawn: "quiet" } as const;

export function CallChip(props: { call: Call }) {
  const text = useText();
  const { call } = props;
  return (
    <span className="row wrap" style={{ gap: 4 }}>
      {call.urgent && isAlive(call) && <Chip small tone="trouble" icon={Siren}>{text.t("help.urgent")}</Chip>}
      <Chip small tone={TONE[call.state as keyof typeof TONE] ?? "quiet"}>{text.code("help.state", call.state)}</Chip>
    </span>
  );
}

/** What is needed, in their words, and the parts with the way to where they lie. */
export function Needed(props: { call: Call; plain?: boolean }) {
  const text = useText();
  const { call } = props;
  const Icon = call.what === "parts" ? PackageSearch : LifeBuoy;
  return (
    <div style={{ minWidth: 0 }}>
      <div className="row top" style={{ gap: 8 }}><Icon size={16} aria-label={text.code("help.what", call.what)} style={{ flex: "none", marginTop: 3 }} /><span className="break" style={{ fontWeight: 560, whiteSpace: "pre-wrap" }}>{call.text || text.code("help.what", call.what)}</span></div>
      {(call.lines as PartLine[]).map((line, at) => (
        <div key={at} className="small break" style={{ paddingLeft: 24 }}>
          {text.number(line.quantity ?? 1, 3)} × {line.part && !props.plain ? <Link className="link" to={`/parts/${line.part.id}`}>{line.part.number} · {(text.language === "zh" && line.part.name_zh) || line.part.name_en}</Link> : line.part ? `${line.part.number} · ${(text.language === "zh" && line.part.name_zh) || line.part.name_en}` : line.part_number}{line.text ? ` ${line.text}` : ""}
        </div>
      ))}
    </div>
  );
}

export function CallActions(props: { call: Call }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const { call } = props;
  if (!may(me, "help.answer") || !isAlive(call)) return null;
  return (
    <span className="row wrap" style={{ gap: 6, paddingTop: 4 }}>
      {call.state === "open" && <ActButton small icon={Hand} label={text.t("fieldwork.take")} path={`/help-requests/${call.id}/take`} done="fieldwork.taken" />}
      <FormButton small primary={call.state === "taken"} icon={CheckCheck} label={text.t("fieldwork.answer")} form={{ path: `/help-requests/${call.id}/done`, fields: [{ name: "answer", label: "fieldwork.what_was_done", kind: "area", most: 2000, example: text.t("fieldwork.answer_example") }], done: "form.saved" }} />
    </span>
  );
}

export function Cared(props: { call: Call }) {
  const text = useText();
  const { call } = props;
  const who = call.done_by?.name ?? call.taken_by?.name;
  return <>{who ? <span className="break">{who} · <Ago at={call.done_at ?? call.taken_at} /></span> : <span className="faint">{text.t("orders.nobody")}</span>}{call.answer && <div className="small break" style={{ whiteSpace: "pre-wrap" }}>“{call.answer}”</div>}</>;
}

export function CallsCard(props: { order: string }) {
  const text = useText();
  const calls = useCalls(props.order);
  return (
    <CardBlock title={text.t("fieldwork.calls")}>
      <Loaded of={calls} skeleton={<Bones rows={2} />}>
        {(page) => <>
          {page.items.length === 0 && <div className="small muted">{text.t("fieldwork.no_calls_here")}</div>}
          {[...page.items].sort((one, other) => Number(isAlive(other)) - Number(isAlive(one))).map((call) => (
            <div key={call.id} className="line stack" style={{ gap: 4 }}>
              <div className="row wrap top" style={{ gap: "4px 10px" }}><div className="grow"><Needed call={call} /></div><CallChip call={call} /></div>
              <div className="small muted">{[call.opened_by?.name, text.moment(call.opened_at)].filter(Boolean).join(" · ")}</div>
              {call.state !== "open" && call.state !== "withdrawn" && <div className="small"><Cared call={call} /></div>}
              <CallActions call={call} />
            </div>
          ))}
        </>}
      </Loaded>
    </CardBlock>
  );
}

/** Said before everything else on the order's page while somebody waits. */
export function CallNotice(props: { order: string }) {
  const text = useText();
  const waiting = (useCalls(props.order).data?.items ?? []).filter(isAlive);
  if (waiting.length === 0) return null;
  const urgent = waiting.some((call) => call.urgent);
  return <div style={{ marginBottom: 14 }}><Notice tone={urgent ? "trouble" : "watch"} icon={urgent ? Siren : LifeBuoy}>{text.t(urgent ? "fieldwork.call_urgent" : "fieldwork.call_waits", { count: waiting.length })} <Link className="link" to={`/work-orders/${props.order}/field`}>{text.t("fieldwork.see")}</Link></Notice></div>;
}
