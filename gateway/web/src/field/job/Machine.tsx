/** The machine in front of one: its values now with their last hours, what fixed this before, meters, papers, history. */
import { useQuery } from "@tanstack/react-query";
import { Activity, History as Past, Wrench } from "lucide-react";
import { useState } from "react";

import { api, query } from "../../api/client";
import type { AssetDetail, Me, MetricInfo, Page, Readings, TimelineItem } from "../../api/types";
import { useText } from "../../i18n/useText";
import { metricLabel } from "../../text/metrics";
import { Chip, PresenceChip, StateChip } from "../../ui/chips";
import { Ago } from "../../ui/parts";
import { Bones, Failure, Loaded } from "../../ui/states";
import { Spark } from "../../ui/Spark";
import { Timeline } from "../../ui/Timeline";
import { assetPath, charts, historyPath } from "../ahead";
import { useKept } from "../kept";
import { MachineCard } from "../MachineCard";
import { OnSite } from "../OnSite";
import { fixesPath } from "../refresh";
import { Cover } from "./Cover";
import { nameIn, type Named } from "./FinishSheet";

const HOURS = 6;
const POINTS = 48;
const SHOWN = 8; // values before 'all'

type Fix = { failure_mode: Named | null; cause: Named | null; action: Named | null; outcome: string | null; count: number; here: number; last_at: string | null; last_number: string | null; last_note: string | null };

export function Machine(props: { asset: string; me: Me; order?: { id: string; number: string; asset: { name: string } } }) {
  const asset = useKept<AssetDetail>(["asset"], assetPath(props.asset), 10_000);
  return (
    <>
      <Loaded of={asset} skeleton={<Bones rows={6} height={30} />}>{(data) => <LiveValues asset={data} />}</Loaded>
      <LastFixes path={props.order ? fixesPath(props.order.id) : `/assets/${props.asset}/last-fixes`} />
      <Cover asset={props.asset} />
      <MachineCard asset={props.asset} order={props.order} />
      {asset.data && <OnSite asset={asset.data} me={props.me} order={props.order} />}
      <History asset={props.asset} />
    </>
  );
}

function LiveValues(props: { asset: AssetDetail }) {
  const text = useText();
  const { asset } = props;
  const [all, showAll] = useState(false);
  const measured = asset.metrics.filter((one) => one.latest);
  const shown = all ? measured : measured.slice(0, SHOWN);
  return (
    <section className="card pad">
      <div className="row wrap" style={{ gap: 8, marginBottom: 6 }}>
        <h2 className="grow row" style={{ margin: 0, gap: 8 }}><Activity size={18} aria-hidden />{text.t("machine.now")}</h2>
        <StateChip state={asset.state} small /><PresenceChip presence={asset.presence} small />
      </div>
      <div className="small muted">{asset.last_reading_at ? <>{text.t("machine.last")} <Ago at={asset.last_reading_at} /></> : text.t("machine.never")}</div>
      {shown.map((metric) => <Value key={metric.metric} asset={asset.id} metric={metric} until={asset.replayed ? asset.last_reading_at : null} />)}
      {measured.length > SHOWN && !all && <button type="button" className="plainbutton link" style={{ minHeight: 46 }} onClick={() => showAll(true)}>{text.t("machine.all", { count: measured.length })}</button>}
    </section>
  );
}

function Value(props: { asset: string; metric: MetricInfo; until: string | null }) {
  const text = useText();
  const { metric } = props;
  const value = metric.latest!.value;
  const number = typeof value === "number" ? value : null;
  const out = number !== null && ((metric.high_high !== null && number > metric.high_high) || (metric.low_low !== null && number < metric.low_low));
  const near = number !== null && !out && ((metric.high !== null && number > metric.high) || (metric.low !== null && number < metric.low));
  return (
    <div className="line row" style={{ gap: 10 }}>
      <span className="grow"><span className="break" style={{ fontWeight: 560 }}>{metricLabel(metric, text.language)}</span><span className="small muted" style={{ display: "block" }}><Ago at={metric.latest!.t} />{metric.latest!.quality && metric.latest!.quality !== "good" && ` · ${text.code("quality", metric.latest!.quality)}`}</span></span>
      {number !== null && <Trend asset={props.asset} metric={metric.metric} until={props.until} tone={out ? "trouble" : near ? "watch" : "learning"} />}
      <b className="num nowrap" style={{ fontSize: 17, color: out ? "#b3261e" : near ? "#8f5a00" : undefined, minWidth: 74, textAlign: "right" }}>{text.value(value, metric.unit_label ?? metric.unit)}</b>
    </div>
  );
}

/** The last hours, small; without a network as they were drawn last. */
function Trend(props: { asset: string; metric: string; until: string | null; tone: "trouble" | "watch" | "learning" }) {
  const { asset, metric } = props;
  const name = `${metric}@${HOURS}h`;
  const drawn = useQuery({
    queryKey: ["readings", "trend", asset, metric],
    queryFn: async () => {
      const until = props.until ? Date.parse(props.until) : Date.now();
      try {
        const readings = await api<Readings>(`/assets/${asset}/readings${query({ metric, from: new Date(until - HOURS * 3_600_000).toISOString(), to: new Date(until).toISOString(), points: POINTS })}`);
        await charts.keep(asset, name, { readings, expected: null });
        return readings;
      } catch (error) {
        const held = await charts.read(asset, name);
        if (held) return held.readings;
        throw error;
      }
    },
    refetchInterval: 60_000, networkMode: "always", retry: false,
  });
  return <Spark values={(drawn.data?.points ?? []).map((point) => point.mean)} tone={props.tone} width={72} height={30} />;
}

/** What was done when the same happened before, the most frequent first. */
export function LastFixes(props: { path: string; most?: number }) {
  const text = useText();
  const fixes = useKept<{ items: Fix[]; basis: string }>(["last-fixes"], props.path, 300_000);
  const items = (fixes.data?.items ?? []).slice(0, props.most ?? 5);
  if (items.length === 0) return null;
  return (
    <section className="card pad">
      <h2 className="row" style={{ gap: 8 }}><Wrench size={18} aria-hidden />{text.t("machine.fixed_by")}</h2>
      {fixes.data!.basis !== "none" && <div className="small muted" style={{ marginTop: -6, marginBottom: 4 }}>{text.code("machine.basis", fixes.data!.basis)}</div>}
      {items.map((one, index) => (
        <div key={index} className="line">
          <div className="row wrap" style={{ gap: 8 }}>
            <b className="grow break" style={{ fontWeight: 640 }}>{one.action ? nameIn(one.action, text) : text.code("outcome", one.outcome)}</b>
            {one.here > 0 && <Chip small tone="ok">{text.t("machine.here")}</Chip>}
            <span className="small muted num">{text.t("machine.times", { count: one.count })}</span>
          </div>
          <div className="small muted break">{[one.failure_mode ? nameIn(one.failure_mode, text) : "", one.cause ? nameIn(one.cause, text) : "", one.last_number, one.last_at ? text.day(one.last_at) : ""].filter(Boolean).join(" · ")}</div>
          {one.last_note && <div className="small break" style={{ marginTop: 2 }}>“{one.last_note}”</div>}
        </div>
      ))}
    </section>
  );
}

function History(props: { asset: string }) {
  const text = useText();
  const timeline = useKept<Page<TimelineItem>>(["timeline"], historyPath(props.asset), 60_000);
  if (!timeline.data) return timeline.error ? <Failure error={timeline.error} retry={() => void timeline.refetch()} /> : null;
  return (
    <section className="card pad">
      <h2 className="row" style={{ gap: 8 }}><Past size={18} aria-hidden />{text.t("field.history")}</h2>
      {timeline.data.items.length === 0 ? <div className="small muted">{text.t("timeline.empty")}</div> : <Timeline items={timeline.data.items} base="/work" />}
    </section>
  );
}
