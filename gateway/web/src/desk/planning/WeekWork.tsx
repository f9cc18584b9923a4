/** The planned and predicted work behind a cell: drag it onto another week, or choose a day. */
import { Button, Checkbox, TextInput } from "@mantine/core";
import { GripVertical, Radar } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";

import { rowsOf, useRows } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { CardBlock } from "../../ui/parts";
import { More } from "../../ui/Rows";
import { Bones, Failure } from "../../ui/states";
import { dayText, said, WORK_LOOK } from "../plans/look";
import { hoursOf, shifted, type Move, type Work } from "./look";
import { CloseButton, type Chosen } from "./YearPage";

export function WeekWork(props: { chosen: Chosen; by: string; site: string | null; skill: string | null; moves: Move[]; decides: boolean; drag: (work: Work | null) => void; put: (work: Work, to: string) => void; close: () => void }) {
  const text = useText();
  const { chosen, by } = props;
  const key = chosen.row?.key ?? null;
  const site = by === "site" && key ? key : props.site;
  const skill = by === "skill" && key ? key : props.skill;
  const rows = useRows<Work>("/planning/year/rows", { week: chosen.week, site_id: site, skill });
  const [picks, setPicks] = useState<string[]>([]);
  const [shift, setShift] = useState("7");
  const found = rowsOf(rows);
  const movable = (work: Work) => props.decides && work.kind === "occurrence" && work.state === "planned" && work.at !== null;
  const goes = new Map(props.moves.map((move) => [move.work.id, move.to]));
  const shiftAll = () => { for (const work of found) if (picks.includes(work.id) && work.at) props.put(work, shifted(work.at, Number(shift) || 0)); setPicks([]); };
  return (
    <CardBlock flush title={text.t("planning.behind", { week: dayText(chosen.week, text) })} right={<CloseButton close={props.close} />}>
      {picks.length > 0 && (
        <div className="row wrap" style={{ padding: "4px 20px 10px", gap: 10 }}>
          <span className="small">{text.t("planner.chosen", { count: picks.length })}</span>
          <TextInput w={90} type="number" aria-label={text.t("planning.shift_days")} value={shift} onChange={(event) => setShift(event.currentTarget.value)} />
          <Button size="compact-sm" onClick={shiftAll} disabled={!Number(shift)}>{text.t("planning.shift")}</Button>
        </div>
      )}
      {!rows.data ? rows.isPending ? <Bones rows={4} /> : <Failure error={rows.error} retry={() => void rows.refetch()} /> : found.length === 0 ? <p className="small muted" style={{ padding: "0 20px 12px" }}>{text.t("planning.nothing_here")}</p> : found.map((work) => (
        <div key={work.id} className="row wrap" draggable={movable(work)} onDragStart={(event) => { event.dataTransfer.setData("text/plain", work.id); event.dataTransfer.effectAllowed = "move"; props.drag(work); }} onDragEnd={() => props.drag(null)} style={{ gap: "4px 12px", padding: "8px 20px", borderTop: "1px solid var(--line-soft)", cursor: movable(work) ? "grab" : undefined, background: goes.has(work.id) ? "rgba(29,116,112,.07)" : undefined }}>
          {movable(work) ? <span className="row" style={{ gap: 6 }}><GripVertical size={15} aria-hidden className="hide-phone" /><Checkbox size="xs" aria-label={work.asset.name} checked={picks.includes(work.id)} onChange={() => setPicks((held) => held.includes(work.id) ? held.filter((id) => id !== work.id) : [...held, work.id])} /></span> : work.kind === "predicted_job" ? <Radar size={15} aria-hidden /> : null}
          <span className="num small" style={{ minWidth: 86 }}>{dayText(work.on as string, text)}</span>
          <span className="grow break" style={{ flexBasis: 200 }}>
            <Link className="plain" style={{ fontWeight: 600 }} to={`/assets/${work.asset.id}`}>{work.asset.name}</Link>{" "}
            <span className="small muted">{work.kind === "predicted_job" ? <Link className="link" to={`/planner?asset_id=${work.asset.id}`}>{text.t("planning.predicted_job")}</Link> : `${said(work.plan_name, text.language) || work.plan_code} · ${work.packages.join(" + ")}`}</span>
          </span>
          <span className="small num">{work.kind === "occurrence" ? work.unknown ? text.t("planning.no_time") : hoursOf(Object.values(work.minutes).reduce((sum, each) => sum + each, 0), text) : ""}</span>
          <Chip small tone={work.kind === "predicted_job" ? "watch" : WORK_LOOK[work.state] ?? "quiet"}>{work.kind === "predicted_job" ? text.code("severity", work.state) : text.code("plan.work_state", work.state)}</Chip>
          {movable(work) && <TextInput type="date" size="xs" aria-label={text.t("planning.move_to")} value={(goes.get(work.id) ?? work.at!).slice(0, 10)} onChange={(event) => { const day = event.currentTarget.value; if (day) props.put(work, shifted(work.at!, Math.round((Date.parse(day) - Date.parse(work.at!.slice(0, 10))) / 86_400_000))); }} />}
        </div>
      ))}
      <More of={rows} />
    </CardBlock>
  );
}
