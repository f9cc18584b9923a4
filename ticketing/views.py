"""The SQL view of work orders that outside readers may rely on."""

from __future__ import annotations

# security_invoker: the reader's own row policies apply, not those of the view's owner.
WORK_ORDERS_V1 = """
CREATE VIEW work_orders_v1 WITH (security_invoker = true) AS
SELECT w.number, a.serial AS asset_serial, w.origin, w.state, w.opened_at, w.closed_at, w.outcome,
       w.kind, w.priority, w.since, w.started_at, w.work_done_at, w.repair_code, w.replayed, w.demo
FROM work_orders w JOIN assets a ON a.id = w.asset_id
"""

# name -> statement that creates it, in order
VIEWS: dict[str, str] = {"work_orders_v1": WORK_ORDERS_V1}
