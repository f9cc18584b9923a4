"""Photos of a case are seen by whoever carries out an order of it; work that nobody planned is found by its day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import EXECUTED, VISIBLE

revision = "0039"
down_revision = "0038"

# As for the machine: while the order is open and 30 days after, and only where the owners agree.
_OF_THE_ORDERS_CASE = f"""
{EXECUTED} OR (work_order_id IS NULL AND EXISTS (
  SELECT 1 FROM work_orders w WHERE w.case_id = evidence.case_id AND w.organisation_id = evidence.organisation_id
  AND w.executing_organisation_id = ANY ({VISIBLE})
  AND (w.closed_at IS NULL OR w.closed_at > now() - interval '30 days')))
"""


def upgrade() -> None:
    """Apply."""
    op.execute(f"ALTER POLICY tenant_read ON evidence USING ({_OF_THE_ORDERS_CASE})")
    unplanned = sa.text("planned_start IS NULL")
    op.create_index("ix_visits_unplanned", "visits", ["scheduled_at"], postgresql_where=unplanned)


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_visits_unplanned", "visits")
    op.execute(f"ALTER POLICY tenant_read ON evidence USING ({EXECUTED})")
