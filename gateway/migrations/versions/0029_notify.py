"""Rules of notification and their deliveries."""

from __future__ import annotations

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
