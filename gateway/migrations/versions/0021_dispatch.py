"""Dispatch plans and appointments."""

from __future__ import annotations

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
