/** A number typed with a thumb: large figures, its unit beside it, a little more and a little less. */
import { Button } from "@mantine/core";
import { Minus, Plus } from "lucide-react";
import { useState } from "react";

import { useText } from "../../i18n/useText";

/** A typed number, also with the decimal comma; null while it is none. */
export function asNumber(typed: string): number | null {
  const plain = typed.trim().replace(",", ".").replace(/−/g, "-");
  if (plain === "" || !/^[-+]?\d*\.?\d*$/.test(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : null;
}

export function NumberField(props: { label: string; unit?: string; decimals?: number | null; value: number | null; change: (value: number | null) => void }) {
  const text = useText();
  const [typed, setTyped] = useState(props.value === null ? "" : String(props.value));
  const grain = 10 ** -(props.decimals ?? 0);
  const put = (next: string) => { setTyped(next); props.change(asNumber(next)); };
  const nudge = (by: number) => put(String(Number(((asNumber(typed) ?? 0) + by).toFixed(props.decimals ?? 6))));
  const wrong = typed.trim() !== "" && asNumber(typed) === null;
  return (
    <div>
      <div className="row" style={{ gap: 8 }}>
        <Button size="lg" px={16} variant="default" aria-label={text.t("field.less")} onClick={() => nudge(-grain)}><Minus size={20} /></Button>
        <label className="bignumber grow">
          <input inputMode="decimal" aria-label={props.label} value={typed} onChange={(event) => put(event.currentTarget.value)} autoComplete="off" enterKeyHint="done" maxLength={20} />
          {props.unit && <span>{props.unit}</span>}
        </label>
        <Button size="lg" px={16} variant="default" aria-label={text.t("field.more")} onClick={() => nudge(grain)}><Plus size={20} /></Button>
      </div>
      {wrong && <div className="small" style={{ color: "#b3261e", marginTop: 6 }} role="alert">{text.t("check.no_number")}</div>}
    </div>
  );
}
