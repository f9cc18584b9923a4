/** What a week is made of: the planned work and the predicted jobs behind its hours, or behind a part's quantity. */
import { Button, Drawer } from "@mantine/core";
import { Link } from "react-router";

import { rowsOf, useRows, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Bones, Failure } from "../../ui/states";
import { hoursOf, skillName, useQuestion, weekName } from "./frame";

export function BehindWeek(props: { week: string; skill: string; cell: Schema["ForecastCell"]; close: () => void }) {
  const text = useText();
  const { cell } = props;
  return (
    <Drawer opened onClose={props.close} position="right" size="lg" title={`${text.t("forecast.week_of", { week: weekName(props.week, text) })} · ${skillName(props.skill, text)}`}>
      <div className="stack" style={{ gap: 14 }}>
        {cell.jobs > 0 && <RowsOf week={props.week} skill={props.skill || null} source="plans" sum={text.t("forecast.sum_planned", { value: hoursOf(cell.planned, text), count: cell.jobs })} />}
        {cell.mean === 0 && <div className="small muted">{text.t("forecast.empty.hours")}</div>}
        {cell.predicted > 0 && <RowsOf week={props.week} skill={props.skill || null} source="predictions" sum={text.t("forecast.sum_predicted", { value: hoursOf(cell.predicted, text) })} />}
        {cell.demand > 0 && <div><h3 className="section">{text.t("forecast.demand")}</h3><div className="small muted">{text.t("forecast.sum_demand", { value: hoursOf(cell.demand, text) })}</div></div>}
      </div>
    </Drawer>
  );
}

export function RowsOf(props: { week: string; skill?: string | null; part?: string; unit?: string; source: "plans" | "predictions"; sum?: string }) {
  const text = useText();
  const { asked } = useQuestion();
  const rows = useRows<Schema["ForecastRow"]>("/forecasts/rows", { ...asked, weeks: null, week: props.week, source: props.source, skill: props.skill ?? null, part_id: props.part ?? null });
  return (
    <div className="stack" style={{ gap: 8 }}>
      {props.sum && <div><h3 className="section">{text.t(`forecast.source.${props.source}`)}</h3><div className="small muted">{props.sum}</div></div>}
      {!rows.data ? rows.isPending ? <Bones rows={4} /> : <Failure error={rows.error} retry={() => void rows.refetch()} /> : rowsOf(rows).map((row) => (
        <div key={row.id} className="line">
          <div className="row wrap" style={{ gap: "2px 10px" }}>
            <Link className="link break grow" to={`/assets/${row.asset_id}`}>{row.asset_name}</Link>
            <b className="num">{props.part ? `${text.number(row.quantity, 2)} ${props.unit ?? ""}` : row.unknown && row.minutes === 0 ? text.t("forecast.no_time") : hoursOf(row.minutes, text)}</b>
          </div>
          <div className="tiny muted break">
            {row.plan_id && <Link className="link" to={`/plans/${row.plan_id}`}>{(text.language === "zh" ? row.plan_name?.zh || row.plan_name?.en : row.plan_name?.en || row.plan_name?.zh) as string || row.plan_code}</Link>}
            {row.due_on && ` · ${text.day(row.due_on)}`}
            {row.work_order_id && <> · <Link className="link" to={`/work-orders/${row.work_order_id}`}>{text.t("forecast.order")}</Link></>}
            {row.chance !== null && <><Link className="link" to="/planner">{text.t("forecast.job")}</Link> · {text.t("forecast.chance", { value: text.number(100 * row.chance, 0) })} · {text.t(`forecast.basis.${row.basis}`)}</>}
          </div>
        </div>
      ))}
      {rows.hasNextPage && <Button variant="default" loading={rows.isFetchingNextPage} onClick={() => void rows.fetchNextPage()}>{text.t("sla.more")}</Button>}
    </div>
  );
}
