/** How long the machine may still last, with its interval; or that no estimate is made, and why. */
import { Hourglass } from "lucide-react";

import { useRemainingLife, type RemainingLife } from "../../api/explain";
import { duration } from "../../i18n/format";
import { useText } from "../../i18n/useText";
import { CardBlock, Ago } from "../../ui/parts";

export function LifeCard(props: { asset: string }) {
  const text = useText();
  const life = useRemainingLife(props.asset);
  if (!life.data) return null;
  const { data } = life;
  return (
    <CardBlock title={<span className="row" style={{ gap: 7 }}><Hourglass size={16} aria-hidden />{text.t("life.title")}</span>}>
      {data.state === "estimate" && data.life_s !== null ? <Estimate life={data} /> : (
        <div className="small">{data.reason ? (text.language === "zh" ? data.reason.zh : data.reason.en) : text.t("life.none")}</div>
      )}
    </CardBlock>
  );
}

function Estimate(props: { life: RemainingLife }) {
  const text = useText();
  const { life } = props;
  const low = life.low_s ?? 0;
  const high = life.high_s ?? life.life_s!;
  const whole = Math.max(high * 1.08, 1);
  const at = (seconds: number) => `${(Math.min(seconds, whole) / whole) * 100}%`;
  return (
    <>
      <div style={{ fontSize: 24, fontWeight: 680, lineHeight: 1.2 }}>{text.t("life.about", { time: rough(life.life_s!, text.language) })}</div>
      <div className="small muted">{text.t("life.interval", { share: text.percent(life.coverage), low: rough(low, text.language), high: rough(high, text.language) })}</div>
      <div className="life" aria-hidden><i style={{ left: at(low), width: `calc(${at(high)} - ${at(low)})` }} /><b style={{ left: at(life.life_s!) }} /></div>
      {life.p_within.map((one) => (
        <div key={one.seconds} className="row small" style={{ padding: "2px 0" }}><span className="grow">{text.t("life.within", { time: rough(one.seconds, text.language) })}</span><b className="num">{text.percent(one.p)}</b></div>
      ))}
      <div className="tiny muted" style={{ marginTop: 8 }}>{text.t("life.as_of")} <Ago at={life.at} /></div>
    </>
  );
}

/** Days for what is long, hours for what is near: more digits would promise more than is known. */
function rough(seconds: number, language: "en" | "zh"): string {
  const step = seconds >= 4 * 86_400 ? 86_400 : seconds >= 4 * 3600 ? 3600 : 60;
  return duration(Math.max(0, Math.round(seconds / step) * step), language);
}
