"""What cases, requests and work orders are found by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import owned_policies
from assets.base.db import SERVICE_ROLE
from gateway.migrations.columns import primary
from ticketing.search_sql import FUNCTIONS, NAMED, TABLES, triggers

revision = "0026"
down_revision = "0025"

_TABLE = "work_search_entries"


def upgrade() -> None:
    """Apply."""
    _table()
    for statement in owned_policies(_TABLE):
        op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_TABLE} TO {SERVICE_ROLE}")
    op.execute(f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}")
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")  # the functions look past the row policies with the service's rights
    for statement in FUNCTIONS.values():
        op.execute(sa.text(statement))
    for table in TABLES:
        op.execute(f"SELECT forewarn_work_search_refresh('{table}', (SELECT array_agg(id) FROM {table}))")
    op.execute("REVOKE EXECUTE ON FUNCTION forewarn_work_search_refresh(text, uuid[]) FROM PUBLIC")
    op.execute("RESET ROLE")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}")
    for statement in triggers():
        op.execute(sa.text(statement))


def downgrade() -> None:
    """Take back."""
    for table in TABLES:
        op.execute(f"DROP TRIGGER work_search_new ON {table}")
        op.execute(f"DROP TRIGGER work_search_gone ON {table}")
    for table in (*TABLES, *NAMED):
        op.execute(f"DROP TRIGGER work_search_changed ON {table}")
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.drop_table(_TABLE)


def _table() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("inside", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("number", "title", "words")),
        sa.Column("grams", sa.ARRAY(sa.Text()), nullable=False),
        primary(_TABLE),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{_TABLE}_organisation_id_organisations")
        ),
    )
    for column in ("organisation_id", "subject_id"):
        op.create_index(op.f(f"ix_{_TABLE}_{column}"), _TABLE, [column])
    op.create_index(f"ix_{_TABLE}_newest", _TABLE, ["kind", "subject_id"])
    op.create_index(f"ix_{_TABLE}_number", _TABLE, ["number"], postgresql_ops={"number": "text_pattern_ops"})
    op.create_index(f"ix_{_TABLE}_grams", _TABLE, ["grams"], postgresql_using="gin")
    op.create_index(
        f"ix_{_TABLE}_words", _TABLE, ["words"], postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}
    )
