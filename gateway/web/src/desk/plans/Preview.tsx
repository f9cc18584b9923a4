/** The dates that a plan would give, asked while it is written; nothing is stored. */
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api } from "../../api/client";
import type { Schema } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { CardBlock } from "../../ui/parts";
import { Bones, Notice } from "../../ui/states";
import { bodyOf, type Draft } from "./draft";
import { dayText } from "./look";

const SHOWN = 14;

export function Preview(props: { draft: Draft }) {
  const text = useText();
  const body = { ...bodyOf(props.draft), code: props.draft.code.trim() || "NEW", name: { en: "Preview" } };
  const [asked] = useDebouncedValue(JSON.stringify(body), 500);
  const found = useQuery({
    queryKey: ["plan_preview", asked],
    queryFn: () => api<Schema["MaintenancePreviewAnswer"]>("/maintenance-plans/preview", { method: "POST", body: JSON.parse(asked) as unknown }),
    placeholderData: keepPreviousData,
    retry: false,
  });
  const items = found.data?.items ?? [];
  const first = items[0]?.asset_id;
  const mine = items.filter((one) => one.asset_id === first);
  return (
    <CardBlock title={text.t("plan.preview")} first>
      {found.isPending ? <Bones rows={5} height={18} /> : found.error ? <Notice tone="watch">{problemText(found.error, text)}</Notice> : (
        <>
          <div className="small muted" style={{ marginBottom: 8 }}>{found.data?.machines ? text.t("plan.preview_of", { count: found.data.machines }) : text.t("plan.preview_nobody")}</div>
          {mine.length === 0 && <div className="small">{text.t("plan.preview_none")}</div>}
          {mine.slice(0, SHOWN).map((one) => (
            <div key={one.slot} className="row small line" style={{ opacity: one.left_out ? 0.55 : 1, textDecoration: one.left_out ? "line-through" : undefined }}>
              <span className="num grow">{one.due_on ? dayText(one.due_on, text) : text.t("plan.at_value", { value: text.number(one.target) })}</span>
              <span className="muted break">{one.packages.join(" + ")}{one.covered.length > 0 && ` (${one.covered.join(", ")})`}</span>
            </div>
          ))}
          {mine.length > SHOWN && <div className="small muted">{text.t("plan.preview_more", { count: mine.length - SHOWN })}</div>}
        </>
      )}
    </CardBlock>
  );
}
