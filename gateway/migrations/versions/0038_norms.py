"""Norms of procedures: labour, parts, tools, permits, cost."""

from __future__ import annotations

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
