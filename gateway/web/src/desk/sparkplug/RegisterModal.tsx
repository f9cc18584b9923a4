/** Register an edge node: its group and name as it sends them, and what it measures. */
import { Button, Modal, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";

import { useRegisterNode, type Account, type NewNode } from "../../api/sparkplug";
import { useText } from "../../i18n/useText";
import { errorText, Notice } from "../../ui/states";

export function RegisterModal(props: { wanted: NewNode; close: () => void; done: (account: Account) => void }) {
  const text = useText();
  const register = useRegisterNode();
  const heard = props.wanted.node_id !== "";
  const [group, setGroup] = useState(props.wanted.group_id);
  const [node, setNode] = useState(props.wanted.node_id);
  const [asset, setAsset] = useState("");
  const send = (event: FormEvent) => {
    event.preventDefault();
    const body: NewNode = { group_id: group.trim(), node_id: node.trim(), asset_name: asset.trim() || undefined };
    register.mutate(body, { onSuccess: (made) => props.done(made.account) });
  };
  return (
    <Modal opened onClose={props.close} title={text.t("sparkplug.register")}>
      <form onSubmit={send} className="stack" style={{ gap: 14 }}>
        <TextInput required label={text.t("sparkplug.group")} placeholder="Plant1" value={group} readOnly={heard} maxLength={128} onChange={(event) => setGroup(event.currentTarget.value)} />
        <TextInput required label={text.t("sparkplug.node")} placeholder="Gateway1" value={node} readOnly={heard} maxLength={128} onChange={(event) => setNode(event.currentTarget.value)} />
        <TextInput label={text.t("sparkplug.asset")} description={text.t("sparkplug.asset_hint")} placeholder={text.t("connect.machine_name_example")} value={asset} maxLength={200} onChange={(event) => setAsset(event.currentTarget.value)} />
        {register.error && <Notice tone="trouble">{errorText(register.error, text)}</Notice>}
        <Button type="submit" loading={register.isPending} disabled={!group.trim() || !node.trim()}>{text.t("sparkplug.register_this")}</Button>
      </form>
    </Modal>
  );
}
