/** Dispatch: who goes where and when, on one board that several dispatchers share. */
import { ActionIcon, Button, SegmentedControl, Select } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { CalendarOff, ChevronLeft, ChevronRight, LifeBuoy, UsersRound } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Link, useNavigate, useOutletContext, useSearchParams } from "react-router";

import { may, useList, useOne } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip, WorkChip } from "../../ui/chips";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import type { Spot } from "../assets/mapDraw";
import type { Tiles } from "../assets/mapTiles";
import { midnight, nameOf, plus, useBench, useBoard, type Board, type Waiting } from "./look";
import { MoveDialog } from "./MoveDialog";
import { Plans } from "./Plans";
import type { Drop, Look } from "./Timeline";
import { WaitingList } from "./Waiting";

const Timeline = lazy(() => import("./Timeline").then((made) => ({ default: made.Timeline })));
const PointMap = lazy(() => import("../assets/PointMap").then((made) => ({ default: made.PointMap })));

type Shown = "day" | "week" | "calendar" | "map";
const LOOKS: Record<Exclude<Shown, "map">, Look> = { day: "resourceTimelineDay", week: "resourceTimelineWeek", calendar: "timeGridWeek" };

export function DispatchPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const go = useNavigate();
  const phone = useMediaQuery("(max-width: 760px)") ?? false;
  const [shown, setShown] = useState<Shown>("day");
  const [at, setAt] = useState(() => midnight(new Date()));
  const [drop, setDrop] = useState<Drop | null>(null);
  useTitle(text.t("nav.dispatch"));
  const count = shown === "day" || shown === "map" ? 1 : 7;
  const days = { first: count === 7 ? plus(at, -((at.getDay() + 6) % 7)) : at, count };
  const [params, setParams] = useSearchParams();
  const team = params.get("team");
  const teams = useList<{ id: string; name: string }>("/teams", { limit: 200 }).data?.items ?? [];
  const board = useBoard(days, team);
  const bench = useBench(days, team);
  const editable = may(me, "dispatch.plan");
  const give = (order: Waiting, technician: string, start: string) => setDrop({ order: order.work_order_id, technician, start: new Date(start), revert: () => undefined });
  const day = new Intl.DateTimeFormat(text.language === "zh" ? "zh-CN" : "en-GB", { weekday: "short", day: "numeric", month: "long" });
  const title = count === 7 ? day.formatRange(days.first, plus(days.first, 6)) : day.format(days.first);
  return (
    <>
      <PageHead title={text.t("nav.dispatch")} sub={text.t("dispatch.sub")} />
      <div className="row wrap" style={{ gap: 8, marginBottom: 12 }}>
        <ActionIcon variant="default" aria-label={text.t("dispatch.before")} onClick={() => setAt(plus(at, -count))}><ChevronLeft size={16} /></ActionIcon>
        <Button size="compact-sm" variant="default" onClick={() => setAt(midnight(new Date()))}>{text.t("dispatch.today")}</Button>
        <ActionIcon variant="default" aria-label={text.t("dispatch.after")} onClick={() => setAt(plus(at, count))}><ChevronRight size={16} /></ActionIcon>
        <b className="grow">{title}</b>
        {(teams.length > 1 || team) && <Select size="xs" w={190} clearable searchable placeholder={text.t("dispatch.every_team")} aria-label={text.t("work.team")} value={team} onChange={(value) => setParams(value ? { team: value } : {}, { replace: true })} data={teams.map((one) => ({ value: one.id, label: one.name }))} />}
        <SegmentedControl size="xs" value={shown} onChange={(value) => setShown(value as Shown)} data={(["day", "week", "calendar", "map"] as Shown[]).map((value) => ({ value, label: text.t(`dispatch.view.${value}`) }))} />
      </div>
      <Loaded of={board} skeleton={<Bones rows={8} height={40} />}>
        {(data) => (
          <div className="stack" style={{ gap: 16 }}>
            {data.visits_total > data.visits.length && <Notice tone="watch">{text.t("dispatch.shown_of", { shown: data.visits.length, total: data.visits_total })}</Notice>}
            {data.resources.length === 0 ? <Empty icon={UsersRound} sentence={text.t("dispatch.nobody")} action={<Link className="link" to="/people/technicians">{text.t("people.tab.technicians")}</Link>} />
              : shown === "map" ? <BoardMap board={data} bench={bench.data?.items ?? []} />
              : phone ? <Lines board={data} />
              : <Suspense fallback={<Bones rows={8} height={40} />}><Timeline board={data} look={LOOKS[shown]} first={days.first} editable={editable} drop={setDrop} open={(bar) => void go(`/work-orders/${bar.work_order_id}`)} /></Suspense>}
            <div style={{ display: "grid", gap: 16, gridTemplateColumns: phone ? "minmax(0, 1fr)" : "minmax(0, 3fr) minmax(0, 2fr)" }}>
              <Loaded of={bench} skeleton={<Bones rows={5} />}>{(waiting) => <WaitingList bench={waiting} editable={editable} give={give} />}</Loaded>
              <Plans days={days} />
            </div>
          </div>
        )}
      </Loaded>
      {drop && board.data && <MoveDialog key={`${drop.visit?.id ?? drop.order}${drop.start.getTime()}${drop.technician}`} drop={drop} board={board.data} bench={bench.data?.items ?? []} close={() => setDrop(null)} />}
    </>
  );
}

/** The board on a phone: each person's visits one below the other. */
function Lines(props: { board: Board }) {
  const text = useText();
  return (
    <>
      {props.board.resources.map((line) => {
        const visits = props.board.visits.filter((bar) => bar.technician_id === line.id);
        return (
          <CardBlock key={line.id} title={line.name}>
            {line.absences.map((away) => <div key={away.starts_at} className="small row" style={{ gap: 6 }}><CalendarOff size={14} aria-hidden />{text.moment(away.starts_at)} – {text.moment(away.ends_at)}</div>)}
            {visits.length === 0 && <div className="small muted">{text.t(line.shifts.length ? "dispatch.free" : "dispatch.off")}</div>}
            {visits.map((bar) => (
              <Link key={bar.id} to={`/work-orders/${bar.work_order_id}`} className="line" style={{ display: "block" }}>
                <div className="row wrap" style={{ gap: 8 }}><b>{text.moment(bar.planned_start)}</b><span className="mono small">{bar.number}</span><WorkChip state={bar.state} small />{bar.help_open > 0 && <Chip small tone={bar.help_urgent ? "trouble" : "watch"} icon={LifeBuoy}>{text.t(bar.help_urgent ? "help.urgent" : "fieldwork.calls_short")}</Chip>}</div>
                <div className="break small">{nameOf(bar, text)} · {[bar.asset_name, bar.site_name].filter(Boolean).join(" · ")}</div>
              </Link>
            ))}
          </CardBlock>
        );
      })}
    </>
  );
}

/** People at home, visits and waiting orders at their machines. */
function BoardMap(props: { board: Board; bench: Waiting[] }) {
  const text = useText();
  const drawn = useOne<{ tiles: Tiles | null }>("/map-settings");
  const names = new Map(props.board.resources.map((line) => [line.id, line.name]));
  const spots: Spot[] = [
    ...props.board.resources.filter((line) => line.home).map((line) => ({ id: line.id, name: line.name, serial: text.t("dispatch.home"), state: "ok" as const, to: `/people/technicians/${line.id}`, ...line.home! })),
    ...props.board.visits.filter((bar) => bar.place).map((bar) => ({ id: bar.id, name: `${bar.number} · ${nameOf(bar, text)}`, serial: `${names.get(bar.technician_id ?? "") ?? "–"} · ${text.moment(bar.planned_start)}`, state: "watch" as const, to: `/work-orders/${bar.work_order_id}`, ...bar.place! })),
    ...props.bench.filter((one) => one.place).map((one) => ({ id: one.work_order_id, name: `${one.number} · ${nameOf(one, text)}`, serial: text.code("reason", one.reason_code), state: "trouble" as const, to: `/work-orders/${one.work_order_id}`, ...one.place! })),
  ];
  if (spots.length === 0) return <Empty icon={UsersRound} sentence={text.t("dispatch.nothing_on_map")} />;
  return <Suspense fallback={<Bones rows={8} height={40} />}><PointMap spots={spots} tiles={drawn.data?.tiles ?? null} /></Suspense>;
}
