/** The documents that were written about a work order, newest revisions first, in both languages. */
import { FileDown } from "lucide-react";

import { useOne, type Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { CardBlock } from "../../ui/parts";

type Reports = Schema["ReportList"];
const LANGUAGES = [["en", "English"], ["zh", "中文"]] as const;

export function ReportsCard(props: { orderId: string; done: boolean }) {
  const text = useText();
  const found = useOne<Reports>(`/work-orders/${props.orderId}/reports`, true, 5_000);
  const rows = found.data?.items ?? [];
  const newest = rows.filter((row, at) => rows.findIndex((other) => other.template === row.template) === at);
  if (!found.data || (newest.length === 0 && !props.done)) return null;
  return (
    <CardBlock title={text.t("report.documents")}>
      {newest.length === 0 && <div className="small muted">{text.t("report.none")}</div>}
      {newest.map((row) => (
        <div key={row.id} className="row wrap" style={{ gap: "4px 12px", padding: "4px 0" }}>
          <FileDown size={15} aria-hidden />
          <span>{text.t(`report.${row.template}`)}{row.revision > 1 && <span className="small muted"> · {text.t("report.revision", { revision: row.revision })}</span>}</span>
          {LANGUAGES.map(([language, name]) => (
            <a key={language} className="link" lang={language} download href={`/api/v1/work-orders/${props.orderId}/report?template=${row.template}&language=${language}`}>{name}</a>
          ))}
        </div>
      ))}
    </CardBlock>
  );
}
