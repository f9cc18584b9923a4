/** The latest value of every metric beside its limits; a row chooses the chart. */
import { ChartNoAxesColumn } from "lucide-react";

import type { AssetDetail, MetricInfo } from "../api/types";
import { useText, type Text } from "../i18n/useText";
import { metricLabel } from "../text/metrics";
import { Chip } from "../ui/chips";
import { Ago } from "../ui/parts";
import { Empty } from "../ui/states";

export function ValuesTable(props: { asset: AssetDetail; chosen: string | null; choose: (metric: string) => void }) {
  const text = useText();
  const { metrics } = props.asset;
  if (metrics.length === 0) return <Empty bare icon={ChartNoAxesColumn} sentence={text.t("values.empty")} />;
  return (
    <div className="scroll">
      <table className="grid">
        <thead>
          <tr>
            <th>{text.t("values.metric")}</th>
            <th className="num">{text.t("values.latest")}</th>
            <th className="num hide-phone">{text.t("values.limits")}</th>
            <th>{text.t("values.state")}</th>
            <th className="num hide-phone">{text.t("values.at")}</th>
          </tr>
        </thead>
        <tbody>
          {metrics.map((metric) => (
            <tr key={metric.metric} className={`go ${props.chosen === metric.metric ? "on" : ""}`} onClick={() => props.choose(metric.metric)}>
              <td>
                <button type="button" className="plainbutton" style={{ fontWeight: 540 }}>{metricLabel(metric, text.language)}</button>
              </td>
              <td className="num" style={{ fontWeight: 620 }}>{shown(metric, text)}</td>
              <td className="num muted hide-phone">{limits(metric, text)}</td>
              <td><Verdict metric={metric} /></td>
              <td className="num tiny muted hide-phone">{metric.latest ? <Ago at={metric.latest.t} /> : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function shown(metric: MetricInfo, text: Text): string {
  const value = metric.latest?.value;
  if (typeof value === "string") return text.code("mode", value);
  if (typeof value === "boolean") return value ? text.t("value.yes") : text.t("value.no");
  return text.value(value, metric.unit_label ?? metric.unit);
}

function limits(metric: MetricInfo, text: Text): string {
  const unit = metric.unit_label ?? metric.unit;
  const low = metric.low ?? metric.low_low;
  const high = metric.high ?? metric.high_high;
  if (low !== null && low !== undefined && high !== null && high !== undefined) return `${text.value(low, unit)} … ${text.value(high, unit)}`;
  if (high !== null && high !== undefined) return `≤ ${text.value(high, unit)}`;
  if (low !== null && low !== undefined) return `≥ ${text.value(low, unit)}`;
  return "–";
}

function Verdict(props: { metric: MetricInfo }) {
  const { t, code } = useText();
  const { metric } = props;
  const value = metric.latest?.value;
  if (metric.latest?.quality && metric.latest.quality !== "good") return <Chip tone="quiet" small>{code("quality", metric.latest.quality)}</Chip>;
  if (typeof value !== "number") return <span className="faint">–</span>;
  if ([metric.low_low, metric.low, metric.high, metric.high_high].every((limit) => limit === null)) return <span className="faint">–</span>;
  const beyond = (limit: number | null, above: boolean) => limit !== null && limit !== undefined && (above ? value > limit : value < limit);
  if (beyond(metric.high_high, true) || beyond(metric.low_low, false)) return <Chip tone="trouble" small>{t("values.beyond_hard")}</Chip>;
  if (beyond(metric.high, true) || beyond(metric.low, false)) return <Chip tone="watch" small>{t("values.beyond")}</Chip>;
  return <span className="small" style={{ color: "#1f7a4d" }}>{t("values.within")}</span>;
}
