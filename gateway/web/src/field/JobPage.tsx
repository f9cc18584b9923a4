/** One job on the phone: what was noticed, what to check, and the one button that comes next. */
import { Button, Checkbox, Drawer, Skeleton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { CheckCircle2, ChevronLeft, CloudOff, Play } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useOutletContext, useParams } from "react-router";

import type { AssetDetail, Me, Page, RepairCode, TimelineItem, WorkOrder } from "../api/types";
import { useText } from "../i18n/useText";
import { noticed } from "../text/noticed";
import { orderTitle } from "../text/sentences";
import { isOpen, Marks, PriorityChip, SeverityChip, WorkChip } from "../ui/chips";
import { EvidenceChart, EvidenceTable } from "../ui/Evidence";
import { Lines, PastOrders } from "../ui/Explained";
import { FinishForm, repairOf, type Finish } from "../ui/FinishForm";
import { Facts, Since } from "../ui/parts";
import { Loaded, Notice } from "../ui/states";
import { Timeline } from "../ui/Timeline";
import { assetPath, charts, historyPath } from "./ahead";
import { useDraft } from "./draft";
import { useKept } from "./kept";
import { MachineCard } from "./MachineCard";
import { OnSite } from "./OnSite";
import { applied, useOutbox } from "./outbox";
import { pathOf, type Entry } from "./store";
import { RefusedNotice } from "./Unsent";

export function JobPage() {
  const { id = "" } = useParams();
  const { t } = useText();
  const me = useOutletContext<Me>();
  const order = useKept<WorkOrder>(["work-order"], pathOf(id));
  const { entries } = useOutbox();
  return (
    <>
      <Link to="/" className="row muted plain" style={{ minHeight: 40, fontWeight: 560 }}><ChevronLeft size={18} aria-hidden />{t("field.mine")}</Link>
      <Loaded of={order} skeleton={<><Skeleton height={90} radius="md" /><Skeleton height={260} radius="md" /></>}>
        {(data) => <Job order={applied(data, entries, me.person)} me={me} own={entries.filter((entry) => entry.order === id)} />}
      </Loaded>
    </>
  );
}

function Job(props: { order: WorkOrder; me: Me; own: Entry[] }) {
  const { order } = props;
  const text = useText();
  const asset = useKept<AssetDetail>(["asset"], assetPath(order.asset.id), 30_000);
  const found = order.noticed;
  return (
    <>
      <div>
        <div className="row wrap" style={{ gap: 6, marginBottom: 8 }}>
          <WorkChip state={order.state} small /><PriorityChip priority={order.priority} small /><Marks demo={order.demo} replayed={order.replayed} />
          <span className="grow" /><span className="small muted mono-num">{order.number}</span>
        </div>
        <h1>{order.asset.name}</h1>
        <div className="muted small break">{[order.asset.site_name, order.asset.serial].filter(Boolean).join(" · ")}</div>
      </div>
      <RefusedNotice order={order.id} entries={props.own} me={props.me} />
      <Waiting own={props.own} />
      <section className="card pad">
        <div className="row wrap" style={{ gap: 8, marginBottom: 6 }}>
          <h2 style={{ margin: 0 }} className="grow">{text.t(order.request ? "field.reported" : "order.noticed")}</h2>{found && <SeverityChip severity={found.severity} small />}
        </div>
        <div style={{ fontSize: 17, fontWeight: 620, lineHeight: 1.4 }} className="break">{found ? noticed({ ...found, kind: order.kind }, text) : orderTitle(order, text)}</div>
        {order.request && <p className="break" style={{ margin: "8px 0 0" }}>“{order.request.text}”</p>}
        <div className="small muted" style={{ marginTop: 4 }}>{isOpen(order) && <><Since at={found?.since ?? order.since ?? order.opened_at} /> · </>}{text.moment(found?.since ?? order.since ?? order.opened_at)}</div>
        {found?.explanation && <Lines lines={found.explanation.lines} beside={found.contributions.length > 0} />}
        {found && found.contributions.length > 0 && (
          <div style={{ margin: "14px -4px 0" }}>
            <EvidenceChart asset={order.asset.id} contributions={found.contributions} since={found.since ?? order.since} until={order.work_done_at ?? order.closed_at} now={order.replayed ? (asset.data?.last_reading_at ?? null) : null} height={190} keeper={charts} />
          </div>
        )}
      </section>
      {found && found.contributions.length > 0 && <section className="card"><EvidenceTable contributions={found.contributions} /></section>}
      {found && found.checks.length > 0 && <Checks order={order} />}
      {(found?.similar?.length ?? 0) > 0 && <section className="card pad"><h2>{text.t("similar.title")}</h2><PastOrders orders={found!.similar!} codes={asset.data?.repair_codes ?? []} base="/work" /></section>}
      {order.outcome && <Done order={order} codes={asset.data?.repair_codes ?? []} />}
      <MachineCard asset={order.asset.id} />
      {asset.data && <OnSite asset={asset.data} me={props.me} />}
      <History asset={order.asset.id} />
      <NextStep order={order} me={props.me} codes={asset.data?.repair_codes ?? []} />
    </>
  );
}

/** What was done here and is not sent yet. */
function Waiting(props: { own: Entry[] }) {
  const text = useText();
  if (props.own.length === 0 || props.own.some((entry) => entry.problem)) return null;
  const actions = props.own.map((entry) => text.code("field.action", entry.action)).join(text.language === "zh" ? "、" : ", ");
  return <Notice tone="watch" icon={CloudOff}>{text.t("field.waiting_here", { actions })}</Notice>;
}

function Checks(props: { order: WorkOrder }) {
  const text = useText();
  const stored = `forewarn.checks.${props.order.id}`;
  const [done, setDone] = useState<number[]>(() => {
    try {
      return JSON.parse(localStorage.getItem(stored) ?? "[]") as number[];
    } catch {
      return [];
    }
  });
  const turn = (index: number) => {
    const next = done.includes(index) ? done.filter((one) => one !== index) : [...done, index];
    setDone(next);
    try {
      localStorage.setItem(stored, JSON.stringify(next));
    } catch {
      // ticks are a help for the eye only
    }
  };
  return (
    <section className="card pad">
      <h2>{text.t("order.checks")}</h2>
      <div className="stack" style={{ gap: 14 }}>
        {props.order.noticed!.checks.map((check, index) => (
          <Checkbox key={check.en} size="md" checked={done.includes(index)} onChange={() => turn(index)} label={text.language === "zh" ? check.zh : check.en} styles={{ label: { lineHeight: 1.45 } }} />
        ))}
      </div>
    </section>
  );
}

function Done(props: { order: WorkOrder; codes: RepairCode[] }) {
  const text = useText();
  const { order } = props;
  const rows: [ReactNode, ReactNode][] = [[text.t("order.outcome"), text.code("outcome", order.outcome)]];
  if (order.repair_code) rows.push([text.t("finish.repair"), repairOf(order.repair_code, props.codes, text.language)]);
  if (order.outcome_note) rows.push([text.t("finish.note"), order.outcome_note]);
  return <section className="card pad"><h2 className="row"><CheckCircle2 size={18} color="#1f7a4d" aria-hidden />{text.t("field.result")}</h2><Facts rows={rows} /></section>;
}

function History(props: { asset: string }) {
  const text = useText();
  const timeline = useKept<Page<TimelineItem>>(["timeline"], historyPath(props.asset), 60_000);
  if (!timeline.data) return null;
  return (
    <section className="card pad">
      <h2>{text.t("field.history")}</h2>
      {timeline.data.items.length === 0 ? <div className="small muted">{text.t("timeline.empty")}</div> : <Timeline items={timeline.data.items} base="/work" />}
    </section>
  );
}

function NextStep(props: { order: WorkOrder; me: Me; codes: RepairCode[] }) {
  const { order, me } = props;
  const { t } = useText();
  const { entries, act } = useOutbox();
  const [open, sheet] = useDisclosure(false);
  const sending = entries.some((entry) => entry.order === order.id);
  const stuck = entries.some((entry) => entry.order === order.id && entry.problem);
  const [draft, keepDraft, dropDraft] = useDraft(`${me.person.id}/${order.id}`);
  const finish = async (found: Finish) => {
    if (!(await act(order, "finish", me, { ...found }))) return;
    dropDraft();
    sheet.close();
    window.scrollTo({ top: 0 });
  };
  if (!isOpen(order) || stuck) return null;
  const mine = order.assignee?.id === me.person.id;
  const button = (label: string, press: () => void, icon?: ReactNode) => (
    <Button size="lg" fullWidth leftSection={icon} rightSection={sending ? <CloudOff size={16} aria-hidden /> : undefined} onClick={press}>{label}</Button>
  );
  return (
    <>
      <div className="bottom">
        <div className="action">
          {order.assignee && !mine ? (
            <div className="small muted" style={{ padding: "10px 2px" }}>{t("field.others", { name: order.assignee.name })}</div>
          ) : order.state === "in_progress" ? (
            button(t("field.finish"), sheet.open, <CheckCircle2 size={20} />)
          ) : mine ? (
            button(t("field.start"), () => void act(order, "start", me), <Play size={20} />)
          ) : (
            button(t("field.accept"), () => void act(order, "accept", me))
          )}
        </div>
      </div>
      <Drawer opened={open} onClose={sheet.close} position="bottom" size="92%" title={<span style={{ fontWeight: 660, fontSize: 18 }}>{t("field.finish")}</span>} styles={{ content: { borderRadius: "16px 16px 0 0" }, body: { paddingBottom: 32 } }}>
        {draft !== undefined && <FinishForm large origin={order.origin} repairCodes={props.codes} draft={draft} onDraft={keepDraft} submit={(found) => void finish(found)} />}
      </Drawer>
    </>
  );
}
