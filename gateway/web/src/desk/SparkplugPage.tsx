/** Sparkplug B: the edge nodes that this host listens to, and those that wait to be let in. */
import { Button } from "@mantine/core";
import { Network, Plus, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { useNodes, type Account, type NewNode, type Node, type NodePage } from "../api/sparkplug";
import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Chip } from "../ui/chips";
import { Ago, PageHead, useTitle } from "../ui/parts";
import { Bones, Empty, Loaded } from "../ui/states";
import { manages } from "./DevicePage";
import { DeviceTabs } from "./DeviceTabs";
import { AccountModal } from "./sparkplug/AccountModal";
import { NodeCard } from "./sparkplug/NodeCard";
import { RegisterModal } from "./sparkplug/RegisterModal";

export function SparkplugPage() {
  const text = useText();
  const manage = manages(useOutletContext<Me>());
  const nodes = useNodes();
  const [wanted, want] = useState<NewNode | null>(null);
  const [account, show] = useState<Account | null>(null);
  useTitle(text.t("sparkplug.title"));
  const add = manage ? <Button leftSection={<Plus size={16} />} onClick={() => want({ group_id: "", node_id: "" })}>{text.t("sparkplug.register")}</Button> : undefined;
  return (
    <>
      <PageHead title={text.t("sparkplug.title")} sub={text.t("sparkplug.sub")} right={add} />
      <DeviceTabs />
      {wanted && <RegisterModal wanted={wanted} close={() => want(null)} done={(made) => (want(null), show(made))} />}
      {account && <AccountModal account={account} close={() => show(null)} />}
      <Loaded of={nodes} skeleton={<Bones rows={5} height={24} />}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon={Network} sentence={text.t("sparkplug.empty")} action={add} example={<>{text.t("devices.example")} <span className="mono">spBv1.0/Plant1/NDATA/Gateway1</span></>} />
          ) : (
            <Groups page={page} manage={manage} want={want} show={show} />
          )
        }
      </Loaded>
    </>
  );
}

function Groups(props: { page: NodePage; manage: boolean; want: (node: NewNode) => void; show: (account: Account) => void }) {
  const text = useText();
  const unknown = props.page.items.filter((node) => node.device === null);
  const known = props.page.items.filter((node) => node.device !== null);
  return (
    <div className="stack" style={{ gap: 14 }}>
      {unknown.length > 0 && <Unknown nodes={unknown} manage={props.manage} want={props.want} />}
      {known.map((node) => <NodeCard key={node.id} node={node} manage={props.manage} show={props.show} />)}
      <div className="small muted break">{text.t("sparkplug.host")}: <b className="mono">{props.page.host_id}</b>. {text.t("sparkplug.host_hint")} <span className="mono">{props.page.state_topic}</span></div>
    </div>
  );
}

/** Heard of, not registered: their messages are set aside. */
function Unknown(props: { nodes: Node[]; manage: boolean; want: (node: NewNode) => void }) {
  const text = useText();
  return (
    <section className="card" style={{ borderColor: "#f0dcae" }}>
      <div className="card-head"><h2 className="grow row" style={{ gap: 8 }}><TriangleAlert size={16} color="#8f5a00" aria-hidden />{text.t("sparkplug.unknown", { count: props.nodes.length })}</h2></div>
      <p className="small muted inset" style={{ margin: "4px 0 8px" }}>{text.t("sparkplug.unknown_hint")}</p>
      {props.nodes.map((node) => (
        <div key={node.id} className="inset row wrap" style={{ paddingTop: 10, paddingBottom: 10, borderTop: "1px solid var(--line-soft)", gap: "4px 12px" }}>
          <span className="mono grow break" style={{ fontWeight: 600, flexBasis: 180 }}>{node.group_id} / {node.node_id}</span>
          {node.last_heard_at && <span className="small muted nowrap"><Ago at={node.last_heard_at} /></span>}
          {node.refused > 0 && <Chip tone="watch" small>{text.t("sparkplug.refused", { count: node.refused })}</Chip>}
          {props.manage && <Button size="compact-sm" onClick={() => props.want({ group_id: node.group_id, node_id: node.node_id })}>{text.t("sparkplug.register_this")}</Button>}
        </div>
      ))}
    </section>
  );
}
