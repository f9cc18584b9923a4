/** What it costs to do a job now against waiting: chance, amounts with their sources, formula, step by step. */
import { NumberInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { Link } from "react-router";

import { useOne, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Bones, Loaded } from "../../ui/states";
import { lifeDays, money } from "./look";

type Answer = Schema["WaitingAnswer"];

export function WaitingCard(props: { job: string }) {
  const text = useText();
  const [days, setDays] = useState<number>(30);
  const [asked] = useDebouncedValue(days, 400);
  const answer = useOne<Answer>(`/predicted-jobs/${props.job}/waiting?days=${asked}`);
  return (
    <section style={{ padding: "14px 20px 18px", borderTop: "1px solid var(--line-soft)" }}>
      <div className="row wrap" style={{ gap: 12, marginBottom: 8 }}>
        <h3 className="grow" style={{ margin: 0, fontSize: 15 }}>{text.t("planner.now_or_wait")}</h3>
        <NumberInput aria-label={text.t("planner.wait_days")} w={130} min={1} max={366} value={days} onChange={(value) => typeof value === "number" && value >= 1 && setDays(Math.min(366, value))} suffix={` ${text.t("planner.days_unit")}`} />
      </div>
      <Loaded of={answer} skeleton={<Bones rows={3} />}>{(found) => <Told of={found} />}</Loaded>
    </section>
  );
}

function Told(props: { of: Answer }) {
  const text = useText();
  const { of } = props;
  const { chance } = of;
  return (
    <div className="stack" style={{ gap: 12 }}>
      <div className="row wrap" style={{ gap: "10px 28px" }}>
        {of.life?.life_days != null && <Fact name={text.t("planner.life")} value={lifeDays(of.life.life_days, text)} sub={of.life.low_days != null ? text.t("planner.life_between", { low: text.number(of.life.low_days, 0), high: of.life.high_days != null ? text.number(of.life.high_days, 0) : "∞", share: text.percent(of.life.coverage ?? 0) }) : undefined} />}
        <Fact name={text.t("planner.chance", { days: text.number(of.days, 0) })} value={chance ? text.percent(chance.p) : "–"} sub={chance ? text.t(`planner.chance_by.${chance.source}`) + (chance.low != null && chance.high != null ? ` · ${text.percent(chance.low)} – ${text.percent(chance.high)}` : "") : undefined} />
        {of.now != null && <Fact name={text.t("planner.cost_now")} value={money(of.now, of.currency, text)} />}
        {of.wait != null && <Fact name={text.t("planner.cost_wait", { days: text.number(of.days, 0) })} value={money(of.wait, of.currency, text)} sub={of.extra_low != null && of.extra_high != null ? text.t("planner.extra_between", { low: money(of.extra_low, null, text), high: money(of.extra_high, of.currency, text) }) : undefined} />}
        {of.extra != null && <Fact name={text.t(of.extra >= 0 ? "planner.extra_more" : "planner.extra_less")} value={money(Math.abs(of.extra), of.currency, text)} strong />}
      </div>
      {of.reason && <div className="small">{text.t(`planner.no_estimate.${of.reason}`, of.params as Record<string, unknown>)}{of.missing.length > 0 && <> {text.t("planner.missing", { names: of.missing.map((name) => text.t(`planner.amount.${name}`)).join(", ") })} <Link className="link" to="/planner/costs">{text.t("planner.enter_costs")}</Link></>}</div>}
      <div className="scroll"><table className="grid bare small" style={{ minWidth: 340 }}>
        <thead><tr><th>{text.t("planner.wait_days")}</th><th className="num">{text.t("planner.chance_short")}</th><th className="num">{text.t("planner.extra")}</th></tr></thead>
        <tbody>{of.steps.map((step) => <tr key={step.days}><td className="num">{text.number(step.days, 0)}</td><td className="num">{step.p != null ? text.percent(step.p) : "–"}</td><td className="num">{step.extra != null ? money(step.extra, step.currency, text) : "–"}</td></tr>)}</tbody>
      </table></div>
      <details>
        <summary className="small link">{text.t("planner.how")}</summary>
        <div className="stack small" style={{ gap: 6, marginTop: 8 }}>
          {of.amounts.map((one) => <div key={one.name} className="row wrap" style={{ gap: "0 10px" }}><span className="grow">{text.t(`planner.amount.${one.name}`)}</span><b className="num">{one.name.endsWith("cost") || one.name.endsWith("per_hour") ? money(one.value, of.currency, text) : text.number(one.value, 1)}</b><span className="muted">{text.t(`planner.source.${one.source}`, { n: one.n ?? 0 })}</span></div>)}
          {of.standards.map((one) => <div key={one.id}><Link className="link" to={`/procedures/${one.id}`}>{one.code}</Link> <span className="num">{money(one.total, one.currency, text)}</span>{!one.complete && <span className="muted"> · {text.t("planner.standard_incomplete")}</span>}</div>)}
          {of.left_out.map((name) => <div key={name} className="muted">{text.t("planner.left_out", { name: text.t(`planner.amount.${name}`) })}</div>)}
          {of.other_currency.map((name) => <div key={name} className="muted">{text.t("planner.other_currency", { name: text.t(`planner.amount.${name}`) })}</div>)}
          {Object.values(of.formulas).map((formula) => <code key={formula} className="tiny muted break">{formula}</code>)}
          {chance && <code className="tiny muted break">{chance.formula}</code>}
          {chance && <code className="tiny muted break">{Object.entries(chance.inputs).map(([name, value]) => `${name} = ${typeof value === "number" ? text.number(value, 2) : JSON.stringify(value)}`).join(" · ")}</code>}
        </div>
      </details>
    </div>
  );
}

function Fact(props: { name: string; value: string; sub?: string; strong?: boolean }) {
  return (
    <div style={{ minWidth: 110 }}>
      <div className="eyebrow">{props.name}</div>
      <div className="num" style={{ fontSize: props.strong ? 20 : 17, fontWeight: 640 }}>{props.value}</div>
      {props.sub && <div className="tiny muted">{props.sub}</div>}
    </div>
  );
}
