/** The fleet at a glance: what is in trouble first, large; what is well last, small. */
import { Button, Skeleton, TextInput } from "@mantine/core";
import { BrainCircuit, CheckCircle2, ChevronRight, ClipboardList, PlugZap, Search } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Link, useOutletContext } from "react-router";

import { useOverview } from "../api/hooks";
import { may } from "../api/rows";
import type { AssetCard, Me, Overview } from "../api/types";
import { useText } from "../i18n/useText";
import { metricLabel } from "../text/metrics";
import { noticed } from "../text/noticed";
import { Marks, Chip, STATE_LOOK, StateChip } from "../ui/chips";
import { Ago, PageHead, Since, useTitle } from "../ui/parts";
import { Spark } from "../ui/Spark";
import { Empty, Loaded } from "../ui/states";
import { TONES, type Tone } from "../ui/theme";

const SEARCH_FROM = 12; // fewer machines are found by eye

export function OverviewPage() {
  const text = useText();
  const overview = useOverview();
  const connects = may(useOutletContext<Me>(), "device.manage");
  useTitle(text.t("nav.overview"));
  return (
    <>
      <PageHead
        title={text.t("overview.title")}
        sub={text.t("overview.sub")}
        right={connects && <Button component={Link} to="/devices/connect" variant="default" leftSection={<PlugZap size={16} />}>{text.t("connect.action")}</Button>}
      />
      <Loaded of={overview} skeleton={<Waiting />}>{(data) => <Fleet data={data} />}</Loaded>
    </>
  );
}

function Waiting() {
  return (
    <div className="stack" style={{ gap: 18 }} aria-busy>
      <Skeleton height={84} radius="md" />
      <div className="troubles"><Skeleton height={210} radius="md" /><Skeleton height={210} radius="md" /></div>
      <div className="fine">{Array.from({ length: 8 }, (_, index) => <Skeleton key={index} height={58} radius="md" />)}</div>
    </div>
  );
}

function Fleet(props: { data: Overview }) {
  const text = useText();
  const connects = may(useOutletContext<Me>(), "device.manage");
  const [sought, setSought] = useState("");
  const { counts } = props.data;
  const all = props.data.assets.filter((asset) => matches(asset, sought));
  const of = (...states: string[]) => all.filter((asset) => states.includes(asset.state));
  const trouble = of("trouble").sort(bySeverity);
  const watch = of("watch");
  const learning = of("learning");
  const silent = of("no_data");
  const fine = of("ok");
  if (props.data.assets.length === 0)
    return (
      <Empty
        icon={PlugZap}
        sentence={text.t("overview.empty")}
        action={connects && <Button component={Link} to="/devices/connect">{text.t("connect.action")}</Button>}
        example={<>{text.t("overview.empty_example")} <span className="mono">forewarn-edge claim K7QF-2MXD --server http://…</span></>}
      />
    );
  return (
    <>
      <Figures counts={counts} />
      {props.data.counted_at && <p className="small muted">{text.t("overview.counted")} <Ago at={props.data.counted_at} /></p>}
      {props.data.assets.length >= SEARCH_FROM && (
        <TextInput mt="md" maw={360} value={sought} onChange={(event) => setSought(event.currentTarget.value)} leftSection={<Search size={16} />} placeholder={text.t("overview.search")} aria-label={text.t("overview.search")} />
      )}
      {sought && all.length === 0 && <p className="muted">{text.t("overview.nothing_found", { sought })}</p>}
      {trouble.length > 0 ? (
        <Part title={text.t("overview.in_trouble")} count={trouble.length}>
          <div className="troubles">{trouble.map((asset) => <TroubleCard key={asset.id} asset={asset} />)}</div>
        </Part>
      ) : (
        !sought && (
          <div className="calm" style={{ marginTop: 20 }}>
            <CheckCircle2 size={26} aria-hidden />
            <div><div style={{ fontWeight: 620 }}>{text.t("overview.calm")}</div><div className="small">{text.t("overview.calm_more")}</div></div>
          </div>
        )
      )}
      {watch.length > 0 && (
        <Part title={text.t("overview.watching")} count={watch.length} hint={text.t("overview.watching_hint")}>
          <div className="watches">{watch.map((asset) => <WatchCard key={asset.id} asset={asset} />)}</div>
        </Part>
      )}
      {silent.length > 0 && <Compact title={text.t("overview.silent")} hint={text.t("overview.silent_hint")} assets={silent} />}
      {learning.length > 0 && <Compact title={text.t("overview.learning")} hint={text.t("overview.learning_hint")} assets={learning} />}
      {fine.length > 0 && <Compact title={text.t("overview.fine")} assets={fine} />}
    </>
  );
}

function matches(asset: AssetCard, sought: string): boolean {
  const words = [asset.name, asset.serial, asset.site?.name, asset.customer?.name, asset.model?.name_en, asset.model?.name_zh];
  return words.join(" ").toLowerCase().includes(sought.trim().toLowerCase());
}

function bySeverity(one: AssetCard, other: AssetCard): number {
  const rank = (asset: AssetCard) => ["critical", "warning", "info"].indexOf(asset.worst?.severity ?? "info");
  return rank(one) - rank(other) || (other.worst?.since ?? "").localeCompare(one.worst?.since ?? "");
}

function Part(props: { title: string; count: number; hint?: string; children: ReactNode }) {
  return (
    <section>
      <div className="section"><h2>{props.title}</h2><span className="tally">{props.count}</span>{props.hint && <span className="small muted hide-phone">{props.hint}</span>}</div>
      {props.children}
    </section>
  );
}

function Figures(props: { counts: Overview["counts"] }) {
  const text = useText();
  const { counts } = props;
  const models = counts.opened_by_models;
  return (
    <div className="figures">
      <Figure value={counts.in_trouble} tone={counts.in_trouble ? "trouble" : "ok"} state="trouble" label={text.t("overview.in_trouble")} more={text.t("overview.of_machines", { count: counts.assets })} />
      <Figure value={counts.watching} tone="watch" state="watch" label={text.t("overview.watching")} />
      <Figure value={counts.learning} tone="learning" state="learning" label={text.t("overview.learning")} />
      <Figure value={counts.offline} tone="quiet" state="no_data" label={text.t("overview.offline")} />
      <Link to="/work-orders" className="figure plain">
        <div className="what"><ClipboardList size={14} aria-hidden />{text.t("overview.open_orders")}</div>
        <div className="big">{text.number(counts.open_work_orders)}</div>
        <div className="more row" style={{ color: TONES.model.ink, gap: 5 }}><BrainCircuit size={13} style={{ flex: "none" }} aria-hidden />{text.t("overview.by_models", { count: models })}</div>
      </Link>
    </div>
  );
}

function Figure(props: { value: number; tone: Tone; state: keyof typeof STATE_LOOK; label: string; more?: string }) {
  const text = useText();
  const Icon = STATE_LOOK[props.state].icon;
  return (
    <div className="figure">
      <div className="what"><Icon size={14} aria-hidden style={{ color: props.value ? TONES[props.tone].ink : undefined, flex: "none" }} /><span className="clamp1">{props.label}</span></div>
      <div className="big" style={{ color: props.value ? TONES[props.tone].ink : "var(--faint)" }}>{text.number(props.value)}</div>
      {props.more && <div className="more">{props.more}</div>}
    </div>
  );
}

export function place(asset: Pick<AssetCard, "site" | "customer" | "model">, language: string): string {
  const model = language === "zh" ? asset.model?.name_zh : asset.model?.name_en;
  return [model, asset.site?.name, asset.customer?.name].filter(Boolean).join(" · ");
}

function Headline(props: { asset: AssetCard; tone: Tone }) {
  const text = useText();
  const { headline } = props.asset;
  if (!headline) return null;
  return (
    <div>
      <Spark values={props.asset.spark} tone={props.tone} width={150} height={52} />
      <div className="row" style={{ justifyContent: "space-between", gap: 6 }}>
        <span className="tiny muted clamp1">{metricLabel(headline.metric, text.language)}</span>
        <span className="small num" style={{ fontWeight: 640, whiteSpace: "nowrap" }}>{text.value(headline.value, headline.unit_label ?? headline.unit)}</span>
      </div>
    </div>
  );
}

function TroubleCard(props: { asset: AssetCard }) {
  const text = useText();
  const { asset } = props;
  const order = asset.open_work_order;
  return (
    <article className="card trouble">
      <div className="strip">
        <STATE_LOOK.trouble.icon size={15} aria-hidden />
        <span>{asset.worst ? text.code("severity", asset.worst.severity) : text.code("asset_state", "trouble")}</span>
        <span className="grow" />
        {asset.worst && <Since at={asset.worst.since} />}
      </div>
      <div className="body">
        <div style={{ minWidth: 0 }}>
          <Link to={`/assets/${asset.id}`} className="plain name break clamp2">{asset.name}</Link>
          <div className="small muted clamp2">{place(asset, text.language) || asset.serial}</div>
          {asset.worst && <div className="said">{noticed(asset.worst, text)}</div>}
        </div>
        <Headline asset={asset} tone="trouble" />
      </div>
      <div className="foot">
        {order ? (
          <Button component={Link} to={`/work-orders/${order.id}`} size="compact-md" variant="filled" color="gray.9" rightSection={<ChevronRight size={15} />}>{order.number}</Button>
        ) : (
          <Button component={Link} to={`/assets/${asset.id}`} size="compact-md" variant="default" rightSection={<ChevronRight size={15} />}>{text.t("overview.see_machine")}</Button>
        )}
        {order?.state && <Chip tone="quiet" small plain>{text.code("state", order.state)}</Chip>}
        <span className="grow" />
        <Marks demo={asset.demo} replayed={asset.replayed} />
      </div>
    </article>
  );
}

function WatchCard(props: { asset: AssetCard }) {
  const text = useText();
  const { asset } = props;
  return (
    <Link to={`/assets/${asset.id}`} className="card watch">
      <div className="row"><span className="grow clamp1" style={{ fontWeight: 620 }}>{asset.name}</span><StateChip state="watch" small /></div>
      <div className="tiny muted clamp1">{place(asset, text.language) || asset.serial}</div>
      <div className="row" style={{ marginTop: 8, alignItems: "flex-end" }}>
        <div className="grow">
          <div className="small">{asset.worst ? noticed(asset.worst, text) : "–"}</div>
          <div className="tiny muted row wrap" style={{ marginTop: 3 }}>{asset.worst && <Since at={asset.worst.since} />}<Marks demo={asset.demo} replayed={asset.replayed} /></div>
        </div>
        <Spark values={asset.spark} tone="watch" width={76} height={30} />
      </div>
    </Link>
  );
}

function Compact(props: { title: string; hint?: string; assets: AssetCard[] }) {
  const text = useText();
  return (
    <Part title={props.title} count={props.assets.length} hint={props.hint}>
      <div className="fine">
        {props.assets.map((asset) => {
          const look = STATE_LOOK[asset.state];
          return (
            <Link key={asset.id} to={`/assets/${asset.id}`}>
              <div className="row" style={{ gap: 6, gridColumn: "1 / -1" }}>
                <look.icon size={14} style={{ color: TONES[look.tone].ink, flex: "none" }} aria-label={text.code("asset_state", asset.state)} />
                <span className="clamp1 grow" style={{ fontWeight: 580, fontSize: 14 }} title={asset.name}>{asset.name}</span>
                <Marks demo={asset.demo} replayed={asset.replayed} />
              </div>
              <div className="tiny muted" style={{ marginTop: 4, minWidth: 0 }}>
                {asset.state === "no_data" || !asset.headline ? (
                  asset.last_reading_at ? <>{text.t("overview.last_reading")} <Ago at={asset.last_reading_at} /></> : text.t("overview.no_reading")
                ) : (
                  <>
                    <div className="clamp1">{metricLabel(asset.headline.metric, text.language)}</div>
                    <div className="num" style={{ color: "var(--ink)", fontWeight: 600, fontSize: 13 }}>{text.value(asset.headline.value, asset.headline.unit_label ?? asset.headline.unit)}</div>
                  </>
                )}
              </div>
              <Spark values={asset.spark} tone={look.tone} width={92} height={34} />
            </Link>
          );
        })}
      </div>
    </Part>
  );
}
