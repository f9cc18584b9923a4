/** What the card of a model says about its making: data, features, settings, versions. */
import { useState } from "react";

import { useText, type Text } from "../../i18n/useText";
import { CardBlock, Facts } from "../../ui/parts";

const PARTS = ["data", "settings", "versions", "seeds", "about"];
const FEATURES = 24;

export function ModelCard(props: { card: Record<string, unknown> }) {
  const text = useText();
  const { card } = props;
  const features = Array.isArray(card.features) ? (card.features as unknown[]).map(String) : [];
  return (
    <>
      {PARTS.filter((part) => isFilled(card[part])).map((part) => (
        <CardBlock key={part} title={text.t(`models.card.${part}`)}>
          <Facts rows={Object.entries(card[part] as Record<string, unknown>).map(([name, value]) => [text.code("card", name), <span className="break">{written(value, text)}</span>])} />
        </CardBlock>
      ))}
      {features.length > 0 && <Features features={features} />}
    </>
  );
}

const isFilled = (part: unknown): boolean => typeof part === "object" && part !== null && !Array.isArray(part) && Object.keys(part).length > 0;

function Features(props: { features: string[] }) {
  const text = useText();
  const [all, setAll] = useState(false);
  const { features } = props;
  return (
    <CardBlock title={text.t("models.card.features", { count: features.length })}>
      <div className="row wrap" style={{ gap: 6 }}>{features.slice(0, all ? undefined : FEATURES).map((one) => <span key={one} className="mono tiny" style={{ background: "#eef1f4", borderRadius: 5, padding: "2px 6px" }}>{one}</span>)}</div>
      {!all && features.length > FEATURES && <button type="button" className="plainbutton link small" style={{ marginTop: 8 }} onClick={() => setAll(true)}>{text.t("action.show_all", { count: features.length })}</button>}
    </CardBlock>
  );
}

const LIST = 12;

function written(value: unknown, text: Text): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "number") return text.number(value);
  if (typeof value === "boolean") return text.t(value ? "value.yes" : "value.no");
  if (Array.isArray(value)) return value.slice(0, LIST).map((one) => written(one, text)).join(", ") + (value.length > LIST ? ` … (${value.length})` : "");
  if (typeof value === "object") return Object.entries(value).map(([name, one]) => `${name}: ${written(one, text)}`).join("; ");
  const said = String(value);
  return /^\d{4}-\d\d-\d\dT/.test(said) ? text.moment(said) : said;
}
