"""More of work orders and visits."""

from __future__ import annotations

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
