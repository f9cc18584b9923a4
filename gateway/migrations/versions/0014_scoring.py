"""What the detectors of an asset were told of beside its readings: its devices' events, and work on it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.db import SERVICE_ROLE

revision = "0014"
down_revision = "0013"

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_device_events_batch", "device_events", ["batch_id"])
    op.add_column("scoring_states", sa.Column("untold", _JSON, nullable=False, server_default="[]"))
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")  # the row policies show the login role nobody's rows
    op.execute(
        sa.text("""
        UPDATE scoring_states SET untold = jsonb_build_array(jsonb_build_object(
          'id', asset_id::text, 'at', extract(epoch FROM rebaseline_after)::float8, 'code', 'repair', 'component', '',
          'repaired', true)) WHERE rebaseline_after IS NOT NULL
        """)
    )
    op.execute("RESET ROLE")
    op.drop_column("scoring_states", "rebaseline_after")
    op.add_column("scoring_states", sa.Column("events_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("scoring_states", sa.Column("events_xid", sa.BigInteger(), nullable=True))
    op.add_column("scoring_states", sa.Column("events_batch", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take back."""
    for name in ("events_batch", "events_xid", "events_until"):
        op.drop_column("scoring_states", name)
    op.add_column("scoring_states", sa.Column("rebaseline_after", sa.DateTime(timezone=True), nullable=True))
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
    op.execute(
        sa.text("""
        UPDATE scoring_states s SET rebaseline_after = (
          SELECT max(to_timestamp((e->>'at')::float8)) FROM jsonb_array_elements(s.untold) e
          WHERE (e->>'repaired')::boolean)
        """)
    )
    op.execute("RESET ROLE")
    op.drop_column("scoring_states", "untold")
    op.drop_index("ix_device_events_batch", "device_events")
