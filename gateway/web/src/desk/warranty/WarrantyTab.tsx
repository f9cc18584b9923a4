/** A machine's warranty: its card, what is covered until when and by which clause, the dates behind it, and what-if. */
import { CalendarDays, Pencil, Scale, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext } from "react-router";

import { may, useOne } from "../../api/rows";
import type { AssetDetail, Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { FormModal, localMoment, type Field } from "../../ui/Form";
import { CardBlock, Facts as FactRows } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import { CUSTOMERS } from "../assets/look";
import { VerdictLines } from "./Lines";
import { clauseText, CoverChip, metersText, scopeText } from "./look";
import { FACTS, type AssetWarranty, type Cover, type Coverage, type Facts } from "./types";
import { CardFile, Moves } from "./WarrantiesPage";

export function WarrantyTab(props: { asset: AssetDetail }) {
  const { asset } = props;
  const text = useText();
  const me = useOutletContext<Me>();
  const warranty = useOne<AssetWarranty>(`/assets/${asset.id}/warranty`);
  const manage = may(me, "warranty.manage");
  return (
    <div className="two">
      <div>
        <Loaded of={warranty} skeleton={<Bones rows={6} />}>
          {(data) => (
            <>
              <CardBlock title={text.t("warranty.cover")}>
                {data.cover.length === 0 ? <Empty bare icon={ShieldCheck} sentence={text.t("warranty.none")} example={text.t("warranty.none_example")} /> : data.cover.map((one, index) => <CoverRow key={index} cover={one} />)}
              </CardBlock>
              {data.remedies.length > 0 && <CardBlock title={text.t("warranty.rights")}>{data.remedies.map((one, index) => <CoverRow key={index} cover={one} />)}</CardBlock>}
              {data.replacements.length > 0 && (
                <CardBlock title={text.t("warranty.replacements")}>
                  {data.replacements.map((one) => <div key={one.id} className="row wrap line small" style={{ gap: "2px 12px" }}><span className="grow break">{[one.component && text.code("component", one.component), one.part_item].filter(Boolean).join(" · ")}</span><span className="mono">{[one.replaced_serial, one.serial].filter(Boolean).join(" → ")}</span><span className="muted">{text.day(one.at)}</span></div>)}
                </CardBlock>
              )}
            </>
          )}
        </Loaded>
        <WhatIf asset={asset} />
      </div>
      <div>
        <CardBlock title={text.t("warranty.card")}>
          {warranty.data?.card ? (
            <>
              <div className="mono" style={{ fontSize: 18, fontWeight: 640, marginBottom: 6 }}>{warranty.data.card.number}</div>
              <FactRows rows={[
                [text.t("col.state"), <CoverChip state={warranty.data.card.state} />],
                [text.t("col.customer"), warranty.data.card.customer ? <Link className="link" to={`/customers/${warranty.data.card.customer.id}`}>{warranty.data.card.customer.name}</Link> : "–"],
                [text.t("col.from"), text.day(warranty.data.card.starts_on)],
                [text.t("col.to"), text.day(warranty.data.card.ends_on)],
                [text.t("warranty.proof"), warranty.data.card.proof ?? "–"],
              ]} />
              <div className="row wrap" style={{ marginTop: 12 }}><CardFile card={warranty.data.card} />{manage && <Moves card={warranty.data.card} />}</div>
            </>
          ) : (
            <div className="stack" style={{ gap: 10 }}>
              <div className="small muted">{text.t("warranty.no_card", { url: `/a/${asset.code}` })}</div>
              {may(me, "warranty.register") && <FormButton small primary icon={ShieldCheck} label={text.t("warranty.issue")} form={{ path: `/assets/${asset.id}/warranty-card`, fields: [{ name: "purchased_on", label: "fact.purchased_on", kind: "date", required: true }, { name: "customer_id", label: "col.customer", kind: "pick", of: CUSTOMERS }, { name: "proof", label: "warranty.proof", hint: "warranty.proof_hint", most: 300 }], done: "warranty.issued" }} />}
            </div>
          )}
        </CardBlock>
        <FactsCard asset={asset.id} manage={manage} />
      </div>
    </div>
  );
}

function CoverRow(props: { cover: Cover }) {
  const text = useText();
  const { cover } = props;
  return (
    <div className="line">
      <div className="row wrap" style={{ gap: "4px 10px" }}><CoverChip state={cover.state} /><span className="grow break" style={{ fontWeight: 600 }}>{scopeText(cover.clause, text) || text.code("terms_kind", cover.kind)}</span><span className="small nowrap">{text.day(cover.begins_on)} – <b>{text.day(cover.ends_on)}</b></span></div>
      <div className="clause">
        <div className="break">“{clauseText(cover.clause, text)}”</div>
        <div className="tiny muted">
          <Link className="link" to={cover.source === "contract" ? `/contracts/${cover.terms_id}` : `/warranties/terms/${cover.terms_id}`}>{cover.code}{cover.source !== "contract" && ` v${cover.version}`}</Link>
          {cover.meters.length > 0 && ` · ${metersText(cover.meters, text)}`}
          {cover.clause.share_percent !== undefined && cover.clause.share_percent < 100 && ` · ${text.number(cover.clause.share_percent, 0)}%`}
        </div>
      </div>
      {cover.missing.length > 0 && <div className="small" style={{ color: "#8f5a00", marginTop: 4 }}>{text.t("warranty.missing", { facts: cover.missing.map((word) => text.code("missing_fact", word)).join(", ") })}</div>}
    </div>
  );
}

function FactsCard(props: { asset: string; manage: boolean }) {
  const text = useText();
  const facts = useOne<Facts>(`/assets/${props.asset}/warranty-facts`);
  const fields: Field[] = [...FACTS.map((name): Field => ({ name, label: `fact.${name}`, kind: "date", half: true })), { name: "region", label: "fact.region", hint: "fact.region_hint", half: true, most: 10, example: "CN-31" }];
  return (
    <CardBlock title={<span className="row" style={{ gap: 7 }}><CalendarDays size={16} aria-hidden />{text.t("warranty.facts")}</span>} right={props.manage && facts.data && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: text.t("warranty.facts"), submit: text.t("action.save"), path: `/assets/${props.asset}/warranty-facts`, method: "PUT", version: facts.data.version, fields, initial: { ...facts.data }, done: "form.saved" }} />}>
      <Loaded of={facts} skeleton={<Bones rows={3} />}>
        {(data) => <FactRows rows={[...FACTS.filter((name) => data[name]).map((name): [string, React.ReactNode] => [text.t(`fact.${name}`), <>{text.day(data[name])}{data.sources?.[name] && data.sources[name] !== "recorded" && <span className="tiny muted"> {text.code("fact_source", data.sources[name])}</span>}</>]), [text.t("fact.region"), data.region ?? "–"]]} />}
      </Loaded>
    </CardBlock>
  );
}

/** Would it be covered? Asked before anybody drives there. */
function WhatIf(props: { asset: AssetDetail }) {
  const text = useText();
  const [open, setOpen] = useState(false);
  const [answer, setAnswer] = useState<Coverage | null>(null);
  const check = may(useOutletContext<Me>(), "coverage.check");
  return (
    <CardBlock title={text.t("warranty.what_if")} right={check && <FormOpener open={() => setOpen(true)} label={text.t("warranty.check")} />}>
      {answer ? <VerdictLines coverage={answer} /> : <div className="small muted">{text.t("warranty.what_if_hint")}</div>}
      {open && <FormModal title={text.t("warranty.what_if")} path={`/assets/${props.asset.id}/coverage`} fields={coverageFields(text)} initial={{ fault_at: localMoment(Date.now()), lines: [{ kind: "labour" }, { kind: "part" }] }} body={coverageBody} submit={text.t("warranty.check")} after={(said: Coverage) => setAnswer(said)} close={() => setOpen(false)} size="lg" />}
    </CardBlock>
  );
}

function FormOpener(props: { open: () => void; label: string }) {
  return <button type="button" className="plainbutton link small row" style={{ gap: 6 }} onClick={props.open}><Scale size={15} aria-hidden />{props.label}</button>;
}

export const coverageFields = (text: ReturnType<typeof useText>): Field[] => [
  { name: "fault_at", label: "warranty.fault_at", kind: "moment", required: true },
  { name: "lines", label: "warranty.lines", kind: "lines", lines: [
    { name: "kind", label: "col.kind", kind: "select", half: true, required: true, options: ["labour", "part", "travel"].map((word) => ({ value: word, label: text.code("line_kind", word) })) },
    { name: "component", label: "warranty.component", most: 100, show: (row) => row.kind !== "travel" },
    { name: "part_item", label: "built.item_number", most: 100, show: (row) => row.kind === "part" },
    { name: "cause", label: "col.cause", most: 100 },
    { name: "description", label: "col.description" },
  ] },
];

export function coverageBody(values: Record<string, unknown>) {
  const lines = (values.lines as Record<string, unknown>[]).filter((row) => row.kind);
  return { fault_at: new Date(String(values.fault_at)).toISOString(), lines: lines.map((row, index) => ({ line_id: row.line_id ?? String(index + 1), kind: row.kind, component: row.component || null, part_item: row.part_item || null, cause: row.cause || null, description: row.description || null, quantity: 1 })) };
}

/** On a work order: the stored verdict per line, and the way to ask for another one. */
export function OrderCoverage(props: { order: string; opened: string }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const coverage = useOne<Coverage | null>(`/work-orders/${props.order}/coverage`);
  const [open, setOpen] = useState(false);
  const check = may(me, "coverage.check");
  const lines = coverage.data?.lines ?? [];
  if (!check) return null;
  return (
    <CardBlock title={text.t("warranty.verdict")} right={<FormOpener open={() => setOpen(true)} label={text.t(lines.length ? "warranty.check_again" : "warranty.check")} />}>
      {lines.length === 0 ? <div className="small muted">{text.t("warranty.not_checked")}</div> : (
        <VerdictLines coverage={coverage.data!} act={(line) => !line.override && may(me, "coverage.override") && <FormButton small label={text.t("warranty.override")} form={{ title: text.t("warranty.override"), path: `/work-orders/${props.order}/coverage/overrides`, note: text.t("warranty.override_note"), fields: [{ name: "verdict", label: "warranty.verdict", kind: "select", required: true, options: ["in", "out"].filter((word) => word !== line.verdict).map((word) => ({ value: word, label: text.code("verdict", word) })) }, { name: "reason", label: "order.reason", kind: "area", required: true, most: 1000 }], body: (values) => ({ line_id: line.line_id, verdict: values.verdict, reason: values.reason }), done: "warranty.override_asked" }} />} />
      )}
      {open && <FormModal title={text.t("warranty.verdict")} path={`/work-orders/${props.order}/coverage`} fields={coverageFields(text)} initial={{ fault_at: localMoment(props.opened), lines: lines.length ? lines.map((line) => ({ ...line })) : [{ kind: "labour" }] }} body={coverageBody} submit={text.t("warranty.check")} close={() => setOpen(false)} size="lg" />}
    </CardBlock>
  );
}
