/** What is a part of what: opened level by level; rows far off the screen are only their height. */
import { Loader } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { ChevronRight, Network } from "lucide-react";
import { createContext, memo, useContext, useEffect, useRef, useState } from "react";
import { Link } from "react-router";

import { api, query } from "../../api/client";
import { rowsOf } from "../../api/rows";
import type { AssetCard, Page } from "../../api/types";
import { useText } from "../../i18n/useText";
import { StateChip } from "../../ui/chips";
import { Filters } from "../../ui/Filters";
import { Pick, type Chosen } from "../../ui/Pick";
import { PageHead, useTitle } from "../../ui/parts";
import { More, useNear } from "../../ui/Rows";
import { Bones, Empty, Failure } from "../../ui/states";
import { AssetTabs } from "./AssetTabs";
import { CUSTOMERS, SITES } from "./look";

export type Node = AssetCard & { parts?: number; lifecycle?: string };
export type Narrowed = { site_id?: string; customer_id?: string };

const LEVEL = 100; // rows of one level asked for at once
const INDENT = 22;
const DEEPEST = 40;
const CHUNK = 50; // rows that come and go together

/** Which branches are open: what is scrolled away and back is as it was left. */
const Opened = createContext<Set<string>>(new Set());

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
  const opened = useRef(new Set<string>());
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
        <Opened.Provider value={opened.current}>
          <div className="card tree" role="tree" aria-label={text.t("assets.tab.tree")}><Level rows={rows} of={tops} depth={0} /></div>
        </Opened.Provider>
      )}
    </>
  );
}

function Level(props: { rows: Node[]; of: ReturnType<typeof useLevel>; depth: number }) {
  const chunks = Array.from({ length: Math.ceil(props.rows.length / CHUNK) }, (_, index) => props.rows.slice(index * CHUNK, (index + 1) * CHUNK));
  return (
    <>
      {chunks.map((chunk, index) => <Chunk key={index} rows={chunk} depth={props.depth} />)}
      <More of={props.of} />
    </>
  );
}

function Chunk(props: { rows: Node[]; depth: number }) {
  const ref = useRef<HTMLDivElement>(null);
  const away = useNear(ref);
  if (away !== null) return <div ref={ref} style={{ height: away }} />;
  return <div ref={ref} role="presentation">{props.rows.map((node) => <Branch key={node.id} node={node} depth={props.depth} />)}</div>;
}

/** Made once: the next hundred rows of a level must not draw those above them anew. */
const Branch = memo(function Branch(props: { node: Node; depth: number }) {
  const text = useText();
  const { node, depth } = props;
  const opened = useContext(Opened);
  const [open, setOpen] = useState(opened.has(node.id));
  const [bare, setBare] = useState(false);
  const leaf = node.parts === 0 || bare;
  const turn = () => {
    if (open) opened.delete(node.id); else opened.add(node.id);
    setOpen(!open);
  };
  return (
    <>
      <div className="node" role="treeitem" aria-expanded={leaf ? undefined : open} aria-level={depth + 1} style={{ paddingLeft: 10 + Math.min(depth, 12) * INDENT }}>
        <button type="button" className="plainbutton twig" aria-label={text.t(open ? "tree.close" : "tree.open", { name: node.name })} onClick={turn} style={leaf ? { visibility: "hidden" } : undefined}>
          <ChevronRight size={16} style={{ transform: open ? "rotate(90deg)" : undefined }} />
        </button>
        <Link to={`/assets/${node.id}`} className="plain grow row" style={{ gap: 10 }}><span className="clamp1" style={{ fontWeight: 580 }}>{node.name}</span><span className="mono small muted clamp1 hide-phone">{node.serial}</span></Link>
        {!!node.parts && <span className="tiny muted nowrap">{text.t("tree.parts", { count: node.parts })}</span>}
        <span className="hide-phone"><StateChip state={node.state} small plain /></span>
      </div>
      {open && !leaf && depth < DEEPEST && <Parts of={node} depth={depth + 1} none={() => setBare(true)} />}
    </>
  );
});

/** Parts stand elsewhere than their whole at times: below the first level nothing is narrowed. */
function Parts(props: { of: Node; depth: number; none: () => void }) {
  const { t } = useText();
  const parts = useLevel(props.of.id, {}, true);
  const rows = rowsOf(parts);
  const { none } = props;
  const empty = parts.data !== undefined && rows.length === 0;
  useEffect(() => { if (empty) none(); }, [empty, none]);
  if (parts.isPending) return <div style={{ padding: `6px 14px 6px ${14 + props.depth * INDENT}px` }}><Loader size={13} /></div>;
  if (!parts.data) return <div className="small" style={{ padding: "4px 14px", color: "#b3261e" }}>{t("error.unreachable")}</div>;
  return <Level rows={rows} of={parts} depth={props.depth} />;
}
