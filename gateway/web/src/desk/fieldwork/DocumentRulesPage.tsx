/** When documents are written by themselves: at which moments, in which languages, and whether the customer gets them. */
import { Button, Checkbox, Switch } from "@mantine/core";
import { FileText } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may, useList, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { problemText } from "../../ui/Form";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Loaded, Notice } from "../../ui/states";
import { NotifyTabs } from "../notify/NotifyTabs";

type Rule = Schema["DocumentRuleItem"];
const INSIDE = new Set(["job_sheet"]); // never the customer's
const LANGUAGES = [["en", "English"], ["zh", "中文"]] as const;

export function DocumentRulesPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const rules = useList<Rule>("/document-rules");
  const editable = may(me, "settings.manage");
  useTitle(text.t("docrules.title"));
  return (
    <>
      <PageHead title={text.t("docrules.title")} sub={text.t("docrules.sub")} />
      <NotifyTabs />
      {!editable && <Notice tone="quiet">{text.t("docrules.read_only")}</Notice>}
      <Loaded of={rules} skeleton={<Bones rows={8} />}>
        {(page) => <div className="stack" style={{ gap: 16 }}>{page.items.map((rule) => <RuleCard key={`${rule.template}${JSON.stringify(rule)}`} rule={rule} editable={editable} />)}</div>}
      </Loaded>
    </>
  );
}

function RuleCard(props: { rule: Rule; editable: boolean }) {
  const text = useText();
  const { rule, editable } = props;
  const send = useSend();
  const [now, setNow] = useState(rule);
  const changed = JSON.stringify(now) !== JSON.stringify(rule);
  const save = () => send.mutate(
    { path: `/document-rules/${rule.template}`, method: "PUT", body: { moments: now.moments, languages: now.languages, mail: now.mail, enabled: now.enabled } },
    { onSuccess: () => say(text.t("form.saved")), onError: (error) => say(problemText(error, text), "bad") },
  );
  return (
    <CardBlock title={<span className="row" style={{ gap: 8 }}><FileText size={16} aria-hidden />{text.code("report", rule.template)}</span>} right={<Switch label={text.t(now.enabled ? "webhooks.state.on" : "webhooks.state.off")} checked={now.enabled} disabled={!editable} onChange={(event) => setNow({ ...now, enabled: event.currentTarget.checked })} />}>
      <p className="small muted" style={{ marginTop: 0 }}>{text.t(`docrules.about.${rule.template}`)}</p>
      <div className="row wrap top" style={{ gap: "14px 48px", opacity: now.enabled ? 1 : 0.55 }}>
        <Checkbox.Group label={text.t("docrules.moments")} value={now.moments} onChange={(moments) => setNow({ ...now, moments })}>
          <div className="stack" style={{ gap: 8, marginTop: 6 }}>{rule.possible.map((moment) => <Checkbox key={moment} value={moment} disabled={!editable} label={text.code("document_moment", moment)} />)}</div>
        </Checkbox.Group>
        <Checkbox.Group label={text.t("docrules.languages")} value={now.languages} onChange={(languages) => { if (languages.length) setNow({ ...now, languages }); }}>
          <div className="stack" style={{ gap: 8, marginTop: 6 }}>{LANGUAGES.map(([code, name]) => <Checkbox key={code} value={code} disabled={!editable} label={<span lang={code}>{name}</span>} />)}</div>
        </Checkbox.Group>
        {!INSIDE.has(rule.template) && <Switch label={text.t("docrules.mail")} description={text.t("docrules.mail_hint")} checked={now.mail} disabled={!editable} onChange={(event) => setNow({ ...now, mail: event.currentTarget.checked })} style={{ maxWidth: 340 }} />}
      </div>
      {editable && changed && <div className="row" style={{ gap: 8, marginTop: 16 }}><Button loading={send.isPending} onClick={save}>{text.t("action.save")}</Button><Button variant="default" onClick={() => setNow(rule)}>{text.t("action.cancel")}</Button></div>}
    </CardBlock>
  );
}
