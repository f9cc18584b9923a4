"""Links and sessions of customers who have a record and no organisation of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.db import SERVICE_ROLE

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "customer_links",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        _key("customer_links", "customer_id", "customers"),
        _key("customer_links", "person_id", "people"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_customer_links")),
    )
    op.create_index(op.f("ix_customer_links_customer_id"), "customer_links", ["customer_id"])
    op.create_index(op.f("ix_customer_links_person_id"), "customer_links", ["person_id"])
    op.create_table(
        "customer_sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _key("customer_sessions", "customer_id", "customers"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_customer_sessions")),
    )
    op.create_index(op.f("ix_customer_sessions_customer_id"), "customer_sessions", ["customer_id"])
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON customer_links, customer_sessions TO {SERVICE_ROLE}")


def downgrade() -> None:
    """Take back."""
    op.drop_table("customer_sessions")
    op.drop_table("customer_links")


def _key(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"), ondelete="CASCADE")
