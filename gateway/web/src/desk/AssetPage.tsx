/** One machine: how it is, what it measures, what was noticed, what happened to it. */
import { Button, Modal, Progress, Skeleton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { BrainCircuit, ChevronDown, ChevronRight, ExternalLink, OctagonAlert, QrCode, TriangleAlert } from "lucide-react";
import { lazy, Suspense, useState, type ComponentType } from "react";
import { Link, useOutletContext, useParams } from "react-router";

import { useAsset, useFindings, useTimeline } from "../api/hooks";
import { may as allowed } from "../api/rows";
import type { AssetDetail, Finding, Me } from "../api/types";
import { useText, type Text } from "../i18n/useText";
import { metricLabel } from "../text/metrics";
import { noticed } from "../text/noticed";
import { Marks, PresenceChip, SeverityChip, StateChip } from "../ui/chips";
import { Ago, CardBlock, Facts, PageHead, Qr, Since, useTitle } from "../ui/parts";
import { Bones, Loaded } from "../ui/states";
import { Tabs } from "../ui/Tabs";
import { Timeline } from "../ui/Timeline";
import { TONES } from "../ui/theme";
import { decides } from "./alarms/AlarmsPage";
import { EditAsset, Rebaseline } from "./assets/About";
import type { AssetLife } from "./assets/LifeTab";
import { LifecycleChip, OperationChip } from "./assets/look";
import { BudgetLine } from "./explain/BudgetLine";
import { FindingWhy } from "./explain/FindingWhy";
import { LifeCard } from "./explain/LifeCard";
import { Silenced, SilenceMenu } from "./explain/Silence";
import { ExportButton } from "./ExportDialog";
import { MetricChart } from "./MetricChart";
import { ValuesTable } from "./ValuesTable";
import { place } from "./OverviewPage";

const LifeTab = lazy(() => import("./assets/LifeTab").then((made) => ({ default: made.LifeTab })));
const MetersTab = lazy(() => import("./assets/MetersTab").then((made) => ({ default: made.MetersTab })));
const PartsTab = lazy(() => import("./assets/PartsTab").then((made) => ({ default: made.PartsTab })));
const WarrantyTab = lazy(() => import("./warranty/WarrantyTab").then((made) => ({ default: made.WarrantyTab })));
const DocumentsTab = lazy(() => import("./assets/DocumentsTab").then((made) => ({ default: made.DocumentsTab })));
const HistoryTab = lazy(() => import("./assets/HistoryTab").then((made) => ({ default: made.HistoryTab })));

const TABS: Record<string, ComponentType<{ asset: AssetDetail }>> = { life: LifeTab, meters: MetersTab, parts: PartsTab, warranty: WarrantyTab, documents: DocumentsTab, history: HistoryTab };

export function AssetPage() {
  const { id = "" } = useParams();
  const asset = useAsset(id);
  const text = useText();
  useTitle(asset.data?.name);
  return (
    <>
      <Loaded of={asset} skeleton={<Waiting />}>{(data) => <Machine asset={data} key={data.id} />}</Loaded>
      {asset.error && !asset.data && <Link className="back" to="/assets">{text.t("nav.assets")}</Link>}
    </>
  );
}

function Waiting() {
  return (
    <div className="stack" style={{ gap: 16 }} aria-busy>
      <Skeleton height={34} width="40%" /><Skeleton height={18} width="60%" />
      <div className="two"><div><Skeleton height={420} radius="md" /></div><div><Skeleton height={200} radius="md" /></div></div>
    </div>
  );
}

function Machine(props: { asset: AssetDetail }) {
  const { asset } = props;
  const text = useText();
  const [qr, showQr] = useDisclosure(false);
  const may = decides(useOutletContext<Me>());
  const Tab = TABS[useParams().tab ?? ""];
  const url = new URL(asset.customer_url || `/a/${asset.code}`, location.origin).toString();
  return (
    <>
      <PageHead
        back={{ to: "/assets", label: text.t("nav.assets") }}
        title={asset.name}
        marks={<><StateChip state={asset.state} /><Marks demo={asset.demo} replayed={asset.replayed} /></>}
        sub={<>{place(asset, text.language)}{place(asset, text.language) && " · "}<span className="mono">{asset.serial}</span></>}
        right={<>{may && <SilenceMenu asset={asset} />}<ExportButton asset={asset} /><Button variant="default" leftSection={<QrCode size={16} />} onClick={showQr.open}>{text.t("asset.customer_page")}</Button></>}
      />
      <Modal opened={qr} onClose={showQr.close} title={text.t("asset.customer_page")}>
        <div className="stack" style={{ alignItems: "center", textAlign: "center", gap: 14 }}>
          <Qr value={url} size={200} label={text.t("asset.qr_alt")} />
          <div className="small muted">{text.t("asset.qr_hint")}</div>
          <a className="link small break" href={url} target="_blank" rel="noreferrer">{url} <ExternalLink size={13} style={{ verticalAlign: -2 }} /></a>
        </div>
      </Modal>
      <AssetNav id={asset.id} />
      {Tab ? <Suspense fallback={<Bones rows={6} />}><Tab asset={asset} /></Suspense> : <Now asset={asset} manage={may} />}
    </>
  );
}

function AssetNav(props: { id: string }) {
  const { t } = useText();
  const tabs = ["", ...Object.keys(TABS)].map((name) => ({ to: `/assets/${props.id}${name && `/${name}`}`, label: t(`asset.tab.${name || "now"}`) }));
  return <Tabs tabs={tabs} label={t("asset.about")} />;
}

function Now(props: { asset: AssetDetail; manage: boolean }) {
  const { asset, manage } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const [metric, setMetric] = useState<string | null>(null);
  const chosen = metric ?? firstMetric(asset);
  return (
    <>
      {asset.worst && (asset.state === "trouble" || asset.state === "watch") && <Callout asset={asset} />}
      <Silenced asset={asset.id} manage={manage} />
      <div className="two">
        <div>
          <MetricChart asset={asset} metric={chosen} onMetric={setMetric} />
          <CardBlock title={text.t("asset.values")} flush><ValuesTable asset={asset} chosen={chosen} choose={setMetric} /></CardBlock>
          <History asset={asset} />
        </div>
        <div>
          <CardBlock title={text.t("asset.about")} right={allowed(me, "asset.manage") && <EditAsset asset={asset} />}><About asset={asset} /></CardBlock>
          {asset.learning && <Learning learning={asset.learning} asset={asset} manage={manage} />}
          <LifeCard asset={asset.id} />
          <Findings asset={asset} />
        </div>
      </div>
    </>
  );
}

function firstMetric(asset: AssetDetail): string | null {
  const numeric = asset.metrics.filter((one) => typeof one.latest?.value !== "string" && one.role !== "mode");
  const noticedMetric = asset.worst?.signature.split(/[:+|]/)[0];
  return (
    numeric.find((one) => one.metric === noticedMetric)?.metric ??
    numeric.find((one) => one.metric === asset.headline?.metric)?.metric ??
    numeric[0]?.metric ??
    null
  );
}

function Callout(props: { asset: AssetDetail }) {
  const text = useText();
  const { asset } = props;
  const tone = asset.state === "trouble" ? TONES.trouble : TONES.watch;
  const Icon = asset.state === "trouble" ? OctagonAlert : TriangleAlert;
  return (
    <div className="card pad row wrap" style={{ background: tone.fill, borderColor: tone.line, marginBottom: 16, gap: 14 }}>
      <Icon size={24} style={{ color: tone.ink, flex: "none" }} aria-hidden />
      <div className="grow" style={{ flexBasis: 220 }}>
        <div style={{ fontWeight: 640, color: tone.ink }}>{asset.worst && noticed(asset.worst, text)}</div>
        <div className="small" style={{ color: tone.ink }}>{asset.worst && <Since at={asset.worst.since} />}</div>
      </div>
      {asset.open_work_order && (
        <Button component={Link} to={`/work-orders/${asset.open_work_order.id}`} color="gray.9" rightSection={<ChevronRight size={15} />}>{asset.open_work_order.number}</Button>
      )}
    </div>
  );
}

function About(props: { asset: AssetDetail }) {
  const text = useText();
  const { asset } = props;
  const model = text.language === "zh" ? asset.model?.name_zh : asset.model?.name_en;
  return (
    <Facts
      rows={[
        [text.t("asset.model"), model ?? "–"],
        [text.t("asset.serial"), <span className="mono">{asset.serial}</span>],
        [text.t("asset.site"), asset.site?.name ?? "–"],
        [text.t("asset.customer"), asset.customer?.name ?? "–"],
        ...customRows(asset, text),
        [text.t("asset.operation"), <span className="row wrap" style={{ gap: 6 }}><OperationChip state={asset.operation} /><LifecycleChip state={asset.lifecycle} /></span>],
        [text.t("asset.installed"), text.day(asset.installed_at)],
        [text.t("asset.last_reading"), asset.last_reading_at ? <Ago at={asset.last_reading_at} /> : "–"],
        ...asset.devices.map((device): [string, React.ReactNode] => [
          text.t("asset.device"),
          <span className="row wrap" style={{ gap: 6 }}><span className="mono break">{device.serial}</span><PresenceChip presence={device.presence} small /></span>,
        ]),
      ]}
    />
  );
}

/** What the asset model asks for besides. */
function customRows(asset: AssetDetail & AssetLife, text: Text): [React.ReactNode, React.ReactNode][] {
  return (asset.custom_fields ?? []).filter((field) => asset.custom?.[field.key] !== undefined && asset.custom[field.key] !== null).map((field) => {
    const value = asset.custom![field.key];
    const choice = field.choices?.find((one) => one.value === value);
    const said = choice ? (text.language === "zh" ? choice.zh : choice.en) : typeof value === "boolean" ? text.t(value ? "form.yes" : "form.no") : field.kind === "date" ? text.day(String(value)) : text.value(value as string | number, field.unit);
    return [text.language === "zh" ? field.label_zh : field.label_en, said];
  });
}

function Learning(props: { learning: NonNullable<AssetDetail["learning"]>; asset: AssetDetail; manage: boolean }) {
  const text = useText();
  const { learning } = props;
  const ready = learning.state === "ready";
  const waitsFor = learning.missing.map((word) => text.code("learning", word));
  const outside = learning.waiting.map((metric) => metricLabel(props.asset.metrics.find((one) => one.metric === metric) ?? metric, text.language));
  return (
    <CardBlock title={<span className="row" style={{ gap: 7 }}><BrainCircuit size={16} style={{ color: TONES.model.ink }} aria-hidden />{text.t("learning.title")}</span>}>
      <div className="small" style={{ marginBottom: ready ? 0 : 10 }}>{text.code("learning.state", learning.state)}</div>
      {!ready && (
        <>
          <Progress value={Math.max(3, learning.progress * 100)} color="grape" size="md" radius="xl" aria-label={text.t("learning.title")} />
          <div className="tiny muted" style={{ marginTop: 6 }}>{text.percent(learning.progress)}{waitsFor.length > 0 && ` · ${text.t("learning.needs", { what: waitsFor.join(", ") })}`}</div>
        </>
      )}
      {outside.length > 0 && <div className="tiny muted" style={{ marginTop: 6 }}>{text.t("learning.waiting", { what: outside.join(", ") })}</div>}
      <BudgetLine asset={props.asset.id} />
      {props.manage && <div style={{ marginTop: 10 }}><Rebaseline asset={props.asset.id} /></div>}
    </CardBlock>
  );
}

function Findings(props: { asset: AssetDetail }) {
  const text = useText();
  const findings = useFindings(props.asset.id);
  const [all, setAll] = useState(false);
  return (
    <CardBlock title={text.t("findings.title")}>
      <Loaded of={findings} skeleton={<Skeleton height={80} />}>
        {(page) =>
          page.items.length === 0 ? (
            <div className="small muted">{text.t("findings.empty")}</div>
          ) : (
            <div className="stack" style={{ gap: 14 }}>
              {page.items.slice(0, all ? undefined : 5).map((finding) => <FindingRow key={finding.id} finding={finding} />)}
              {!all && page.items.length > 5 && <button type="button" className="plainbutton small link" onClick={() => setAll(true)}>{text.t("action.show_all", { count: page.items.length })}</button>}
            </div>
          )
        }
      </Loaded>
    </CardBlock>
  );
}

function FindingRow(props: { finding: Finding }) {
  const text = useText();
  const [why, setWhy] = useState(false);
  const { finding } = props;
  return (
    <div>
      <div className="row wrap" style={{ gap: 6, marginBottom: 4 }}>
        {finding.cleared_at ? <span className="tiny muted">{text.t("findings.over")}</span> : <SeverityChip severity={finding.severity} small />}
        {finding.learning && <span className="tiny muted">{text.t("findings.learning")}</span>}
        <Marks replayed={finding.replayed} />
      </div>
      <div className="small" style={{ fontWeight: 560 }}>{noticed(finding, text)}</div>
      <div className="tiny muted">
        {text.moment(finding.first_at)}{finding.cleared_at && ` · ${text.lasted(finding.first_at, finding.cleared_at)}`} · {text.t("findings.confidence", { share: text.percent(finding.confidence) })}
      </div>
      <button type="button" className="plainbutton tiny link row" style={{ gap: 3, marginTop: 3 }} aria-expanded={why} onClick={() => setWhy(!why)}>
        <ChevronDown size={13} aria-hidden style={{ transform: why ? "rotate(180deg)" : undefined }} />{text.t(why ? "planner.hide_why" : "planner.show_why")}
      </button>
      {why && <FindingWhy finding={finding} />}
    </div>
  );
}

function History(props: { asset: AssetDetail }) {
  const text = useText();
  const [limit, setLimit] = useState(20);
  const timeline = useTimeline(props.asset.id, limit);
  return (
    <CardBlock title={text.t("timeline.title")} last>
      <Loaded of={timeline} skeleton={<Bones rows={4} />}>
        {(page) => (
          <>
            {page.items.length === 0 ? <div className="small muted">{text.t("timeline.empty")}</div> : <Timeline items={page.items} />}
            {page.next && limit < 200 && <Button mt="md" variant="default" size="compact-sm" loading={timeline.isFetching} onClick={() => setLimit(limit + 40)}>{text.t("action.earlier")}</Button>}
          </>
        )}
      </Loaded>
    </CardBlock>
  );
}
