/** A challenger beside its champion on the same days: only the figures at the same budget decide. */
import { Link } from "react-router";

import { useShadow, type ShadowFigures } from "../../api/models";
import { useText } from "../../i18n/useText";
import { CardBlock } from "../../ui/parts";
import { Bones, Loaded } from "../../ui/states";

const ORDERS = 10;

export function ShadowCard(props: { id: string }) {
  const text = useText();
  const shadow = useShadow(props.id, true);
  return (
    <CardBlock title={text.t("shadow.title")}>
      <Loaded of={shadow} skeleton={<Bones rows={4} />}>
        {(data) => (
          <div className="stack" style={{ gap: 12 }}>
            <div style={{ fontWeight: 620 }}>{text.language === "zh" ? data.verdict.zh : data.verdict.en}</div>
            <div className="small muted">{text.t("shadow.span", { from: data.since ? text.day(data.since) : "–", to: text.day(data.until), months: text.number(data.asset_months), budget: text.number(data.budget_per_month, 3) })}</div>
            <table className="grid bare">
              <thead><tr><th /><th className="num">{text.code("model_state", "challenger")}</th><th className="num">{text.code("model_state", "champion")}</th></tr></thead>
              <tbody>
                <Line name={text.t("shadow.caught")} of={(one) => `${one.caught}/${one.incidents}`} {...data.figures} />
                <Line name={text.t("shadow.recall")} of={(one) => text.percent(one.recall)} {...data.figures} />
                <Line name={text.t("shadow.false")} of={(one) => text.number(one.false, 0)} {...data.figures} />
                <Line name={text.t("shadow.rate")} of={(one) => text.number(one.false_per_asset_month, 2)} {...data.figures} />
              </tbody>
            </table>
            {data.orders.slice(0, ORDERS).map((order, index) => (
              <div key={index} className="row wrap small" style={{ gap: "2px 12px", padding: "5px 0", borderTop: "1px solid var(--line-soft)" }}>
                <Link className="plain grow break" style={{ fontWeight: 600 }} to={`/assets/${order.asset.id}`}>{order.asset.name}</Link>
                <span className="muted">{text.code("model_state", order.by)} · {text.moment(order.opened_at)}</span><span>{text.code("judged", order.judged)}</span>
              </div>
            ))}
          </div>
        )}
      </Loaded>
    </CardBlock>
  );
}

function Line(props: { name: string; of: (one: ShadowFigures) => string; challenger: ShadowFigures; champion: ShadowFigures | null }) {
  return <tr><td>{props.name}</td><td className="num" style={{ fontWeight: 640 }}>{props.of(props.challenger)}</td><td className="num muted">{props.champion ? props.of(props.champion) : "–"}</td></tr>;
}
