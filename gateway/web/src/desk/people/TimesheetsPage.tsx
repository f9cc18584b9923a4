/** Timesheets: what people could work, were planned to and did, by day, week or month; each figure opens its visits. */
import { Modal, SegmentedControl, TextInput } from "@mantine/core";
import { CalendarRange } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext } from "react-router";

import { may, rowsOf, useList, useRows, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { Exports, SearchBox } from "../../ui/ListPage";
import { PageHead, useTitle } from "../../ui/parts";
import { Pick, type Chosen } from "../../ui/Pick";
import { More, Table } from "../../ui/Rows";
import { Bones, Empty, Failure, Loaded } from "../../ui/states";
import { dayOf, Load, plusDays, TEAMS, useHours } from "./common";
import { PeopleTabs } from "./PeopleTabs";

type Sheet = Schema["TimesheetItem"];
type Hours = Schema["HoursItem"];
type Entry = Schema["HoursEntry"];

const FIGURES = ["available", "planned", "worked", "travel"] as const;

export function TimesheetsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const hours = useHours();
  const [first, setFirst] = useState(() => plusDays(dayOf(new Date()), -((new Date().getDay() + 6) % 7)));
  const [last, setLast] = useState(() => plusDays(dayOf(new Date()), 6 - ((new Date().getDay() + 6) % 7)));
  const [period, setPeriod] = useState("day");
  const [q, setQ] = useState("");
  const [team, setTeam] = useState<Chosen | null>(null);
  const [open, setOpen] = useState<Sheet | null>(null);
  const asked = { from: first, until: last, period, q: q || undefined, team_id: team?.id };
  const found = useRows<Sheet>("/timesheets", asked, !!first && !!last);
  const all = may(me, "timesheet.read");
  useTitle(text.t("people.tab.timesheets"));
  const rows = rowsOf(found).map((sheet) => ({ ...sheet, id: sheet.person.id }));
  return (
    <>
      <PageHead title={text.t("people.tab.timesheets")} sub={text.t("timesheets.sub")} right={<Exports name="timesheets" path="/timesheets/export" asked={asked} />} />
      <PeopleTabs />
      <div className="row wrap" style={{ gap: 10, marginBottom: 12 }}>
        <TextInput type="date" aria-label={text.t("col.from")} value={first} max={last} onChange={(event) => event.currentTarget.value && setFirst(event.currentTarget.value)} />
        <TextInput type="date" aria-label={text.t("col.to")} value={last} min={first} onChange={(event) => event.currentTarget.value && setLast(event.currentTarget.value)} />
        <SegmentedControl value={period} onChange={setPeriod} data={["day", "week", "month"].map((word) => ({ value: word, label: text.t(`timesheets.${word}`) }))} />
        {all && <SearchBox value={q} change={setQ} placeholder={text.t("people.search")} />}
        {all && <div className="filter"><Pick of={TEAMS} value={team} change={setTeam} placeholder={text.t("col.team")} /></div>}
      </div>
      {!found.data ? (found.isPending ? <Bones rows={6} /> : <Failure error={found.error} retry={() => void found.refetch()} />) : rows.length === 0 ? <Empty icon={CalendarRange} sentence={text.t("timesheets.empty")} /> : (
        <Table rows={rows} pick={setOpen} columns={[
          { label: "col.name", cell: (row) => <span className="break" style={{ fontWeight: 600 }}>{row.person.name}</span> },
          ...FIGURES.map((figure) => ({ label: `timesheets.${figure}`, num: true, phone: "named" as const, cell: (row: Sheet) => hours(row.total[`${figure}_minutes`]) })),
          { label: "timesheets.visits", num: true, phone: "named", cell: (row) => row.total.visits },
          { label: "timesheets.load", phone: "named", cell: (row) => <Load share={row.total.load} /> },
          { label: "timesheets.used", phone: "named", cell: (row) => <Load share={row.total.used} /> },
        ]} />
      )}
      <More of={found} />
      {open && <Drill of={open} first={first} last={last} period={period} close={() => setOpen(null)} />}
    </>
  );
}

function Drill(props: { of: Sheet; first: string; last: string; period: string; close: () => void }) {
  const text = useText();
  const hours = useHours();
  const { of } = props;
  const found = useList<Entry>(`/timesheets/${of.person.id}/entries`, { from: props.first, until: props.last, limit: undefined });
  const day = (word: string) => text.day(`${word}T12:00:00`);
  const rows = of.periods.map((one) => ({ ...one, id: one.period }));
  return (
    <Modal opened onClose={props.close} title={`${of.person.name} · ${day(props.first)} – ${day(props.last)}`} size="xl">
      <Table plain rows={rows} columns={[
        { label: `timesheets.${props.period}`, cell: (row: Hours) => day(row.period) },
        ...FIGURES.map((figure) => ({ label: `timesheets.${figure}`, num: true, phone: "named" as const, cell: (row: Hours) => hours(row[`${figure}_minutes`]) })),
        { label: "timesheets.used", phone: "named", cell: (row: Hours) => <Load share={row.used} /> },
      ]} />
      <h3 style={{ margin: "18px 0 6px", fontSize: 15 }}>{text.t("timesheets.from_rows")}</h3>
      <Loaded of={found} skeleton={<Bones rows={4} />}>
        {(page) => page.items.length === 0 ? <div className="small muted">{text.t("timesheets.no_rows")}</div> : <div>{page.items.map((entry, index) => (
          <div key={index} className="row wrap line" style={{ gap: "2px 12px" }}>
            <span className="small muted" style={{ width: 104 }}>{day(entry.day)}</span>
            <Chip small tone={entry.figure === "planned" ? "learning" : entry.figure === "worked" ? "ok" : "quiet"}>{text.t(`timesheets.${entry.figure}`)}</Chip>
            <Link className="link mono grow" to={`/work-orders/${entry.work_order_id}`}>{entry.number ?? "—"}</Link>
            <span className="tiny muted">{text.t(`timesheets.source.${entry.source}`)}</span>
            <span className="num" style={{ minWidth: 60, textAlign: "right" }}>{hours(entry.minutes)}</span>
          </div>
        ))}</div>}
      </Loaded>
      <div className="tiny muted stack" style={{ gap: 2, marginTop: 14 }}>{FIGURES.map((figure) => <div key={figure}><b>{text.t(`timesheets.${figure}`)}</b> = {text.t(`timesheets.formula.${figure}`)}</div>)}</div>
    </Modal>
  );
}
