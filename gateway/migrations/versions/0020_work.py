"""What planning and review need of work orders and visits; lines, co-assignees and blocks; no visit booked twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)
_LIVE_AND_PLANNED = (
    "state IN ('scheduled', 'travelling', 'in_progress', 'on_break') "
    "AND planned_start IS NOT NULL AND planned_end IS NOT NULL"
)


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    _orders()
    _visits()


def downgrade() -> None:
    """Take back."""
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
    for column in ("parent_id", "merged_into_id"):
        _key("work_orders", column, "work_orders")
    for column in ("case_id", "service_type_id", "team_id", "parent_id", "merged_into_id"):
        _index("work_orders", column)


def _visits() -> None:
    for column in _visit_columns():
        op.add_column("visits", column)
    _index("visits", "appointment_id")
    op.create_index("ix_visits_planned", "visits", ["planned_start"])
    op.create_check_constraint(op.f("ck_visits_planned_forward"), "visits", "planned_start < planned_end")
    op.execute(
        "ALTER TABLE visits ADD CONSTRAINT visits_never_overlap EXCLUDE USING gist "
        f"(technician_id WITH =, tstzrange(planned_start, planned_end) WITH &&) WHERE ({_LIVE_AND_PLANNED})"
    )


def _key(table: str, column: str, of: str) -> None:
    op.create_foreign_key(op.f(f"fk_{table}_{column}_{of}"), table, of, [column], ["id"], ondelete="SET NULL")


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
