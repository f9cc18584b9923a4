/** The places around cases: the three lists of triage, all cases, what came in, what is offered, and where it goes. */
import { useList } from "../../api/rows";
import { useText } from "../../i18n/useText";
import { Tabs } from "../../ui/Tabs";

type Counts = { claim: number; handle: number; approve: number };

export function CaseTabs(props: { staff: boolean }) {
  const { t } = useText();
  const counts = (useList<unknown>("/triage", { limit: 1 }, props.staff).data as { counts?: Counts } | undefined)?.counts;
  const tabs = [
    { to: "/cases", label: t("cases.tab.claim"), tally: counts?.claim, action: "case.handle" },
    { to: "/cases/mine", label: t("cases.tab.handle"), tally: counts?.handle, action: "case.handle" },
    { to: "/cases/approvals", label: t("cases.tab.approve"), tally: counts?.approve, action: "case.handle" },
    { to: "/cases/all", label: t("cases.tab.all"), action: "case.read" },
    { to: "/requests", label: t("nav.requests"), action: "request.read" },
    { to: "/cases/calls", label: t("calls.title"), action: "call.read" },
    { to: "/cases/service-types", label: t("cases.tab.types"), action: "service_type.read" },
    { to: "/cases/routing", label: t("cases.tab.routing"), action: "routing.manage" },
    { to: "/cases/ways-in", label: t("ways.title"), action: "channel.manage" },
  ];
  return <Tabs tabs={tabs} label={t("nav.cases")} />;
}
