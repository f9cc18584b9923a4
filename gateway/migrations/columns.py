"""Columns and keys as migrations write them again and again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

TIME = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(precision=18, scale=4)
JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())


def key(table: str, column: str, of: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    """Return a foreign key to another table's id, named as the models name it."""
    return sa.ForeignKeyConstraint([column], [f"{of}.id"], name=op.f(f"fk_{table}_{column}_{of}"), ondelete=ondelete)


def primary(table: str) -> sa.PrimaryKeyConstraint:
    """Return the primary key `id`."""
    return sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))
