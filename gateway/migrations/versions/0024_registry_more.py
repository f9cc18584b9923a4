"""More of the registry."""

from __future__ import annotations

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
