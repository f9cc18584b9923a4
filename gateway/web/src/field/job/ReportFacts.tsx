/** What a report says, as plain reading on the phone. */
import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";

import { amount, money } from "../../desk/stock/common";
import { duration } from "../../desk/work/look";
import { useText } from "../../i18n/useText";
import { orderTitle } from "../../text/sentences";
import { Facts as Table } from "../../ui/parts";

type Named = { code: string; en: string; zh: string } | null;
type Answered = { title_en: string; title_zh: string; kind: string; value: unknown; chosen_en: string | null; chosen_zh: string | null; unit: string | null; low: number | null; high: number | null; out_of_limit: boolean; photos: number; note: string | null };
export type Facts = {
  number: string;
  machine: { name: string; serial: string; site?: string; address?: string; model_en?: string; model_zh?: string };
  customer?: string | null;
  title_code?: string;
  title_params?: Record<string, unknown> | null;
  title_text?: string | null;
  kind?: string;
  started_at?: string | null;
  done_at?: string | null;
  done?: { outcome: string | null; note: string | null; failure_mode?: Named; cause?: Named; action?: Named } | null;
  checklists?: { code: string; name_en: string; name_zh: string; steps: Answered[] }[];
  spent?: { kind: string; category: string; day: string; minutes: number | null; kilometres: number | string | null; amount: number | string | null; currency: string | null }[];
  parts?: { number: string; name_en: string; name_zh: string; quantity: number | string; unit: string; serial: string | null }[];
  photos?: unknown[];
  requested?: string[];
  technicians?: string[];
};

export function ReportFacts(props: { facts: Facts }) {
  const text = useText();
  const { facts } = props;
  const zh = text.language === "zh";
  const comma = zh ? "、" : ", ";
  const wordOf = (named: NonNullable<Named>) => (zh && named.zh) || named.en || named.code;
  const { done, machine } = facts;
  const label = facts.title_params?.[zh ? "label_zh" : "label_en"] ?? facts.title_params?.label_en;
  const title = facts.title_code?.startsWith("noticed_") && !facts.title_text ? text.t("report.noticed", { label: String(label ?? "–") }) : orderTitle({ title: { code: facts.title_code ?? "manual", params: facts.title_params ?? {} }, title_text: facts.title_text ?? null, noticed: null, request: null, kind: facts.kind ?? "general" } as never, text);
  const rows: [ReactNode, ReactNode][] = [[text.t("order.machine"), `${machine.name} · ${machine.serial}`]];
  if (machine.site) rows.push([text.t("asset.site"), [machine.site, machine.address].filter(Boolean).join(", ")]);
  if (facts.technicians?.length) rows.push([text.t("work.technician"), facts.technicians.join(comma)]);
  if (facts.started_at) rows.push([text.t("work.begins"), text.moment(facts.started_at)]);
  if (facts.done_at) rows.push([text.t("work.done_at"), text.moment(facts.done_at)]);
  const result: [ReactNode, ReactNode][] = [];
  if (done?.outcome) result.push([text.t("order.outcome"), text.code("outcome", done.outcome)]);
  if (done?.failure_mode) result.push([text.t("found.mode"), wordOf(done.failure_mode)]);
  if (done?.cause) result.push([text.t("found.cause"), wordOf(done.cause)]);
  if (done?.action) result.push([text.t("found.action"), wordOf(done.action)]);
  if (done?.note) result.push([text.t("finish.note"), done.note]);
  return (
    <div className="stack report" style={{ gap: 16 }}>
      <div><div className="small muted mono-num">{facts.number}</div><h2 style={{ margin: 0 }} className="break">{title}</h2></div>
      <Table rows={rows} />
      {(facts.requested ?? []).map((said, index) => <div key={index} className="break">“{said}”</div>)}
      {result.length > 0 && <Part title={text.t("field.result")}><Table rows={result} /></Part>}
      {(facts.checklists ?? []).map((list) => (
        <Part key={list.code} title={(zh && list.name_zh) || list.name_en}>
          {list.steps.map((step, index) => (
            <div key={index} className="line row" style={{ gap: 10 }}>
              {step.out_of_limit && <TriangleAlert size={17} color="#b3261e" aria-label={text.t("check.out")} />}
              <span className="grow break">{(zh && step.title_zh) || step.title_en}{step.note && <span className="small muted" style={{ display: "block" }}>“{step.note}”</span>}</span>
              <b className="num" style={{ textAlign: "right", color: step.out_of_limit ? "#b3261e" : undefined }}>{answerText(step)}</b>
            </div>
          ))}
        </Part>
      ))}
      {(facts.parts?.length ?? 0) > 0 && <Part title={text.t("order.parts")}>{facts.parts!.map((part, index) => <div key={index} className="line row" style={{ gap: 10 }}><span className="grow break"><b className="mono">{part.number}</b> {(zh && part.name_zh) || part.name_en} {part.serial}</span><b className="num nowrap">{amount(Number(part.quantity), part.unit, text)}</b></div>)}</Part>}
      {(facts.spent?.length ?? 0) > 0 && <Part title={text.t("work.lines")}>{facts.spent!.map((line, index) => <div key={index} className="line row" style={{ gap: 10 }}><span className="grow break">{text.code("line_kind", line.kind)} · {text.code("line_category", line.category)}</span><b className="num nowrap">{[line.minutes !== null ? duration(line.minutes, text) : "", line.kilometres !== null ? `${text.number(Number(line.kilometres), 1)} km` : "", line.amount !== null ? money(Number(line.amount), line.currency, text) : ""].filter(Boolean).join(" · ")}</b></div>)}</Part>}
      {(facts.photos?.length ?? 0) > 0 && <div className="small muted">{text.t("sop.photos", { count: facts.photos!.length })}</div>}
    </div>
  );

  function answerText(step: Answered): string {
    const chosen = (zh && step.chosen_zh) || step.chosen_en;
    if (chosen) return chosen;
    if (typeof step.value === "boolean") return text.t(step.value ? "sop.yes" : "sop.no");
    if (typeof step.value === "number") return `${text.number(step.value, 6)}${step.unit ? ` ${step.unit}` : ""}`;
    if (typeof step.value === "string" && step.value) return step.value;
    return step.photos > 0 ? text.t("sop.photos", { count: step.photos }) : "–";
  }
}

function Part(props: { title: string; children: ReactNode }) {
  return <div><div className="grouphead" style={{ marginBottom: 4 }}>{props.title}</div>{props.children}</div>;
}
