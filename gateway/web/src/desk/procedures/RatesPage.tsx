/** What an hour of work costs, by skill and level: standard costs are counted from it. */
import { Coins, Pencil, Plus, Trash2 } from "lucide-react";
import { useOutletContext } from "react-router";

import { may, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ActButton, FormButton } from "../../ui/Act";
import type { Field } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { SKILLS } from "../people/common";
import { money } from "../stock/common";
import { ProcedureTabs } from "./ProcedureTabs";

type Rate = Schema["LabourRateItem"];

const FIELDS: Field[] = [
  { name: "skill", label: "norm.skill", kind: "pick", of: { ...SKILLS, value: (row: any) => row.code as string }, half: true, hint: "norm.skill_hint" },
  { name: "level", label: "norm.level", kind: "integer", min: 1, max: 5, required: true, half: true },
  { name: "rate", label: "norm.rate", kind: "number", min: 0, decimals: 4, required: true, half: true },
  { name: "currency", label: "norm.currency", most: 3, required: true, half: true },
  { name: "valid_from", label: "norm.valid_from", kind: "date", required: true, half: true },
  { name: "valid_to", label: "norm.valid_to", kind: "date", half: true },
];

export function RatesPage() {
  const text = useText();
  const manage = may(useOutletContext<Me>(), "price.manage");
  const add = manage ? <FormButton primary icon={Plus} label={text.t("norm.add_rate")} form={{ path: "/labour-rates", fields: FIELDS, done: "form.saved", initial: { level: 1, currency: text.language === "zh" ? "CNY" : "EUR", valid_from: new Date().toISOString().slice(0, 10) } }} /> : undefined;
  return (
    <ListPage<Rate>
      title={text.t("norm.tab.rates")}
      sub={text.t("norm.rates_sub")}
      tabs={<ProcedureTabs />}
      path="/labour-rates"
      exports="labour-rates"
      columns={[
        { label: "norm.skill", cell: (row) => row.skill ?? text.t("norm.anybody") },
        { label: "norm.level", num: true, phone: "named", cell: (row) => text.t("norm.from_level", { level: row.level }) },
        { label: "norm.rate", num: true, phone: "side", cell: (row) => money(row.rate, row.currency, text) },
        { label: "norm.valid_from", phone: "named", cell: (row) => text.day(row.valid_from) },
        { label: "norm.valid_to", phone: "named", cell: (row) => (row.valid_to ? text.day(row.valid_to) : "–") },
        { label: "work.actions", cell: (row) => manage && (
          <span className="row" style={{ gap: 4, justifyContent: "flex-end" }}>
            <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ path: `/labour-rates/${row.id}`, method: "PUT", version: row.version, fields: FIELDS, done: "form.saved", initial: { ...row, skill: row.skill ? { id: row.skill, label: row.skill } : null } }} />
            <ActButton small danger icon={Trash2} label={text.t("action.delete")} path={`/labour-rates/${row.id}`} method="DELETE" />
          </span>
        ) },
      ]}
      right={add}
      empty={{ icon: Coins, sentence: "norm.no_rates", example: "norm.no_rates_example", action: add }}
    />
  );
}
