/** Past work orders like this one; those stored with the order, else those found now. */
import { useSimilar, type SimilarOrder } from "../../api/explain";
import type { PastOrder, RepairCode, WorkOrder } from "../../api/types";
import { useText } from "../../i18n/useText";
import { PastOrders } from "../../ui/Explained";
import { CardBlock } from "../../ui/parts";

const past = (one: SimilarOrder): PastOrder => ({
  work_order_id: one.work_order.id,
  number: one.work_order.number,
  asset_id: one.asset.id,
  asset_name: one.asset.name,
  same_asset: one.same_asset,
  opened_at: one.opened_at,
  outcome: one.outcome,
  repair_code: one.repair_code,
  note: one.note,
  similarity: one.similarity,
});

export function SimilarCard(props: { order: WorkOrder; codes: RepairCode[] }) {
  const text = useText();
  const found = useSimilar(props.order.id);
  const stored = props.order.noticed?.similar ?? [];
  const now = found.data?.items.map(past) ?? [];
  const orders = now.length > 0 ? now : stored;
  return (
    <CardBlock title={text.t("similar.title")}>
      {orders.length > 0 ? <PastOrders orders={orders} codes={props.codes} /> : <div className="small muted">{text.t("similar.none")}</div>}
    </CardBlock>
  );
}
