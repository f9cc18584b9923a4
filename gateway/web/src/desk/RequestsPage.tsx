/** What customers reported; each becomes a work order or gets an answer. */
import { Button, Group, Modal, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { MessageSquareText, Search } from "lucide-react";
import { useState } from "react";
import { Link, useOutletContext, useSearchParams } from "react-router";

import { useAct, useRequests } from "../api/hooks";
import { may } from "../api/rows";
import type { CustomerRequest, Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Chip, Marks } from "../ui/chips";
import { Ago, PageHead, useTitle } from "../ui/parts";
import { say } from "../ui/Providers";
import { Bones, Empty, errorText, Loaded } from "../ui/states";
import { CaseTabs } from "./cases/CaseTabs";

const TONE = { new: "watch", accepted: "learning", rejected: "quiet", done: "ok" } as const;

export function RequestsPage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const view = params.get("view") ?? "new";
  const [typed, setTyped] = useState(params.get("q") ?? "");
  const [sought] = useDebouncedValue(typed.trim(), 300);
  const requests = useRequests(sought || undefined);
  useTitle(text.t("nav.requests"));
  return (
    <>
      <PageHead title={text.t("requests.title")} sub={text.t("requests.sub")} />
      <CaseTabs staff={may(useOutletContext<Me>(), "case.handle")} />
      <div className="row wrap" style={{ marginBottom: 14, gap: 10 }}>
        <SegmentedControl value={view} onChange={(value) => setParams({ view: value }, { replace: true })} data={["new", "all"].map((name) => ({ value: name, label: text.t(`requests.view.${name}`) }))} />
        <div className="grow" />
        <TextInput value={typed} onChange={(event) => setTyped(event.currentTarget.value)} leftSection={<Search size={16} />} placeholder={text.t("requests.search")} aria-label={text.t("requests.search")} maxLength={100} style={{ flex: "0 1 260px" }} />
      </div>
      <Loaded of={requests} skeleton={<Bones rows={6} height={24} />}>
        {(page) => {
          const shown = page.items.filter((request) => view === "all" || request.state === "new");
          if (shown.length === 0 && sought) return <Empty icon={Search} sentence={text.t("search.nothing", { sought })} action={<Button variant="default" onClick={() => setTyped("")}>{text.t("orders.clear_search")}</Button>} />;
          return shown.length === 0 ? (
            <Empty icon={MessageSquareText} sentence={text.t(view === "all" ? "requests.empty_all" : "requests.empty_new")} action={<Button component={Link} to="/" variant="default">{text.t("requests.find_qr")}</Button>} example={text.t("requests.example")} />
          ) : (
            <div className="stack" style={{ gap: 12 }}>{shown.map((request) => <Row key={request.id} request={request} />)}</div>
          );
        }}
      </Loaded>
    </>
  );
}

function Row(props: { request: CustomerRequest }) {
  const { request } = props;
  const text = useText();
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const act = useAct();
  const triage = may(useOutletContext<Me>(), "request.triage");
  const fail = (error: Error) => say(errorText(error, text), "bad");
  const accept = () => act.mutate({ path: `/requests/${request.id}/accept` }, { onSuccess: () => say(text.t("requests.accepted")), onError: fail });
  const reject = () =>
    act.mutate(
      { path: `/requests/${request.id}/reject`, body: { reason: reason.trim() } },
      { onSuccess: () => { setAsking(false); say(text.t("requests.rejected")); }, onError: fail },
    );
  return (
    <article className="card pad row wrap top" style={{ gap: 16 }}>
      <div className="grow" style={{ flexBasis: 280 }}>
        <div className="row wrap" style={{ gap: 8, marginBottom: 6 }}>
          <span className="small mono-num" style={{ fontWeight: 640 }}>{request.number}</span>
          <Chip tone={TONE[request.state] ?? "quiet"} small>{text.code("request", request.state)}</Chip>
          <Marks demo={request.demo} />
          <span className="small muted"><Ago at={request.created_at} /></span>
        </div>
        <div className="break" style={{ fontSize: 15, lineHeight: 1.5 }}>“{request.text}”</div>
        <div className="small muted" style={{ marginTop: 6 }}>
          {request.case && <><Link to={`/cases/${request.case.id}`} className="link">{request.case.number}</Link> · </>}
          {request.asset ? <Link to={`/assets/${request.asset.id}`} className="link">{request.asset.name}</Link> : text.t("cases.no_asset")}
          {request.contact_name && ` · ${request.contact_name}`} · {text.code("channel", request.channel)}
        </div>
      </div>
      {request.work_order ? (
        <Button component={Link} to={`/work-orders/${request.work_order.id}`} variant="default">{request.work_order.number}</Button>
      ) : (
        request.state === "new" && triage && (
          <div className="row wrap">
            <Button loading={act.isPending && !asking} onClick={accept}>{text.t("requests.accept")}</Button>
            <Button variant="default" onClick={() => setAsking(true)}>{text.t("requests.reject")}</Button>
          </div>
        )
      )}
      <Modal opened={asking} onClose={() => setAsking(false)} title={text.t("requests.reject_title")}>
        <p className="small muted" style={{ marginTop: 0 }}>{text.t("requests.reject_hint")}</p>
        <Textarea label={text.t("order.reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} autosize minRows={2} maxLength={1000} data-autofocus />
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={() => setAsking(false)}>{text.t("action.back")}</Button>
          <Button disabled={!reason.trim()} loading={act.isPending} onClick={reject}>{text.t("requests.reject")}</Button>
        </Group>
      </Modal>
    </article>
  );
}
