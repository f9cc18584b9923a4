/** One job on the phone: what is known, what is to be done, and the button that comes next. */
import { Skeleton } from "@mantine/core";
import { ChevronLeft } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, type ComponentType } from "react";
import { Link, NavLink, useOutletContext, useParams } from "react-router";

import { may } from "../../api/rows";
import type { AssetDetail, Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip, Marks, PriorityChip, WorkChip } from "../../ui/chips";
import { Bones, Loaded } from "../../ui/states";
import { assetPath } from "../ahead";
import { myVisit, spanOf, type Job } from "../jobs";
import { useKept } from "../kept";
import { applied, useOutbox } from "../outbox";
import { pathOf, type Entry } from "../store";
import { hours, weekday } from "../today/words";
import { RefusedNotice } from "../Unsent";
import { ChecklistTab, useRuns } from "./ChecklistTab";
import { Machine } from "./Machine";
import { MessagesTab } from "./MessagesTab";
import { NextStep } from "./NextStep";
import { Overview, Waiting } from "./Overview";
import { PhotosTab } from "./PhotosTab";
import { TimeTab } from "./TimeTab";

const ReportTab = lazy(() => import("./ReportTab").then((made) => ({ default: made.ReportTab })));

type TabProps = { order: Job; me: Me };
const TABS: Record<string, ComponentType<TabProps>> = {
  checklist: ChecklistTab, photos: PhotosTab, time: TimeTab, messages: MessagesTab, report: ReportTab,
  machine: (props: TabProps) => <Machine asset={props.order.asset.id} me={props.me} order={props.order} />,
};

export function JobPage() {
  const { id = "" } = useParams();
  const { t } = useText();
  const me = useOutletContext<Me>();
  const order = useKept<Job>(["work-order"], pathOf(id));
  const { entries } = useOutbox();
  return (
    <>
      <Link to="/" className="row muted plain" style={{ minHeight: 44, fontWeight: 560 }}><ChevronLeft size={20} aria-hidden />{t("field.mine")}</Link>
      <Loaded of={order} skeleton={<><Skeleton height={90} radius="md" /><Skeleton height={260} radius="md" /></>}>
        {(data) => <OneJob key={data.id} order={applied(data, entries, me.person)} me={me} own={entries.filter((entry) => entry.order === id)} />}
      </Loaded>
    </>
  );
}

function OneJob(props: { order: Job; me: Me; own: Entry[] }) {
  const { order, me } = props;
  const text = useText();
  const { tab = "" } = useParams();
  const asset = useKept<AssetDetail>(["asset"], assetPath(order.asset.id), 30_000);
  const codes = asset.data?.repair_codes ?? [];
  const visit = myVisit(order, me.person.id);
  const under = visit && ["travelling", "on_break"].includes(visit.state) ? visit.state : null;
  const span = spanOf(order, me.person.id);
  const Shown = TABS[tab];
  return (
    <>
      <div>
        <div className="row wrap" style={{ gap: 6, marginBottom: 8 }}>
          {under ? <Chip tone="learning" small>{text.code("visit", under)}</Chip> : <WorkChip state={order.state} small />}<PriorityChip priority={order.priority} small /><Marks demo={order.demo} replayed={order.replayed} />
          <span className="grow" /><span className="small muted mono-num">{order.number}</span>
        </div>
        <h1>{order.asset.name}</h1>
        <div className="muted small break">{[order.asset.site_name, order.asset.serial].filter(Boolean).join(" · ")}</div>
        {span && <div className="when" style={{ marginTop: 4 }}>{hours(span.from, span.until, text)} <span className="muted" style={{ fontWeight: 560 }}>· {weekday(span.from, text)}</span></div>}
      </div>
      <RefusedNotice entries={props.own} me={me} />
      <Waiting own={props.own} />
      <JobTabs order={order} me={me} tab={tab} />
      {Shown ? <Suspense fallback={<Bones rows={6} />}><Shown order={order} me={me} /></Suspense> : <Overview order={order} me={me} codes={codes} />}
      <NextStep order={order} me={me} codes={codes} />
    </>
  );
}

function JobTabs(props: { order: Job; me: Me; tab: string }) {
  const { t } = useText();
  const { order, me } = props;
  const { runs } = useRuns(order.id, me);
  const bar = useRef<HTMLElement>(null);
  useEffect(() => { bar.current?.querySelector(".active")?.scrollIntoView({ inline: "center", block: "nearest" }); }, [props.tab]);
  const missing = runs.reduce((sum, run) => sum + run.missing.length, 0);
  const inside = may(me, "work_order.inside");
  const base = `/work/${order.id}`;
  const tabs: [string, string, number][] = [
    [base, "job.tab.overview", 0],
    ...(inside && runs.length > 0 ? ([[`${base}/checklist`, "job.tab.checklist", missing]] as [string, string, number][]) : []),
    [`${base}/photos`, "job.tab.photos", 0],
    ...(inside ? ([[`${base}/time`, "job.tab.time", 0]] as [string, string, number][]) : []),
    [`${base}/machine`, "job.tab.machine", 0],
    [`${base}/messages`, "job.tab.messages", 0],
    [`${base}/report`, "job.tab.report", 0],
  ];
  return (
    <nav className="tabs jobtabs" aria-label={order.number} ref={bar}>
      {tabs.map(([to, label, tally]) => <NavLink key={to} to={to} end replace>{t(label)}{tally > 0 && <span className="count">{tally}</span>}</NavLink>)}
    </nav>
  );
}
