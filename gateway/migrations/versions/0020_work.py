"""What planning and review need of work orders and visits; lines, co-assignees and blocks; no visit booked twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import OWNED, row_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0020"
down_revision = "0019"

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)
_LIVE_AND_PLANNED = (
    "state IN ('scheduled', 'travelling', 'in_progress', 'on_break') "
    "AND planned_start IS NOT NULL AND planned_end IS NOT NULL"
)
_TABLES = ("work_order_people", "work_order_blocks", "work_order_lines")


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    _orders()
    _visits()
    _people()
    _blocks()
    _lines()
    for table in _TABLES:
        # Whoever carries the order out sees it, and writes the hours and helpers of their own.
        order = "blocked_id" if table == "work_order_blocks" else "work_order_id"
        whose = (
            f"{OWNED} OR EXISTS (SELECT 1 FROM work_orders w WHERE w.id = {table}.{order} "
            f"AND w.organisation_id = {table}.organisation_id)"
        )
        change = OWNED if table == "work_order_blocks" else whose
        for statement in row_policies(table, read=whose, insert=change, update=change, delete=change):
            op.execute(sa.text(statement))
    every = ", ".join(_TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {every} TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_constraint(op.f("fk_procedure_links_service_type_id_service_types"), "procedure_links")
    op.execute("ALTER TABLE visits DROP CONSTRAINT visits_never_overlap")
    op.drop_constraint(op.f("ck_visits_planned_forward"), "visits")
    for column in reversed(_visit_columns()):
        op.drop_column("visits", column.name)
    for column in reversed(_order_columns()):
        op.drop_column("work_orders", column.name)


def _order_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("case_id", sa.Uuid()),
        sa.Column("service_type_id", sa.Uuid()),
        sa.Column("team_id", sa.Uuid()),
        sa.Column("required_skills", _JSON, server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("duration_minutes", sa.Integer()),
        sa.Column("window_from", _TIME),
        sa.Column("window_until", _TIME),
        sa.Column("due_at", _TIME),
        sa.Column("hold_reason", sa.Text()),
        sa.Column("cannot_complete_reason", sa.Text()),
        sa.Column("review_state", sa.Text(), server_default="none", nullable=False),
        sa.Column("review_reason", sa.Text()),
        sa.Column("reviewed_at", _TIME),
        sa.Column("reviewed_by", sa.Uuid()),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("parent_relation", sa.Text()),
        sa.Column("merged_into_id", sa.Uuid()),
        sa.Column("reopened_no", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("round", sa.Integer(), server_default=sa.text("0"), nullable=False),
    ]


def _visit_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("planned_start", _TIME),
        sa.Column("planned_end", _TIME),
        sa.Column("pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("travel_minutes", sa.Integer()),
        sa.Column("position_in_route", sa.Integer()),
        sa.Column("appointment_id", sa.Uuid()),
        sa.Column("cannot_complete_reason", sa.Text()),
        sa.Column("round", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("break_since", _TIME),
        sa.Column("break_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("checked_in_at", _TIME),
        sa.Column("checked_in_latitude_deg", sa.Float()),
        sa.Column("checked_in_longitude_deg", sa.Float()),
        sa.Column("checked_in_distance_m", sa.Float()),
        sa.Column("checked_out_at", _TIME),
        sa.Column("checked_out_latitude_deg", sa.Float()),
        sa.Column("checked_out_longitude_deg", sa.Float()),
        sa.Column("checked_out_distance_m", sa.Float()),
    ]


def _orders() -> None:
    for column in _order_columns():
        op.add_column("work_orders", column)
    _key("work_orders", "reviewed_by", "people")
    for name, of in (("case_id", "cases"), ("service_type_id", "service_types"), ("team_id", "teams")):
        _key("work_orders", name, of)
    _key("procedure_links", "service_type_id", "service_types", "CASCADE")
    for name in ("parent_id", "merged_into_id"):
        _key("work_orders", name, "work_orders")
    for name in ("case_id", "service_type_id", "team_id", "parent_id", "merged_into_id"):
        _index("work_orders", name)


def _visits() -> None:
    for column in _visit_columns():
        op.add_column("visits", column)
    _index("visits", "appointment_id")
    op.create_index("ix_visits_planned", "visits", ["planned_start"])
    op.create_check_constraint(op.f("ck_visits_planned_forward"), "visits", "planned_start < planned_end")
    op.execute(
        "ALTER TABLE visits ADD CONSTRAINT visits_never_overlap EXCLUDE USING gist "
        f"(technician_id WITH =, tstzrange(planned_start, planned_end) WITH &&) WHERE ({_LIVE_AND_PLANNED}) "
        "DEFERRABLE INITIALLY IMMEDIATE"
    )


def _people() -> None:
    table = "work_order_people"
    op.create_table(
        table,
        sa.Column("work_order_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.Column("added_by", sa.Uuid()),
        *_owned(table),
        _to(table, "work_order_id", "work_orders", "CASCADE"),
        _to(table, "person_id", "people", "CASCADE"),
        _to(table, "added_by", "people", "SET NULL"),
        sa.UniqueConstraint("work_order_id", "person_id", name=op.f("uq_work_order_people_work_order_id_person_id")),
    )
    for column in ("organisation_id", "work_order_id", "person_id"):
        _index(table, column)


def _blocks() -> None:
    table = "work_order_blocks"
    op.create_table(
        table,
        sa.Column("blocked_id", sa.Uuid(), nullable=False),
        sa.Column("blocking_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("cleared_at", _TIME),
        *_owned(table),
        _to(table, "blocked_id", "work_orders", "CASCADE"),
        _to(table, "blocking_id", "work_orders", "CASCADE"),
        _to(table, "created_by", "people", "SET NULL"),
        sa.UniqueConstraint("blocked_id", "blocking_id", name=op.f("uq_work_order_blocks_blocked_id_blocking_id")),
        sa.CheckConstraint("blocked_id <> blocking_id", name=op.f("ck_work_order_blocks_not_itself")),
    )
    for column in ("organisation_id", "blocked_id", "blocking_id"):
        _index(table, column)


def _lines() -> None:
    table = "work_order_lines"
    op.create_table(
        table,
        sa.Column("work_order_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid()),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("minutes", sa.Integer()),
        sa.Column("kilometres", sa.Numeric(9, 2)),
        sa.Column("amount", sa.Numeric(14, 2)),
        sa.Column("currency", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("evidence_ids", _JSON, server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", _TIME),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("decision_reason", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        *_owned(table),
        _to(table, "work_order_id", "work_orders", "CASCADE"),
        _to(table, "visit_id", "visits", "SET NULL"),
        *(_to(table, column, "people", "SET NULL") for column in ("person_id", "decided_by", "created_by")),
    )
    for column in ("organisation_id", "work_order_id", "visit_id", "person_id", "day"):
        _index(table, column)


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


def _key(table: str, column: str, of: str, ondelete: str = "SET NULL") -> None:
    op.create_foreign_key(op.f(f"fk_{table}_{column}_{of}"), table, of, [column], ["id"], ondelete=ondelete)


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
