"""Evidence, signatures and the operation log."""

from __future__ import annotations

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
