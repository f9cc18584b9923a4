/** Parts by week: what planned work takes, what is expected beside it; the weeks of one part with what lies behind. */
import { Button, Drawer } from "@mantine/core";
import { useState } from "react";

import { query } from "../../api/client";
import { useOne, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Bones, Loaded } from "../../ui/states";
import { RowsOf } from "./BehindWeek";
import { Nothing } from "./ForecastPage";
import { useQuestion, weekName } from "./frame";

type Part = Schema["ForecastPart"];
const SOON = 4;

export function PartsView() {
  const text = useText();
  const { asked } = useQuestion();
  const [after, page] = useState<string | null>(null);
  const parts = useOne<Schema["ForecastParts"]>(`/forecasts/parts${query({ ...asked, team_id: null, after })}`);
  const [open, show] = useState<Part | null>(null);
  const sum = (part: Part, name: "planned" | "predicted" | "demand" | "mean", weeks = part.cells.length) => part.cells.slice(0, weeks).reduce((total, cell) => total + cell[name], 0);
  const shown = (value: number) => (value === 0 ? "·" : text.number(value, value < 10 ? 1 : 0));
  return (
    <Loaded of={parts} skeleton={<Bones rows={8} height={22} />}>
      {(data) => data.items.length === 0 ? <Nothing what="parts" /> : (
        <div className="stack" style={{ gap: 12 }}>
          <div className="small muted">{text.t("forecast.parts_note")}</div>
          <div className="card scroll">
            <table className="grid">
              <thead><tr><th>{text.t("forecast.part")}</th><th className="num">{text.t("forecast.soon", { count: SOON })}</th><th className="num">{text.t("forecast.expected")}</th><th className="num">{text.t("forecast.planned")}</th><th className="num">{text.t("forecast.predicted")}</th><th className="num">{text.t("forecast.demand")}</th></tr></thead>
              <tbody>
                {data.items.map((part) => (
                  <tr key={part.part_id}>
                    <td className="break" style={{ minWidth: 150 }}><button type="button" className="plainbutton link" style={{ textAlign: "left" }} onClick={() => show(part)}>{text.language === "zh" ? part.name_zh : part.name_en}</button><div className="tiny muted">{part.number} · {part.unit}</div></td>
                    <td className="num">{shown(sum(part, "mean", SOON))}</td><td className="num" style={{ fontWeight: 620 }}>{shown(sum(part, "mean"))}</td><td className="num">{shown(sum(part, "planned"))}</td><td className="num">{shown(sum(part, "predicted"))}</td><td className="num">{shown(sum(part, "demand"))}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <div className="row">{after && <Button variant="default" onClick={() => page(null)}>{text.t("forecast.first")}</Button>}{data.next && <Button variant="default" onClick={() => page(data.next ?? null)}>{text.t("sla.more")}</Button>}</div>
          {open && <OnePart part={open} weeks={data.weeks} close={() => show(null)} />}
        </div>
      )}
    </Loaded>
  );
}

function OnePart(props: { part: Part; weeks: string[]; close: () => void }) {
  const text = useText();
  const { part } = props;
  const [week, choose] = useState<string | null>(null);
  return (
    <Drawer opened onClose={props.close} position="right" size="lg" title={`${part.number} · ${text.language === "zh" ? part.name_zh : part.name_en}`}>
      <div className="scroll">
        <table className="grid">
          <thead><tr><th>{text.t("forecast.week")}</th><th className="num">{text.t("forecast.expected")}</th><th className="num">{text.t("forecast.interval")}</th><th className="num">{text.t("forecast.planned")}</th></tr></thead>
          <tbody>
            {part.cells.map((cell, place) => cell.mean > 0 && (
              <tr key={props.weeks[place]}>
                <td>{weekName(props.weeks[place]!, text)}</td><td className="num">{text.number(cell.mean, 1)}</td><td className="num muted">{text.number(cell.low, 1)} – {text.number(cell.high, 1)}</td>
                <td className="num">{cell.planned > 0 ? <button type="button" className="plainbutton link" onClick={() => choose(props.weeks[place]!)}>{text.number(cell.planned, 1)}</button> : "·"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {week && <div style={{ marginTop: 14 }}><RowsOf key={week} week={week} part={part.part_id} unit={part.unit} source="plans" sum={text.t("forecast.week_of", { week: weekName(week, text) })} /></div>}
    </Drawer>
  );
}
