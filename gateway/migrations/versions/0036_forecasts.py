"""Forecasts of hours and parts by week."""

from __future__ import annotations

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
