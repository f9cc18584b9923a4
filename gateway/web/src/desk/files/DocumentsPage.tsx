/** Every document, of machines and of their kinds. */
import { FileText } from "lucide-react";
import { useOutletContext } from "react-router";

import { may } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { ListPage } from "../../ui/ListPage";
import { AssetTabs } from "../assets/AssetTabs";
import { DOCUMENT_KINDS, documentColumns, type Document } from "./DocumentList";

export function DocumentsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  return (
    <ListPage<Document>
      title={text.t("nav.documents")}
      sub={text.t("documents.sub")}
      tabs={<AssetTabs />}
      path="/documents"
      search="documents.search"
      exports="documents"
      filters={[{ name: "kind", label: "col.kind", options: DOCUMENT_KINDS.map((word) => ({ value: word, label: text.code("document_kind", word) })) }]}
      columns={documentColumns(text, may(me, "document.manage"), true)}
      empty={{ icon: FileText, sentence: "documents.empty", example: "documents.add_where" }}
    />
  );
}
