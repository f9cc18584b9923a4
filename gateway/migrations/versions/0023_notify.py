"""Notification rules, deliveries, webhooks, feeds."""

from __future__ import annotations

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
