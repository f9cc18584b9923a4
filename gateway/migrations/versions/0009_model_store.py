"""Model artefacts with their cards, champions and challengers."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
