"""Evidence, signatures and the log of operations."""

from __future__ import annotations

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
