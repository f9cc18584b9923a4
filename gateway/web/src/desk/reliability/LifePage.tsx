/** Failures over age: the points, the Weibull curve through them, and what its shape says. */
import { Select } from "@mantine/core";
import { useState } from "react";

import { query } from "../../api/client";
import { useList, useOne, type Schema } from "../../api/rows";
import { useText, type Text } from "../../i18n/useText";
import { Loaded, Notice } from "../../ui/states";
import { TONES } from "../../ui/theme";
import { Behind, Formula, Frame, hours, Nothing, percent, useQuestion, type Drill } from "./frame";

type Answer = Schema["WeibullAnswer"];
const WIDE = 720;
const HIGH = 300;
const EDGE = { left: 48, right: 12, top: 12, bottom: 34 };

export function LifePage() {
  const text = useText();
  const { params, set, asked } = useQuestion();
  const [drill, show] = useState<Drill | null>(null);
  const mode = params.get("failure_mode");
  const modes = useList<{ code: string; name_en: string; name_zh: string }>("/failure-modes").data?.items ?? [];
  const named = new Map(modes.map((one) => [one.code, (text.language === "zh" && one.name_zh) || one.name_en || one.code]));
  if (mode && !named.has(mode)) named.set(mode, mode); // from an address that somebody sent
  const choices = [...named].map(([value, label]) => ({ value, label }));
  const life = useOne<Answer>(`/reliability/weibull${query({ ...asked, failure_mode: mode })}`);
  return (
    <Frame tab="life" table="weibull" more={{ failure_mode: mode }} extra={<Select className="filter" clearable searchable aria-label={text.t("reliability.by.failure_mode")} placeholder={text.t("reliability.by.failure_mode")} value={mode} onChange={(value) => set({ failure_mode: value })} data={choices} />}>
      <Loaded of={life}>
        {(data) => data.failures + data.censored === 0 ? <Nothing what="machines" /> : (
          <div className="stack" style={{ gap: 14 }}>
            {data.trend.verdict === "worse" && <Notice tone="watch">{text.t("reliability.trend.worse", { p: percent(data.trend.p, text, 1) })}</Notice>}
            {data.trend.verdict === "better" && <Notice tone="ok">{text.t("reliability.trend.better", { p: percent(data.trend.p, text, 1) })}</Notice>}
            {!params.get("model") && <div className="small muted">{text.t("reliability.one_model")}</div>}
            {data.fit ? <Fitted fit={data.fit} text={text} show={() => show({ group: null, name: text.t("reliability.tab.life") })} /> : <Notice tone="quiet">{text.t(`reliability.no_fit.${data.reason ?? "too_few_failures"}`, { n: data.failures })}</Notice>}
            {data.points.length > 0 && <div className="card pad"><Plot data={data} text={text} press={(point) => show({ group: point.asset.id, name: point.asset.name })} /></div>}
            <div className="small muted">{text.t("reliability.lives", { failures: data.failures, censored: data.censored, machines: data.machines })} · <Formula of={data.formula} /></div>
          </div>
        )}
      </Loaded>
      {drill && <Behind asked={{ ...asked, by: "asset" }} drill={drill} close={() => show(null)} />}
    </Frame>
  );
}

function Fitted(props: { fit: Schema["WeibullFit"]; text: Text; show: () => void }) {
  const { fit, text } = props;
  const span = (low: number, high: number) => text.t("reliability.between", { low: hours(low, text), high: hours(high, text) });
  const tiles = [
    ["shape", text.number(fit.shape, 2), text.t("reliability.between", { low: text.number(fit.shape_low, 2), high: text.number(fit.shape_high, 2) })],
    ["scale", hours(fit.scale, text), span(fit.scale_low, fit.scale_high)],
    ["mean_life", hours(fit.mean, text), text.t("figures.n", { n: fit.failures })],
    ["b10", hours(fit.b10, text), text.t("figures.n", { n: fit.failures })],
  ];
  return (
    <>
      <div className="figures four">
        {tiles.map(([name, value, more]) => <button key={name} type="button" className="plainbutton figure hover" onClick={props.show}><div className="what">{text.t(`reliability.figure.${name}`)}</div><div className="big">{value}</div><div className="more">{more}</div></button>)}
      </div>
      <div>{text.t(`reliability.pattern.${fit.pattern}`)}</div>
    </>
  );
}

function Plot(props: { data: Answer; text: Text; press: (point: Schema["LifePoint"]) => void }) {
  const { data, text } = props;
  const last = Math.max(...data.points.map((point) => point.age_h)) * 1.05;
  const x = (age: number) => EDGE.left + (age / last) * (WIDE - EDGE.left - EDGE.right);
  const y = (share: number) => HIGH - EDGE.bottom - share * (HIGH - EDGE.top - EDGE.bottom);
  const failed = (age: number) => (data.fit ? 1 - Math.exp(-((age / data.fit.scale) ** data.fit.shape)) : 0);
  const curve = Array.from({ length: 81 }, (_, step) => (step * last) / 80).map((age) => `${x(age).toFixed(1)},${y(failed(age)).toFixed(1)}`).join("L");
  return (
    <svg viewBox={`0 0 ${WIDE} ${HIGH}`} role="img" aria-label={text.t("reliability.plot")} style={{ width: "100%", maxWidth: 900, display: "block" }}>
      {[0, 0.25, 0.5, 0.75, 1].map((share) => <g key={share}><line x1={EDGE.left} x2={WIDE - EDGE.right} y1={y(share)} y2={y(share)} stroke={TONES.quiet.line} /><text x={EDGE.left - 6} y={y(share) + 4} textAnchor="end" fontSize="11" fill={TONES.quiet.ink}>{Math.round(share * 100)} %</text></g>)}
      {[0, 0.5, 1].map((part) => <text key={part} x={x(last * part)} y={HIGH - 14} textAnchor={part === 1 ? "end" : part === 0 ? "start" : "middle"} fontSize="11" fill={TONES.quiet.ink}>{hours(last * part, text)}</text>)}
      <text x={WIDE / 2} y={HIGH - 1} textAnchor="middle" fontSize="11" fill={TONES.quiet.ink}>{text.t("reliability.age")}</text>
      {data.fit && <path d={`M${curve}`} fill="none" stroke={TONES.model.ink} strokeWidth="2" />}
      {data.points.map((point, index) => <circle key={index} cx={x(point.age_h)} cy={y(point.share)} r="4.5" fill={TONES.trouble.ink} style={{ cursor: "pointer" }} onClick={() => props.press(point)}><title>{`${point.asset.name} · ${hours(point.age_h, text)} · ${percent(point.share, text, 0)} · ${text.moment(point.at)}`}</title></circle>)}
    </svg>
  );
}
