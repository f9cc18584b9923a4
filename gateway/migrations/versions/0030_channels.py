"""Ways in: calls and mail."""

from __future__ import annotations

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
