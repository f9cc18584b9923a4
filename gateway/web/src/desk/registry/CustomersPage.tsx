/** Customers: found by name, number and phone; the same one twice is merged here. */
import { Building2, Plus } from "lucide-react";
import { useNavigate, useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import type { Field } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { RegistryTabs } from "./RegistryTabs";

export type Customer = { id: string; number: string | null; name: string; phone: string | null; email: string | null; organisation_id: string; version: number };

export const customerFields: Field[] = [
  { name: "name", label: "col.name", required: true },
  { name: "number", label: "col.number", half: true, most: 60 },
  { name: "phone", label: "col.phone", half: true, most: 60 },
  { name: "email", label: "sign_in.email", most: 200 },
];

export function CustomersPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "customer.manage") ? <FormButton primary icon={Plus} label={text.t("customers.add")} form={{ path: "/customers", fields: customerFields, after: (made: { id: string }) => void navigate(`/customers/${made.id}`) }} /> : undefined;
  return (
    <ListPage<Customer>
      title={text.t("nav.customers")}
      sub={text.t("customers.sub")}
      tabs={<RegistryTabs />}
      path="/customers"
      search="customers.search"
      exports="customers"
      columns={[
        { label: "col.name", sort: "name", cell: (row) => row.name },
        { label: "col.number", sort: "number", cell: (row) => <span className="mono">{row.number ?? "–"}</span>, phone: "side" },
        { label: "col.phone", sort: "phone", cell: (row) => row.phone ?? <span className="faint">–</span> },
        { label: "sign_in.email", sort: "email", cell: (row) => row.email ?? <span className="faint">–</span> },
      ]}
      to={(row) => `/customers/${row.id}`}
      right={add}
      empty={{ icon: Building2, sentence: "customers.empty", example: "customers.example", action: add }}
    />
  );
}
