"""Lifecycle and operation as intervals, meters, what an asset model and an asset consist of."""

from __future__ import annotations

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
