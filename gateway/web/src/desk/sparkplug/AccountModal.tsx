/** What an edge node must be told to connect; the password is shown once. */
import { Button, Modal } from "@mantine/core";
import { TriangleAlert } from "lucide-react";

import type { Account } from "../../api/sparkplug";
import { useText } from "../../i18n/useText";
import { CopyIcon, Facts } from "../../ui/parts";
import { Notice } from "../../ui/states";

export function AccountModal(props: { account: Account; close: () => void }) {
  const { t } = useText();
  const { account } = props;
  const rows: [string, string][] = [
    [t("sparkplug.broker"), account.broker],
    [t("mappings.username"), account.username],
    [t("sign_in.password"), account.password],
    [t("sparkplug.host"), account.host_id],
  ];
  return (
    <Modal opened onClose={props.close} title={t("sparkplug.account")} size="lg" closeOnClickOutside={false} closeOnEscape={false}>
      <div className="stack" style={{ gap: 14 }}>
        <div className="small">{t("sparkplug.account_hint")}</div>
        <Facts rows={rows.map(([label, value]) => [label, <span key={label} className="row" style={{ gap: 6 }}><span className="mono break">{value}</span><CopyIcon value={value} /></span>])} />
        <Notice tone="watch" icon={TriangleAlert}>{t("mappings.once")}</Notice>
        <Button onClick={props.close}>{t("mappings.kept")}</Button>
      </div>
    </Modal>
  );
}
