"""More of maintenance plans: what the rules said last, indexes for the clock, plans that take machines up in a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.db import SERVICE_ROLE

revision = "0037"
down_revision = "0036"

_OPEN = sa.text("state IN ('planned', 'released')")
_REACHING = sa.text("state = 'planned' AND target IS NOT NULL")
# The slot of a turn is its day: where the hour stands in it too, it is the only turn of that day nearly always.
_SLOTS = r"""
WITH short AS (
  SELECT id, regexp_replace(slot, '(@c:\d{4}-\d\d-\d\d)T\d{4}', '\1', 'g') AS slot,
    count(*) OVER (PARTITION BY plan_asset_id, regexp_replace(slot, '(@c:\d{4}-\d\d-\d\d)T\d{4}', '\1', 'g')) AS same
  FROM occurrences)
UPDATE occurrences o SET slot = short.slot FROM short WHERE short.id = o.id AND short.same = 1 AND o.slot <> short.slot
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("occurrences", sa.Column("digest", sa.BigInteger()))
    op.create_index("ix_occurrences_open", "occurrences", ["latest_at"], postgresql_where=_OPEN)
    op.create_index("ix_occurrences_reaching", "occurrences", ["asset_id"], postgresql_where=_REACHING)
    op.add_column("maintenance_plans", sa.Column("settling", sa.Text()))
    op.add_column("maintenance_plans", sa.Column("settling_since", sa.DateTime(timezone=True)))
    op.add_column("maintenance_plans", sa.Column("settled_after", sa.Uuid()))
    op.create_index(
        "ix_maintenance_plans_settling", "maintenance_plans", ["id"], postgresql_where=sa.text("settling IS NOT NULL")
    )
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")  # whose rows they are: the owner of the tables sees none
    op.get_bind().exec_driver_sql(_SLOTS)
    op.execute("RESET ROLE")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_maintenance_plans_settling", table_name="maintenance_plans")
    for column in ("settled_after", "settling_since", "settling"):
        op.drop_column("maintenance_plans", column)
    op.drop_index("ix_occurrences_reaching", table_name="occurrences")
    op.drop_index("ix_occurrences_open", table_name="occurrences")
    op.drop_column("occurrences", "digest")
