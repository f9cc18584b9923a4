"""More of maintenance plans."""

from __future__ import annotations

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
