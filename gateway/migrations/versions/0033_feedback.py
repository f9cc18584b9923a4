"""A version of an organisation's feedback settings, so that two people who edit them notice each other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Apply."""
    op.add_column("feedback_settings", sa.Column("version", sa.Integer(), server_default="1", nullable=False))


def downgrade() -> None:
    """Take back."""
    op.drop_column("feedback_settings", "version")
