"""Skills, territories, shifts, absences, teams."""

from __future__ import annotations

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
