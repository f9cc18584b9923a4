"""Rest of the registry."""

from __future__ import annotations

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
