/** What is late or will be soon, the most urgent first; and who was warned of it. */
import { SegmentedControl } from "@mantine/core";
import { AlarmClock, BellRing } from "lucide-react";
import { Link, useSearchParams } from "react-router";

import { rowsOf, useRows, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { PriorityChip } from "../../ui/chips";
import { ListPage } from "../../ui/ListPage";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Failure } from "../../ui/states";
import { leftText, StateChip } from "./SlaChips";
import { WarningLine } from "./SlaPanel";
import { SlaTabs } from "./SlaTabs";
import { CLOCKS, SUBJECTS, words } from "./words";

type Late = Schema["LateClock"];
const VIEWS = ["breached", "at_risk", "running", "paused", "missed"];

/** Where the page of a case, request or work order is. */
export const pageOf = (subject: { kind: string; id: string }): string => ({ case: `/cases/${subject.id}`, request: "/requests", work_order: `/work-orders/${subject.id}` })[subject.kind] ?? "/";

export function LatePage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const view = VIEWS.includes(params.get("view") ?? "") ? params.get("view")! : "breached";
  const change = (next: string) => setParams((held) => { const changed = new URLSearchParams(held); changed.set("view", next); return changed; }, { replace: true });
  return (
    <>
      <PageHead title={text.t("nav.service_levels")} sub={text.t("sla.sub")} />
      <SlaTabs />
      <div className="scroll" style={{ marginBottom: 12 }}><SegmentedControl value={view} onChange={change} data={VIEWS.map((word) => ({ value: word, label: text.t(`sla.view.${word}`) }))} /></div>
      <ListPage<Late>
        untitled
        title={text.t("nav.service_levels")}
        path="/sla-clocks"
        asked={{ state: view }}
        filters={[
          { name: "subject_kind", label: "sla.kind", options: words("sla_subject", SUBJECTS, text) },
          { name: "clock", label: "sla.clock", options: words("sla_clock", CLOCKS, text) },
        ]}
        columns={[
          { label: "orders.number", cell: (row) => <Link className="plain mono-num" style={{ fontWeight: 620 }} to={pageOf(row.subject)}>{row.subject.number}</Link> },
          { label: "col.asset", cell: (row) => row.asset ? <Link className="link break" to={`/assets/${row.asset.id}`}>{row.asset.name}</Link> : <span className="faint">–</span> },
          { label: "sla.clock", phone: "named", cell: (row) => text.code("sla_clock", row.clock) },
          { label: "col.state", phone: "side", cell: (row) => <StateChip state={row.state} /> },
          { label: "sla.time", phone: "named", cell: (row) => leftText(row, text) },
          { label: "sla.due", phone: "named", cell: (row) => text.moment(row.due_at) },
          { label: "orders.priority", phone: "hide", cell: (row) => <PriorityChip priority={row.priority as "normal"} small /> },
          { label: "sla.promised_by", phone: "hide", cell: (row) => <span className="small muted break">{row.contract ? row.contract.name : row.policy?.name ?? "–"}</span> },
        ]}
        to={(row) => pageOf(row.subject)}
        empty={{ icon: AlarmClock, sentence: `sla.empty.${view}` }}
      />
    </>
  );
}

export function WarningsPage() {
  const text = useText();
  useTitle(text.t("sla.tab.warnings"));
  const [params, setParams] = useSearchParams();
  const all = params.get("view") === "all";
  const rows = useRows<Schema["WarningItem"]>("/sla-warnings", { acknowledged: all ? undefined : false });
  return (
    <>
      <PageHead title={text.t("sla.tab.warnings")} sub={text.t("sla.warnings_sub")} />
      <SlaTabs />
      <SegmentedControl mb={12} value={all ? "all" : "open"} onChange={(value) => setParams(value === "all" ? { view: "all" } : {}, { replace: true })} data={["open", "all"].map((word) => ({ value: word, label: text.t(`sla.warnings_view.${word}`) }))} />
      {!rows.data ? rows.isPending ? <Bones rows={6} /> : <Failure error={rows.error} retry={() => void rows.refetch()} /> : rowsOf(rows).length === 0 ? <Empty icon={BellRing} sentence={text.t("sla.no_warnings")} /> : (
        <div className="card pad">
          {rowsOf(rows).map((warning) => <div key={warning.id}><Link className="plain mono-num" style={{ fontWeight: 620 }} to={pageOf(warning.subject)}>{warning.subject.number}</Link><WarningLine warning={warning} /></div>)}
          {rows.hasNextPage && <button type="button" className="plainbutton link" onClick={() => void rows.fetchNextPage()}>{text.t("sla.more")}</button>}
        </div>
      )}
    </>
  );
}
