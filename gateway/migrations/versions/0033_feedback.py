"""Feedback settings."""

from __future__ import annotations

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
