"""Totals of stock by item and place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from assets.stock.totals import FILL, FUNCTIONS, TRIGGERS
from gateway.migrations.columns import AMOUNT, key

revision = "0032"
down_revision = "0031"

_TABLE = "stock_totals"


def upgrade() -> None:
    """Apply."""
    _table()
    for statement in owned_policies(_TABLE):
        op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_TABLE} TO {SERVICE_ROLE}")
    op.execute(f"GRANT SELECT ON {_TABLE} TO {APP_ROLE}, {READER_ROLE}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}")
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")  # requests write entries and levels, and nothing else writes totals
    for statement in FUNCTIONS.values():
        op.execute(sa.text(statement))
    op.execute("RESET ROLE")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}")
    for statement in TRIGGERS:  # from here on nobody else adds to stock until this is committed
        op.execute(statement)
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
    op.execute(FILL)
    op.execute("RESET ROLE")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TRIGGER total ON stock_entries")
    op.execute("DROP TRIGGER least ON stock_levels")
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_table(_TABLE)


def _table() -> None:
    op.create_table(
        _TABLE,
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", AMOUNT, nullable=False),
        sa.Column("minimum", AMOUNT, nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key(_TABLE, "location_id", "stock_locations", "CASCADE"),
        key(_TABLE, "organisation_id", "organisations"),
        key(_TABLE, "part_id", "parts", "CASCADE"),
        sa.PrimaryKeyConstraint("location_id", "part_id", name=op.f(f"pk_{_TABLE}")),
    )
    op.create_index(op.f("ix_stock_totals_organisation_id"), _TABLE, ["organisation_id"])
    op.create_index("ix_stock_totals_part_id", _TABLE, ["part_id", "location_id"])
    op.create_index(
        "ix_stock_totals_low", _TABLE, ["part_id", "location_id"], postgresql_where=sa.text("quantity < minimum")
    )
