"""The SQL views of findings and episodes that outside readers may rely on."""

from __future__ import annotations

# security_invoker: the reader's own row policies apply, not those of the view's owner.
FINDINGS_V1 = """
CREATE VIEW findings_v1 WITH (security_invoker = true) AS
SELECT f.id, a.serial AS asset_serial, f.detector, f.layer, f.signature, f.kind, f.severity,
       f.first_at, f.last_at, f.cleared_at, f.score, f.peak, f.confidence, f.limit_open, f.limit_clear,
       f.regime, f.model_id, f.learning, f.decision, f.decision_reason, f.replayed
FROM findings f JOIN assets a ON a.id = f.asset_id
"""

EPISODES_V1 = """
CREATE VIEW episodes_v1 WITH (security_invoker = true) AS
SELECT e.id, a.serial AS asset_serial, e.key, e.kind, e.severity, e.state, e.opened_at, e.last_seen_at,
       e.cleared_at, e.closed_at, e.count, e.peak, e.recurrence_no, e.outcome, e.replayed,
       (SELECT w.number FROM work_links l JOIN work_orders w ON w.id = l.work_order_id
        WHERE l.episode_id = e.id ORDER BY l.linked_at DESC, w.number DESC LIMIT 1) AS work_order_number
FROM episodes e JOIN assets a ON a.id = e.asset_id
"""

# name -> statement that creates it, in order
VIEWS: dict[str, str] = {"findings_v1": FINDINGS_V1, "episodes_v1": EPISODES_V1}
