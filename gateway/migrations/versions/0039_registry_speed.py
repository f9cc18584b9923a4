"""What the lists of the registry keep counted."""

from __future__ import annotations

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Apply."""


def downgrade() -> None:
    """Take back."""
