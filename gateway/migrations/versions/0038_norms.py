"""Norms of procedures: labour, parts, tools, permits and their cost; withdrawn versions; who signed on to what."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import OWNED, owned_policies, row_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0038"
down_revision = "0037"

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)
_MONEY = sa.Numeric(18, 4)

# Whoever carries the order out signs on to its permits.
_ENTRY = f"""
{OWNED} OR EXISTS (
  SELECT 1 FROM procedure_runs r WHERE r.id = permit_entries.run_id
  AND r.organisation_id = permit_entries.organisation_id)
"""
_OF_VERSIONS = ("norms", "standard_cost", "withdrawn_at", "withdrawn_by", "withdrawn_reason")
_OF_ORIGIN = ("origin_work_order_id", "origin")


def upgrade() -> None:
    """Apply."""
    _versions()
    for name, kind in (("stopped_at", _TIME), ("stopped_reason", sa.Text())):
        op.add_column("procedure_runs", sa.Column(name, kind))
    _once_for_each_machine()
    _rates()
    _entries()
    for statement in owned_policies("labour_rates"):
        op.execute(sa.text(statement))
    for statement in row_policies("permit_entries", read=_ENTRY, insert=_ENTRY, update=OWNED, delete=OWNED):
        op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON labour_rates, permit_entries TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ON labour_rates, permit_entries TO {READER_ROLE}")
    op.execute(f"REVOKE UPDATE, DELETE ON permit_entries FROM {APP_ROLE}")


def downgrade() -> None:
    """Take back."""
    _index_of_runs("subject_id", "procedure_id")
    op.drop_table("permit_entries")
    op.drop_table("labour_rates")
    for name in ("stopped_at", "stopped_reason"):
        op.drop_column("procedure_runs", name)
    for name in (*_OF_VERSIONS, *_OF_ORIGIN):
        op.drop_column("procedure_versions", name)


def _once_for_each_machine() -> None:
    """A round looks at several machines by the same procedure."""
    _index_of_runs("subject_id", "procedure_id", "asset_id")


def _index_of_runs(*columns: str) -> None:
    name, table, living = "uq_procedure_runs_subject", "procedure_runs", sa.text("removed_at IS NULL")
    op.drop_index(name, table)
    distinct: dict[str, Any] = {"postgresql_nulls_not_distinct": True} if len(columns) > 2 else {}
    op.create_index(name, table, list(columns), unique=True, postgresql_where=living, **distinct)


def _versions() -> None:
    table = "procedure_versions"
    op.add_column(table, sa.Column("norms", _JSON, server_default=sa.text("'{}'::jsonb"), nullable=False))
    op.add_column(table, sa.Column("standard_cost", _JSON))
    op.add_column(table, sa.Column("withdrawn_at", _TIME))
    op.add_column(table, sa.Column("withdrawn_by", sa.Uuid()))
    op.add_column(table, sa.Column("withdrawn_reason", sa.Text()))
    op.add_column(table, sa.Column("origin_work_order_id", sa.Uuid()))
    op.add_column(table, sa.Column("origin", _JSON))
    for column, of in (("withdrawn_by", "people"), ("origin_work_order_id", "work_orders")):
        name = op.f(f"fk_{table}_{column}_{of}")
        op.create_foreign_key(name, table, of, [column], ["id"], ondelete="SET NULL")
    op.create_index(op.f(f"ix_{table}_origin_work_order_id"), table, ["origin_work_order_id"])


def _rates() -> None:
    table = "labour_rates"
    op.create_table(
        table,
        sa.Column("skill", sa.Text()),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("rate", _MONEY, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        *_owned(table),
        sa.CheckConstraint("rate >= 0", name=op.f("ck_labour_rates_not_negative")),
        sa.CheckConstraint("level BETWEEN 1 AND 5", name=op.f("ck_labour_rates_level")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_labour_rates_forward")),
        sa.UniqueConstraint(
            "organisation_id",
            "skill",
            "level",
            "currency",
            "valid_from",
            name="uq_labour_rates_what",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f(f"ix_{table}_organisation_id"), table, ["organisation_id"])


def _entries() -> None:
    table = "permit_entries"
    op.create_table(
        table,
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("permit_code", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("point_code", sa.Text()),
        sa.Column("lock_number", sa.Text()),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("of_person_id", sa.Uuid()),
        sa.Column("note", sa.Text()),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        *_owned(table),
        sa.ForeignKeyConstraint(
            ["run_id"], ["procedure_runs.id"], name=op.f(f"fk_{table}_run_id_procedure_runs"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f(f"fk_{table}_person_id_people"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["of_person_id"], ["people.id"], name=op.f(f"fk_{table}_of_person_id_people"), ondelete="SET NULL"
        ),
    )
    op.create_index("ix_permit_entries_run", table, ["run_id", "at"])
    op.create_index(op.f(f"ix_{table}_organisation_id"), table, ["organisation_id"])


def _owned(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{table}_organisation_id_organisations")
        ),
    ]
