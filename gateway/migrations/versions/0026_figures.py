"""Figures of the service."""

from __future__ import annotations

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
