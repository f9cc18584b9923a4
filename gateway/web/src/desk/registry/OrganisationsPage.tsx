/** The tree of organisations: the operator, its partners and customers, and who is below whom. */
import { Network, Pencil, Plus } from "lucide-react";
import { useOutletContext } from "react-router";

import { may, rowsOf, useRows } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { PageHead, useTitle } from "../../ui/parts";
import { More } from "../../ui/Rows";
import { Bones, Empty, Failure } from "../../ui/states";
import type { Tone } from "../../ui/theme";
import { ORGANISATIONS } from "../assets/look";
import { RegistryTabs } from "./RegistryTabs";

export type Organisation = { id: string; parent_id: string | null; kind: string; name: string; ancestors: string[]; version: number };
const TONE: Record<string, Tone> = { operator: "learning", partner: "model", customer: "quiet" };

/** Parents stand before their children, whatever order they came in. */
function inTree(all: Organisation[]): { one: Organisation; depth: number }[] {
  const known = new Set(all.map((one) => one.id));
  const below = new Map<string, Organisation[]>();
  for (const one of all) {
    const parent = one.parent_id && known.has(one.parent_id) ? one.parent_id : "";
    below.set(parent, [...(below.get(parent) ?? []), one]);
  }
  const walk = (parent: string, depth: number): { one: Organisation; depth: number }[] => (below.get(parent) ?? []).sort((a, b) => a.name.localeCompare(b.name)).flatMap((one) => [{ one, depth }, ...walk(one.id, depth + 1)]);
  return walk("", 0);
}

export function OrganisationsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const rows = useRows<Organisation>("/organisations", { limit: 200 });
  const manage = may(me, "organisation.manage");
  useTitle(text.t("nav.organisations"));
  const fields: Field[] = [
    { name: "name", label: "col.name", required: true },
    { name: "kind", label: "col.kind", kind: "select", required: true, half: true, options: ["partner", "customer"].map((word) => ({ value: word, label: text.code("organisation_kind", word) })) },
    { name: "parent_id", label: "organisations.below", kind: "pick", of: ORGANISATIONS, half: true },
  ];
  const all = rowsOf(rows);
  return (
    <>
      <PageHead title={text.t("nav.organisations")} sub={text.t("organisations.sub")} right={manage && <FormButton primary icon={Plus} label={text.t("organisations.add")} form={{ path: "/organisations", fields, initial: { kind: "partner" } }} />} />
      <RegistryTabs />
      {!rows.data ? (rows.isPending ? <Bones rows={5} /> : <Failure error={rows.error} retry={() => void rows.refetch()} />) : all.length === 0 ? <Empty icon={Network} sentence={text.t("organisations.empty")} /> : (
        <div className="card tree">
          {inTree(all).map(({ one, depth }) => (
            <div key={one.id} className="node" style={{ paddingLeft: 16 + depth * 24 }}>
              <span className="grow break" style={{ fontWeight: depth === 0 ? 640 : 520 }}>{one.name}</span>
              <Chip tone={TONE[one.kind] ?? "quiet"} small>{text.code("organisation_kind", one.kind)}</Chip>
              {manage && depth > 0 && <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: one.name, submit: text.t("action.save"), path: `/organisations/${one.id}`, method: "PATCH", version: one.version, fields: [fields[0]!, fields[2]!], initial: { name: one.name, parent_id: one.parent_id ? { id: one.parent_id, label: all.find((other) => other.id === one.parent_id)?.name ?? "…" } : null }, done: "form.saved" }} />}
            </div>
          ))}
        </div>
      )}
      <More of={rows} />
    </>
  );
}
