"""The planner's desk: decisions about predicted jobs, drafts of a what-if."""

from __future__ import annotations

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
