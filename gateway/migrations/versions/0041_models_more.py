"""More of the models."""

from __future__ import annotations

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
