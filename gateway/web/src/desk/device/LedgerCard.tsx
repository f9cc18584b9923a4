/** The ledger: every reading that the device counted, and where it is now. */
import { CheckCircle2, CircleHelp, TriangleAlert } from "lucide-react";
import { useState } from "react";

import type { Ledger, TimeGap } from "../../api/devices";
import type { BootRow, DeviceDetail } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { CardBlock } from "../../ui/parts";
import { Empty } from "../../ui/states";

const COLUMNS = ["expected", "stored", "late", "dropped", "quarantined", "missing", "conflicting"] as const;
const TROUBLE = new Set<string>(["missing", "dropped", "quarantined", "conflicting"]);
const PARTS = ["stored", "dropped", "quarantined", "missing"] as const; // together: what was counted
const COLOURS: Record<(typeof PARTS)[number], string> = { stored: "#2c9a63", dropped: "#8c99a6", quarantined: "#d69a2d", missing: "#d3463b" };
const BOOTS_FIRST = 5;
const GAPS_SHOWN = 8;

export function LedgerCard(props: { device: DeviceDetail }) {
  const text = useText();
  const boots = props.device.boots ?? [];
  const [all, setAll] = useState(false);
  const total = props.device.ledger ?? sum(boots);
  const shown = boots.slice(0, all ? undefined : BOOTS_FIRST);
  return (
    <CardBlock title={text.t("ledger.title")} right={total.expected > 0 ? <Balance ledger={total} /> : undefined} flush>
      {boots.length === 0 && total.expected === 0 ? (
        <Empty bare icon={CircleHelp} sentence={text.t("ledger.empty")} />
      ) : (
        <>
          <div className="inset"><p className="small muted" style={{ margin: "0 0 10px" }}>{total.since ? text.t("ledger.by_interval", { at: text.moment(total.since) }) : text.t("ledger.hint")}</p><Bar ledger={total} /></div>
          {boots.length > 0 && <Table boots={shown} total={boots.length > 1 ? total : null} />}
          <Gaps gaps={total.gaps ?? []} />
          {!all && boots.length > BOOTS_FIRST && <button type="button" className="plainbutton link small inset" style={{ padding: "10px 20px 14px" }} onClick={() => setAll(true)}>{text.t("action.show_all", { count: boots.length })}</button>}
        </>
      )}
    </CardBlock>
  );
}

function sum(boots: BootRow[]): Ledger {
  const of = (column: (typeof COLUMNS)[number]) => boots.reduce((total, boot) => total + (boot[column] ?? 0), 0);
  const ledger = Object.fromEntries(COLUMNS.map((column) => [column, of(column)])) as unknown as Ledger;
  return { ...ledger, balanced: ledger.expected === PARTS.reduce((total, part) => total + ledger[part], 0) };
}

function Balance(props: { ledger: Ledger }) {
  const { t, number } = useText();
  const { ledger } = props;
  if (!ledger.balanced) return <Chip tone="trouble" icon={TriangleAlert} small>{t("ledger.unbalanced")}</Chip>;
  if (ledger.missing > 0) return <Chip tone="watch" icon={TriangleAlert} small>{t("ledger.some_missing", { count: number(ledger.missing) })}</Chip>;
  return <Chip tone="ok" icon={CheckCircle2} small>{t("ledger.balanced")}</Chip>;
}

/** The sum as a bar, then as an equation: counted is stored, dropped, refused and missing. */
function Bar(props: { ledger: Ledger }) {
  const { t, number } = useText();
  const { ledger } = props;
  const parts = PARTS.filter((part) => part === "stored" || ledger[part] > 0);
  return (
    <>
      <div className="ledger-bar" aria-hidden>
        {PARTS.map((part) => ledger[part] > 0 && <i key={part} style={{ flexGrow: ledger[part], background: COLOURS[part] }} />)}
      </div>
      <div className="row wrap small num" style={{ gap: "4px 14px", padding: "8px 0 12px" }}>
        <span><b>{number(ledger.expected, 0)}</b> {t("ledger.expected")}</span><span className="faint">=</span>
        {parts.map((part, index) => (
          <span key={part} className="row" style={{ gap: 6 }}>
            {index > 0 && <span className="faint">+</span>}
            <i className="dot" style={{ background: COLOURS[part] }} aria-hidden /><b>{number(ledger[part], 0)}</b> {t(`ledger.${part}`)}
          </span>
        ))}
      </div>
    </>
  );
}

/** Where a device without running counts was silent. */
function Gaps(props: { gaps: TimeGap[] }) {
  const text = useText();
  if (props.gaps.length === 0) return null;
  return (
    <div className="inset small" style={{ paddingTop: 4, paddingBottom: 12 }}>
      <div className="label">{text.t("ledger.gaps")}</div>
      {props.gaps.slice(0, GAPS_SHOWN).map((gap) => (
        <div key={`${gap.channel}${gap.begin}`} className="row wrap" style={{ gap: "2px 10px" }}>
          {gap.channel && <span className="mono">{gap.channel}</span>}<span className="muted">{text.moment(gap.begin)} – {text.moment(gap.end)}</span><span className="num">{text.t("ledger.about", { count: gap.n })}</span>
        </div>
      ))}
      {props.gaps.length > GAPS_SHOWN && <div className="muted">{text.t("bulk.more", { count: props.gaps.length - GAPS_SHOWN })}</div>}
    </div>
  );
}

function Table(props: { boots: BootRow[]; total: Ledger | null }) {
  const text = useText();
  // On a phone a column of nothing but zeros would push out one that says something.
  const said = (column: (typeof COLUMNS)[number]) => [...props.boots, props.total].some((row) => (row?.[column] ?? 0) > 0) ? "num" : "num hide-phone";
  return (
    <div className="scroll">
      <table className="grid">
        <thead><tr><th>{text.t("ledger.boot")}</th>{COLUMNS.map((column) => <th key={column} className={said(column)}>{text.t(`ledger.${column}`)}</th>)}</tr></thead>
        <tbody>
          {props.boots.map((boot) => (
            <tr key={boot.boot}>
              <td><span className="mono tiny nowrap" title={boot.boot}>{boot.boot.length > 14 ? `…${boot.boot.slice(-10)}` : boot.boot}</span>{boot.last_seen_at && <div className="tiny faint nowrap">{text.moment(boot.last_seen_at)}</div>}</td>
              {COLUMNS.map((column) => <Cell key={column} look={said(column)} column={column} value={boot[column] ?? 0} />)}
            </tr>
          ))}
          {props.total && (
            <tr style={{ fontWeight: 620 }}><td>{text.t("ledger.total")}</td>{COLUMNS.map((column) => <Cell key={column} look={said(column)} column={column} value={props.total![column] ?? 0} />)}</tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

function Cell(props: { column: string; value: number; look: string }) {
  const { number } = useText();
  const bad = props.value > 0 && TROUBLE.has(props.column);
  return <td className={props.look} style={bad ? { color: "#b3261e", fontWeight: 620 } : props.value === 0 ? { color: "var(--faint)" } : undefined}>{number(props.value, 0)}</td>;
}
