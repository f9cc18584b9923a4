"""Suppressors, audits, budgets: what answered work orders teach."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
