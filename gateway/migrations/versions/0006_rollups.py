"""Rollups of readings, what of them is due, and how long readings are kept."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from ingest.store import rollup_schema
from ingest.store.schema import detect_edition

revision = "0006"
down_revision = "0005"

_LEVELS = ("rollups_1m", "rollups_15m", "rollups_1h", "rollups_1d")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    for name in _LEVELS:
        _figures(name)
    _due()
    _retention()
    _run(owned_policies("retention_policies"))
    rights = "SELECT, INSERT, UPDATE, DELETE"
    _run([f"GRANT {rights} ON retention_policies TO {SERVICE_ROLE}, {APP_ROLE}"])
    _run([f"GRANT SELECT ON retention_policies TO {READER_ROLE}"])
    _run(rollup_schema.create_rollup_statements())
    _run(rollup_schema.readings_statements())
    _run(rollup_schema.mark_what_is_there())
    _community()


def downgrade() -> None:
    """Take back."""
    _run(rollup_schema.drop_rollup_statements())
    for name in ("retention_progress", "retention_policies", "rollup_cursors", "rollup_due", *_LEVELS):
        op.drop_table(name)


def _community() -> None:
    """What only the Community licence has; without it the store works all the same, with more bytes on disk."""
    connection = op.get_bind()
    statements = rollup_schema.community_statements(detect_edition(Session(connection)))
    try:
        with connection.begin_nested():
            _run(statements)
    except DBAPIError as error:
        logging.getLogger(__name__).warning("the columnstore could not be set up: %s", error.orig)


def _run(statements: list[str]) -> None:
    connection = op.get_bind()
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%"))


def _figures(name: str) -> None:
    op.create_table(
        name,
        sa.Column("stream_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bucket", _MOMENT, nullable=False),
        sa.Column("counts", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("bads", postgresql.ARRAY(sa.Integer()), nullable=True),
        *(
            sa.Column(figure, postgresql.ARRAY(sa.Double()), nullable=False)
            for figure in ("mins", "maxs", "sums", "lasts")
        ),
        sa.PrimaryKeyConstraint("stream_id", "bucket", name=op.f(f"pk_{name}")),
    )


def _due() -> None:
    op.create_table(
        "rollup_due",
        sa.Column("stream_id", sa.Integer(), autoincrement=False, nullable=False),
        *(
            sa.Column(f"due_{level}", postgresql.TSTZMULTIRANGE(), server_default=sa.text("'{}'"), nullable=False)
            for level in ("1m", "15m", "1h", "1d")
        ),
        sa.Column("ready_at", _MOMENT, nullable=True),
        *(sa.Column(f"thin_{level}", _MOMENT, nullable=True) for level in ("raw", "1m", "15m", "1h", "1d")),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name=op.f("fk_rollup_due_stream_id_streams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("stream_id", name=op.f("pk_rollup_due")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("ix_rollup_due_ready_at", "rollup_due", ["ready_at"])
    op.create_table(
        "rollup_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rollup_cursors")),
    )


def _retention() -> None:
    op.create_table(
        "retention_policies",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        *(
            sa.Column(f"{level}_days", sa.Integer(), nullable=True)
            for level in ("raw", "minute", "quarter", "hour", "day")
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_retention_policies_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_policies")),
    )
    op.create_index(op.f("ix_retention_policies_organisation_id"), "retention_policies", ["organisation_id"])
    op.create_table(
        "retention_progress",
        sa.Column("stream_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slots", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.Column("again_from", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name=op.f("fk_retention_progress_stream_id_streams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("stream_id", "slots", name=op.f("pk_retention_progress")),
    )
