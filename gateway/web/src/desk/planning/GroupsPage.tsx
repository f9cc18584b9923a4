/** Planned work that goes well together: at one site for one skill, or while a machine stands still anyway. */
import { Button } from "@mantine/core";
import { Combine } from "lucide-react";
import { Link, useOutletContext, useSearchParams } from "react-router";

import { newKey } from "../../api/client";
import { may, useOne, useSend, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { Filters } from "../../ui/Filters";
import { problemText } from "../../ui/Form";
import { PageHead, useTitle } from "../../ui/parts";
import { Pick } from "../../ui/Pick";
import { say } from "../../ui/Providers";
import { Bones, Empty, Loaded, Notice } from "../../ui/states";
import { SITES } from "../assets/look";
import { dayText, said } from "../plans/look";
import { PlansTabs } from "../plans/PlansTabs";
import { hoursOf } from "./look";

type Group = Schema["GroupItem"];

export function GroupsPage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const site = params.get("site");
  const groups = useOne<Schema["GroupItems"]>(`/planning/groups?days=60${site ? `&site_id=${site}` : ""}`);
  useTitle(text.t("planning.groups"));
  return (
    <>
      <PageHead title={text.t("planning.groups")} sub={text.t("planning.groups_sub")} />
      <PlansTabs />
      <Filters set={site ? 1 : 0}>
        <div className="filter"><Pick of={SITES} value={site ? { id: site, label: params.get("site.label") ?? site } : null} change={(one) => setParams(one ? { site: one.id, "site.label": one.label } : {}, { replace: true })} placeholder={text.t("col.site")} /></div>
      </Filters>
      <Loaded of={groups} skeleton={<Bones rows={6} height={24} />}>
        {(found) => found.items.length === 0 ? <Empty icon={Combine} sentence={text.t("planning.no_groups")} example={text.t("planning.groups_example")} /> : (
          <div className="stack" style={{ gap: 12 }}>
            {found.cut && <Notice tone="learning">{text.t("planning.groups_cut")}</Notice>}
            {found.items.map((group) => <Card key={group.key} group={group} />)}
          </div>
        )}
      </Loaded>
    </>
  );
}

function Card(props: { group: Group }) {
  const text = useText();
  const { group } = props;
  const decides = may(useOutletContext<Me>(), "occurrence.decide");
  const send = useSend();
  const moving = group.pieces.filter((piece) => piece.to !== null);
  const name = `${group.site.name} · ${dayText(group.day, text)}`;
  const accept = () =>
    send.mutate(
      { path: "/planning/drafts", body: { name: name.slice(0, 200), kind: "group", apply: true, moves: moving.map((piece) => ({ occurrence_id: piece.id, to: piece.to, seen_at: piece.at })) }, key: newKey() },
      { onSuccess: () => say(text.t("planning.grouped")), onError: (error) => say(problemText(error, text), "bad") },
    );
  const because = group.because as { kind: string; label: string } | null;
  return (
    <article className="card pad">
      <div className="row wrap top" style={{ gap: "8px 18px" }}>
        <div className="grow" style={{ flexBasis: 260 }}>
          <div className="row wrap" style={{ gap: "4px 8px" }}>
            <Link className="plain break" style={{ fontSize: 16, fontWeight: 650 }} to={`/sites/${group.site.id}`}>{group.site.name}</Link>
            <Chip small tone={group.kind === "opportunity" ? "watch" : "learning"}>{text.t(`planning.group.${group.kind}`)}</Chip>
          </div>
          <div className="small">{text.t("planning.on_day", { day: dayText(group.day, text), count: group.pieces.length, skill: group.skill === "any" ? text.t("planning.any_skill") : group.skill })}{because && <span className="muted"> · {text.t(`planning.because.${because.kind}`, { label: because.label })}</span>}</div>
        </div>
        <div>
          <div className="eyebrow">{text.t("planning.saves")}</div>
          <b>{text.t("planning.trips", { count: group.trips })}</b>
          <div className="small muted">{group.travel_minutes !== null ? text.t("planning.travel_saved", { hours: hoursOf(group.travel_minutes, text) }) : text.t("planning.travel_unknown")}</div>
          {group.stop_minutes > 0 && <div className="small muted">{text.t("planning.stop_saved", { hours: hoursOf(group.stop_minutes, text) })}</div>}
        </div>
        {decides && <Button loading={send.isPending} leftSection={<Combine size={16} />} onClick={accept}>{text.t("planning.group_accept", { count: moving.length })}</Button>}
      </div>
      <div style={{ marginTop: 10 }}>
        {group.pieces.map((piece) => (
          <div key={piece.id} className="row wrap small" style={{ gap: "2px 12px", padding: "6px 0", borderTop: "1px solid var(--line-soft)" }}>
            <span className="grow break" style={{ flexBasis: 200 }}><Link className="plain" to={`/assets/${piece.asset.id}`}>{piece.asset.name}</Link> <span className="muted">{said(piece.plan_name, text.language) || piece.plan_code}</span></span>
            <span className="num">{piece.to ? `${dayText(piece.day, text)} → ${dayText(group.day, text)}` : text.t("planning.stays", { day: dayText(piece.day, text) })}</span>
            <span className="muted num">{text.t("planning.window", { first: dayText(piece.first, text), last: dayText(piece.last, text) })}</span>
            <span className="num">{hoursOf(piece.minutes, text)}</span>
          </div>
        ))}
      </div>
    </article>
  );
}
