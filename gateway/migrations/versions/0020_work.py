"""Work orders and visits, completed."""

from __future__ import annotations

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
