"""Service levels and their clocks."""

from __future__ import annotations

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
