/** The catalogue of service types: what is offered, in which order, and how each is paid. */
import { Shapes } from "lucide-react";
import { Link, useNavigate, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip, PriorityChip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { PageHead } from "../../ui/parts";
import { CaseTabs } from "./CaseTabs";
import { nameOf, words, type ServiceType } from "./common";

export const CATEGORIES = ["advice", "on_site", "goods", "other"];

export const NAMES = (text: ReturnType<typeof useText>): Field[] => [
  { name: "name_en", label: "types.name_en", required: true, most: 100, half: true },
  { name: "name_zh", label: "types.name_zh", required: true, most: 100, half: true },
  { name: "category", label: "types.category", kind: "select", required: true, options: words("type_category", CATEGORIES, text), half: true },
  { name: "description_en", label: "types.description_en", kind: "area", most: 1000 },
  { name: "description_zh", label: "types.description_zh", kind: "area", most: 1000 },
  { name: "public", label: "types.public", kind: "switch" },
];

export function ServiceTypesPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "service_type.manage") ? <FormButton primary label={text.t("types.add")} form={{ path: "/service-types", size: "lg", initial: { category: "other", public: true }, fields: [{ name: "code", label: "types.code", required: true, most: 40, hint: "types.code_hint" }, ...NAMES(text)], after: (made: { id: string }) => void navigate(`/cases/service-types/${made.id}`) }} /> : undefined;
  return (
    <>
      <PageHead title={text.t("cases.tab.types")} sub={text.t("types.sub")} right={add} />
      <CaseTabs staff={may(me, "case.handle")} />
      <ListPage<ServiceType>
        untitled
        title={text.t("cases.tab.types")}
        path="/service-types"
        search="types.search"
        columns={[
          { label: "col.name", cell: (row) => <div><Link className="plain" style={{ fontWeight: 620 }} to={`/cases/service-types/${row.id}`}>{nameOf(row, text)}</Link><div className="small muted break">{(text.language === "zh" ? row.description_zh : row.description_en) ?? ""}</div></div> },
          { label: "types.category", phone: "named", cell: (row) => text.code("type_category", row.category) },
          { label: "orders.priority", phone: "side", cell: (row) => <PriorityChip priority={row.in_force?.priority ?? "normal"} small /> },
          { label: "types.fields", phone: "hide", num: true, cell: (row) => text.number(Object.keys((row.in_force?.form as { properties?: object } | undefined)?.properties ?? {}).length) },
          { label: "types.settlement", phone: "hide", cell: (row) => (row.in_force?.settlement_rule ? text.code("settlement", row.in_force.settlement_rule) : "–") },
          { label: "types.version", phone: "hide", num: true, cell: (row) => row.latest },
          { label: "col.state", phone: "named", cell: (row) => <Chip small tone={row.active ? "ok" : "quiet"}>{text.t(row.active ? "types.active" : "types.off")}</Chip> },
        ]}
        to={(row) => `/cases/service-types/${row.id}`}
        empty={{ icon: Shapes, sentence: "types.empty", action: add }}
      />
    </>
  );
}
