/** The library of procedures: what is done how, in which version, and for which machines. */
import { Button, FileButton } from "@mantine/core";
import { FileUp, ListChecks, Plus } from "lucide-react";
import { useNavigate, useOutletContext } from "react-router";

import { newKey } from "../../api/client";
import { may, useSend } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import { problemText } from "../../ui/Form";
import { ListPage } from "../../ui/ListPage";
import { say } from "../../ui/Providers";
import { words } from "../work/Checklist";
import { ProcedureTabs } from "./ProcedureTabs";

export type ProcedureRow = { id: string; code: string; name_en: string; name_zh: string; published: number | null; draft: number | null; steps: number; retired_at: string | null; version: number };

/** Take a file in that another Forewarn wrote: a draft, of a new procedure or of the next version of one with its code. */
function Carry() {
  const text = useText();
  const navigate = useNavigate();
  const send = useSend<{ id: string }>();
  const take = async (file: File | null) => {
    if (!file) return;
    let body: unknown;
    try { body = JSON.parse(await file.text()); } catch { say(text.t("sop.not_a_file"), "bad"); return; }
    send.mutate({ path: "/procedures/import", body, key: newKey() }, { onSuccess: (made) => { say(text.t("sop.was_carried")); void navigate(`/procedures/${made.id}`); }, onError: (error) => say(problemText(error, text), "bad") });
  };
  return <FileButton onChange={(file) => void take(file)} accept="application/json,.json">{(more) => <Button variant="default" leftSection={<FileUp size={16} />} loading={send.isPending} {...more}>{text.t("sop.carry_in")}</Button>}</FileButton>;
}

export function ProceduresPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const navigate = useNavigate();
  const add = may(me, "procedure.manage") ? (
    <FormButton primary icon={Plus} label={text.t("sop.add")} form={{
      path: "/procedures", done: "form.saved", after: (made: { id: string }) => void navigate(`/procedures/${made.id}`),
      fields: [
        { name: "code", label: "col.code", required: true, most: 60, example: "SOP-PUMP-01" },
        { name: "name_en", label: "col.name_en", required: true, half: true },
        { name: "name_zh", label: "col.name_zh", required: true, half: true },
        { name: "description_en", label: "sop.description_en", kind: "area", most: 4000 },
        { name: "description_zh", label: "sop.description_zh", kind: "area", most: 4000 },
      ],
    }} />
  ) : undefined;
  return (
    <ListPage<ProcedureRow>
      title={text.t("nav.procedures")}
      sub={text.t("sop.sub")}
      tabs={<ProcedureTabs />}
      path="/procedures"
      search="sop.search"
      filters={[{ name: "retired", label: "sop.which", options: [{ value: "true", label: text.t("sop.with_retired") }] }]}
      columns={[
        { label: "col.name", cell: (row) => words(row, "name", text) },
        { label: "col.code", cell: (row) => <span className="mono">{row.code}</span> },
        { label: "sop.steps", num: true, phone: "named", cell: (row) => row.steps },
        { label: "sop.version", phone: "named", cell: (row) => (row.published ? `v${row.published}` : "–") },
        { label: "col.state", phone: "side", cell: (row) => (
          <span className="row wrap" style={{ gap: 6 }}>
            <Chip small tone={row.retired_at ? "quiet" : row.published ? "ok" : "watch"}>{text.t(row.retired_at ? "sop.retired" : row.published ? "sop.published" : "sop.unpublished")}</Chip>
            {row.draft && row.published && <Chip small tone="learning">{text.t("sop.draft_of", { number: row.draft })}</Chip>}
          </span>
        ) },
      ]}
      to={(row) => `/procedures/${row.id}`}
      right={add && <><Carry />{add}</>}
      empty={{ icon: ListChecks, sentence: "sop.empty", example: "sop.example", action: add }}
    />
  );
}
