/** What feedback holds back: signatures that were found to be nothing, until when, and what they swallowed since. */
import { Button, Modal, SegmentedControl, Textarea } from "@mantine/core";
import { BellOff, CalendarPlus, ChevronDown, Undo2 } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext, useSearchParams } from "react-router";

import { useAct } from "../../api/hooks";
import { useMatches, useSuppressors, type Suppressor } from "../../api/performance";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { noticed } from "../../text/noticed";
import { Chip } from "../../ui/chips";
import { PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Empty, errorText, Loaded, Notice } from "../../ui/states";
import { decides } from "../alarms/AlarmsPage";
import { PolicyTabs } from "./PolicyTabs";

const PROLONG_DAYS = 30;

export function SuppressorsPage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const active = params.get("view") !== "all";
  const suppressors = useSuppressors(active);
  const may = decides(useOutletContext<Me>());
  useTitle(text.t("policies.tab.suppressors"));
  return (
    <>
      <PageHead title={text.t("policies.tab.suppressors")} sub={text.t("suppressors.sub")} />
      <PolicyTabs />
      <SegmentedControl mb={14} value={active ? "active" : "all"} onChange={(value) => setParams(value === "all" ? { view: "all" } : {}, { replace: true })} data={["active", "all"].map((word) => ({ value: word, label: text.t(`suppressors.view.${word}`) }))} />
      <Loaded of={suppressors} skeleton={<Bones rows={6} height={24} />}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon={BellOff} sentence={text.t("suppressors.empty")} example={text.t("suppressors.example")} />
          ) : (
            <div className="stack" style={{ gap: 12 }}>{page.items.map((one) => <Card key={one.id} suppressor={one} may={may} />)}</div>
          )
        }
      </Loaded>
    </>
  );
}

function Card(props: { suppressor: Suppressor; may: boolean }) {
  const text = useText();
  const { suppressor: one } = props;
  const [open, setOpen] = useState(false);
  const strongest = one.contributions[0]?.metric ?? "machine";
  return (
    <article className="card pad">
      <div className="row wrap top" style={{ gap: "8px 16px" }}>
        <div className="grow" style={{ flexBasis: 280, opacity: one.active ? 1 : 0.75 }}>
          <div className="row wrap" style={{ gap: "4px 8px" }}>
            <Link className="plain break" style={{ fontSize: 16, fontWeight: 650 }} to={`/assets/${one.asset.id}`}>{one.asset.name}</Link>
            <Chip tone={one.active ? "watch" : "quiet"} small>{one.active ? text.t("suppressors.until", { at: text.day(one.expires_at) }) : text.code("suppressors.ended", one.ended_reason ?? "expired")}</Chip>
          </div>
          <div className="break">{noticed({ signature: strongest, kind: one.kind, contributions: one.contributions }, text)}{one.regime && <span className="muted"> · {text.code("mode", one.regime)}</span>}</div>
          <div className="small muted">
            {text.t(`suppressors.because.${one.origin}`)} {one.work_order && <Link className="link" to={`/work-orders/${one.work_order.id}`}>{one.work_order.number}</Link>} · {text.moment(one.created_at)}
          </div>
          <div className="small" style={{ marginTop: 4 }}>
            {text.t("suppressors.so_far", { suppressed: one.suppressed, audited: one.audited })}
            {one.breaks_at !== null && <span className="muted"> {text.t("suppressors.breaks", { ratio: text.number(one.breaks_at, 2) })}</span>}
          </div>
          <button type="button" className="plainbutton small link row" style={{ gap: 4, marginTop: 6 }} aria-expanded={open} onClick={() => setOpen(!open)}>
            <ChevronDown size={15} aria-hidden style={{ transform: open ? "rotate(180deg)" : undefined }} />{text.t("suppressors.matches")}
          </button>
        </div>
        {props.may && one.active && <Acts suppressor={one} />}
      </div>
      {open && <Matches id={one.id} />}
    </article>
  );
}

function Acts(props: { suppressor: Suppressor }) {
  const text = useText();
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const act = useAct();
  const path = `/suppressors/${props.suppressor.id}`;
  const prolong = () => act.mutate({ path: `${path}/prolong`, body: { days: PROLONG_DAYS } }, { onSuccess: () => say(text.t("suppressors.prolonged")), onError: (error) => say(errorText(error, text), "bad") });
  const lift = () => act.mutate({ path: `${path}/lift`, body: { reason: reason.trim() } }, { onSuccess: () => (say(text.t("suppressors.lifted")), setAsking(false)) });
  return (
    <div className="row wrap">
      <Button variant="default" size="compact-sm" leftSection={<CalendarPlus size={14} />} loading={act.isPending && !asking} onClick={prolong}>{text.t("suppressors.prolong", { count: PROLONG_DAYS })}</Button>
      <Button variant="default" size="compact-sm" leftSection={<Undo2 size={14} />} onClick={() => setAsking(true)}>{text.t("suppressors.lift")}</Button>
      <Modal opened={asking} onClose={() => setAsking(false)} title={text.t("suppressors.lift")}>
        <div className="stack" style={{ gap: 14 }}>
          <div className="small">{text.t("suppressors.lift_hint")}</div>
          <Textarea label={text.t("order.reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} autosize minRows={2} maxLength={500} data-autofocus />
          {act.error && <Notice tone="trouble">{errorText(act.error, text)}</Notice>}
          <Button loading={act.isPending} disabled={!reason.trim()} onClick={lift}>{text.t("suppressors.lift")}</Button>
        </div>
      </Modal>
    </div>
  );
}

function Matches(props: { id: string }) {
  const text = useText();
  const matches = useMatches(props.id);
  return (
    <div style={{ marginTop: 10 }}>
      <Loaded of={matches} skeleton={<Bones rows={2} />}>
        {(page) =>
          page.items.length === 0 ? (
            <div className="small muted">{text.t("suppressors.no_matches")}</div>
          ) : (
            <>
              {page.items.map((match) => (
                <div key={`${match.finding_id}${match.at}`} className="row wrap small" style={{ gap: "2px 12px", padding: "6px 0", borderTop: "1px solid var(--line-soft)" }}>
                  <span className="grow">{text.moment(match.first_at)}{match.cleared_at && <span className="muted"> · {text.lasted(match.first_at, match.cleared_at)}</span>}</span>
                  <span>{text.code("suppressors.result", match.result)}</span>
                  {match.work_order && <Link className="link" to={`/work-orders/${match.work_order.id}`}>{match.work_order.number}</Link>}
                  {match.outcome && <span className="muted">{text.code("outcome", match.outcome)}</span>}
                </div>
              ))}
            </>
          )
        }
      </Loaded>
    </div>
  );
}
