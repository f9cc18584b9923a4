"""Bursts of fast sensors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0025"
down_revision = "0024"

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "bursts",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("point", sa.Text(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("sample_hz", sa.Double(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("speed_hz", sa.Double(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", _JSON, nullable=True),
        sa.Column("features", _JSON, nullable=True),
        sa.Column("read_at", _TIME, nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_bursts_device_id_devices"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_bursts_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bursts")),
        sa.UniqueConstraint("device_id", "name", name=op.f("uq_bursts_device_id_name")),
    )
    op.create_index(op.f("ix_bursts_organisation_id"), "bursts", ["organisation_id"])
    op.create_index("ix_bursts_device", "bursts", ["device_id", "received_at"])
    waiting, kept = sa.text("state = 'waiting'"), sa.text("content IS NOT NULL")
    op.create_index("ix_bursts_waiting", "bursts", ["received_at", "id"], postgresql_where=waiting)
    op.create_index("ix_bursts_kept", "bursts", ["received_at"], postgresql_where=kept)
    # Samples of a sensor hardly shrink: trying to would cost more than it saves.
    op.execute("ALTER TABLE bursts ALTER COLUMN content SET STORAGE EXTERNAL")
    for statement in owned_policies("bursts"):
        op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON bursts TO {SERVICE_ROLE}")
    op.execute(f"GRANT SELECT ON bursts TO {APP_ROLE}, {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    op.drop_table("bursts")
