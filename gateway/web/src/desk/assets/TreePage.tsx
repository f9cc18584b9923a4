/** What is a part of what: opened level by level, so that ten thousand machines weigh as little as ten. */
import { Button, Loader } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { ChevronRight, Network } from "lucide-react";
import { memo, useState } from "react";
import { Link } from "react-router";

import { api, query } from "../../api/client";
import { rowsOf } from "../../api/rows";
import type { AssetCard, Page } from "../../api/types";
import { useText } from "../../i18n/useText";
import { StateChip } from "../../ui/chips";
import { Filters } from "../../ui/Filters";
import { Pick, type Chosen } from "../../ui/Pick";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Failure } from "../../ui/states";
import { AssetTabs } from "./AssetTabs";
import { CUSTOMERS, SITES } from "./look";

export type Node = AssetCard & { parts?: number; lifecycle?: string };
export type Narrowed = { site_id?: string; customer_id?: string };

const LEVEL = 100; // rows of one level asked for at once
const INDENT = 22;
const DEEPEST = 40;

const useLevel = (parent: string, asked: Narrowed, open: boolean) =>
  useInfiniteQuery({
    queryKey: ["rows", "tree", parent, asked],
    queryFn: ({ pageParam }) => api<Page<Node>>(`/assets${query({ parent_id: parent, ...asked, limit: LEVEL, after: pageParam })}`),
    initialPageParam: "",
    getNextPageParam: (page) => page.next ?? undefined,
    enabled: open,
    staleTime: 15_000,
  });

export function TreePage() {
  const text = useText();
  const [site, setSite] = useState<Chosen | null>(null);
  const [customer, setCustomer] = useState<Chosen | null>(null);
  const asked: Narrowed = { site_id: site?.id, customer_id: customer?.id };
  const tops = useLevel("none", asked, true);
  const rows = rowsOf(tops);
  useTitle(text.t("assets.tab.tree"));
  return (
    <>
      <PageHead title={text.t("nav.assets")} sub={text.t("tree.sub")} />
      <AssetTabs />
      <Filters set={(site ? 1 : 0) + (customer ? 1 : 0)}>
        <div className="filter"><Pick of={SITES} value={site} change={setSite} placeholder={text.t("col.site")} /></div>
        <div className="filter"><Pick of={CUSTOMERS} value={customer} change={setCustomer} placeholder={text.t("col.customer")} /></div>
      </Filters>
      {!tops.data ? (tops.isPending ? <Bones rows={8} /> : <Failure error={tops.error} retry={() => void tops.refetch()} />) : rows.length === 0 ? (
        <Empty icon={Network} sentence={text.t("tree.empty")} example={text.t("tree.example")} />
      ) : (
        <div className="card tree" role="tree" aria-label={text.t("assets.tab.tree")}><Level rows={rows} of={tops} depth={0} /></div>
      )}
    </>
  );
}

function Level(props: { rows: Node[]; of: ReturnType<typeof useLevel>; depth: number }) {
  const { t } = useText();
  const { of } = props;
  return (
    <>
      {props.rows.map((node) => <Branch key={node.id} node={node} depth={props.depth} />)}
      {of.hasNextPage && <div style={{ padding: `6px 14px 6px ${14 + props.depth * INDENT}px` }}><Button size="compact-sm" variant="default" loading={of.isFetchingNextPage} onClick={() => void of.fetchNextPage()}>{t("list.more")}</Button></div>}
    </>
  );
}

/** Made once: the next hundred rows of a level must not draw those above them anew. */
const Branch = memo(function Branch(props: { node: Node; depth: number }) {
  const text = useText();
  const { node, depth } = props;
  const [open, setOpen] = useState(false);
  // Parts stand elsewhere than their whole at times: below the first level nothing is narrowed.
  const parts = useLevel(node.id, {}, open && depth < DEEPEST);
  const rows = rowsOf(parts);
  const leaf = node.parts === 0 || (open && parts.data && rows.length === 0);
  return (
    <>
      <div className="node" role="treeitem" aria-expanded={leaf ? undefined : open} aria-level={depth + 1} style={{ paddingLeft: 10 + Math.min(depth, 12) * INDENT }}>
        <button type="button" className="plainbutton twig" aria-label={text.t(open ? "tree.close" : "tree.open", { name: node.name })} onClick={() => setOpen(!open)} style={leaf ? { visibility: "hidden" } : undefined}>
          {open && parts.isPending ? <Loader size={13} /> : <ChevronRight size={16} style={{ transform: open ? "rotate(90deg)" : undefined }} />}
        </button>
        <Link to={`/assets/${node.id}`} className="plain grow row" style={{ gap: 10 }}><span className="clamp1" style={{ fontWeight: 580 }}>{node.name}</span><span className="mono small muted clamp1 hide-phone">{node.serial}</span></Link>
        {!!node.parts && <span className="tiny muted nowrap">{text.t("tree.parts", { count: node.parts })}</span>}
        <span className="hide-phone"><StateChip state={node.state} small plain /></span>
      </div>
      {open && parts.error && <div className="small" style={{ padding: "4px 14px", color: "#b3261e" }}>{text.t("error.unreachable")}</div>}
      {open && rows.length > 0 && <Level rows={rows} of={parts} depth={depth + 1} />}
    </>
  );
});
