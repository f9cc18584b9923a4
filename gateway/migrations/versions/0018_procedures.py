"""Procedures and checklists: the library, its versions and links, what is kept with the work, and the answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import MODEL_READ, OWNED, owned_policies, row_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0018"
down_revision = "0017"

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)
_LIBRARY = ("procedures", "procedure_versions", "procedure_links")
_KEPT = ("procedure_runs", "procedure_answers")

# Whoever carries the order out reads its checklists and answers them.
_RUN = f"""
{OWNED} OR EXISTS (
  SELECT 1 FROM work_orders w WHERE w.id = procedure_runs.subject_id
  AND w.organisation_id = procedure_runs.organisation_id)
"""
_ANSWER = f"""
{OWNED} OR EXISTS (
  SELECT 1 FROM procedure_runs r WHERE r.id = procedure_answers.run_id
  AND r.organisation_id = procedure_answers.organisation_id)
"""


def upgrade() -> None:
    """Apply."""
    _procedures()
    _versions()
    _links()
    _runs()
    _answers()
    for table in _LIBRARY:
        for statement in owned_policies(table, read=MODEL_READ):
            op.execute(sa.text(statement))
    for table, whose in (("procedure_runs", _RUN), ("procedure_answers", _ANSWER)):
        for statement in row_policies(table, read=whose, insert=whose, update=whose, delete=OWNED):
            op.execute(sa.text(statement))
    every = ", ".join((*_LIBRARY, *_KEPT))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {every} TO {READER_ROLE}")
    op.execute(f"REVOKE UPDATE, DELETE ON procedure_answers FROM {APP_ROLE}")


def downgrade() -> None:
    """Take back."""
    for table in reversed((*_LIBRARY, *_KEPT)):
        op.drop_table(table)


def _procedures() -> None:
    table = "procedures"
    op.create_table(
        table,
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("code", "name_en", "name_zh")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("description_en", "description_zh")),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("retired_at", _TIME),
        sa.Column("demo", sa.Boolean(), nullable=False),
        _version(),
        *_owned(table),
        sa.UniqueConstraint("organisation_id", "code", name=op.f("uq_procedures_organisation_id_code")),
    )
    _index(table, "organisation_id")


def _versions() -> None:
    table = "procedure_versions"
    op.create_table(
        table,
        sa.Column("procedure_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("steps", _JSON, nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("published_at", _TIME),
        sa.Column("published_by", sa.Uuid()),
        _version(),
        *_owned(table),
        _to(table, "procedure_id", "procedures", "CASCADE"),
        _to(table, "created_by", "people", "SET NULL"),
        _to(table, "published_by", "people", "SET NULL"),
        sa.UniqueConstraint("procedure_id", "number", name=op.f("uq_procedure_versions_procedure_id_number")),
    )
    for state in ("published", "draft"):
        where = sa.text(f"state = '{state}'")
        op.create_index(f"uq_procedure_versions_{state}", table, ["procedure_id"], unique=True, postgresql_where=where)
    _index(table, "organisation_id", "procedure_id")


def _links() -> None:
    table = "procedure_links"
    named = ("asset_model_id", "failure_mode_id", "service_type_id")
    op.create_table(
        table,
        sa.Column("procedure_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Uuid()) for name in named),
        *_owned(table),
        _to(table, "procedure_id", "procedures", "CASCADE"),
        _to(table, "asset_model_id", "asset_models", "CASCADE"),
        _to(table, "failure_mode_id", "failure_modes", "CASCADE"),
        sa.CheckConstraint(f"num_nonnulls({', '.join(named)}) > 0", name=op.f("ck_procedure_links_names_something")),
        sa.UniqueConstraint(
            "procedure_id",
            *named,
            name="uq_procedure_links_what",
            postgresql_nulls_not_distinct=True,
        ),
    )
    _index(table, "organisation_id", "procedure_id", *named)


def _runs() -> None:
    table = "procedure_runs"
    op.create_table(
        table,
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("procedure_id", sa.Uuid()),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("snapshot", _JSON, nullable=False),
        sa.Column("attached_at", _TIME, nullable=False),
        sa.Column("attached_by", sa.Uuid()),
        sa.Column("completed_at", _TIME),
        sa.Column("removed_at", _TIME),
        sa.Column("removed_by", sa.Uuid()),
        sa.Column("removed_reason", sa.Text()),
        *_owned(table),
        _to(table, "asset_id", "assets", "CASCADE"),
        _to(table, "procedure_id", "procedures", "SET NULL"),
        _to(table, "attached_by", "people", "SET NULL"),
        _to(table, "removed_by", "people", "SET NULL"),
    )
    living = sa.text("removed_at IS NULL")
    op.create_index(
        "uq_procedure_runs_subject", table, ["subject_id", "procedure_id"], unique=True, postgresql_where=living
    )
    _index(table, "organisation_id", "subject_id", "asset_id", "procedure_id")


def _answers() -> None:
    table = "procedure_answers"
    op.create_table(
        table,
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("value", _JSON),
        sa.Column("evidence_ids", _JSON, nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("out_of_limit", sa.Boolean(), nullable=False),
        sa.Column("answered_at", _TIME, nullable=False),
        sa.Column("answered_by", sa.Uuid()),
        sa.Column("received_at", _TIME, nullable=False),
        *_owned(table),
        _to(table, "run_id", "procedure_runs", "CASCADE"),
        _to(table, "answered_by", "people", "SET NULL"),
    )
    op.create_index("ix_procedure_answers_run", table, ["run_id", "answered_at"])
    _index(table, "organisation_id")


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)


def _owned(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{table}_organisation_id_organisations")
        ),
    ]


def _to(table: str, column: str, of: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{of}.id"], name=op.f(f"fk_{table}_{column}_{of}"), ondelete=ondelete)


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
