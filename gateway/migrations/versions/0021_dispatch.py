"""Dispatch plans and appointments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import executed_policies, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0021"
down_revision = "0020"

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)
_OWNED = ("dispatch_settings", "dispatch_plans", "plan_assignments")
_EXECUTED = ("appointments", "appointment_offers")
# Whoever has the link chooses in the customer's name.
_TOLD = "work_order_id, windows, offered_at, expires_at, created_by, closed_at, id, organisation_id"


def upgrade() -> None:
    """Apply."""
    _settings()
    _plans()
    _assignments()
    _appointments()
    _offers()
    for table in _OWNED:
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
    for table in _EXECUTED:
        for statement in executed_policies(table):
            op.execute(sa.text(statement))
    every = ", ".join((*_OWNED, *_EXECUTED))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {', '.join(_OWNED)}, appointments TO {READER_ROLE}")
    op.execute(f"GRANT SELECT ({_TOLD}, executing_organisation_id) ON appointment_offers TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    for table in ("appointment_offers", "appointments", "plan_assignments", "dispatch_plans", "dispatch_settings"):
        op.drop_table(table)


def _settings() -> None:
    table = "dispatch_settings"
    op.create_table(
        table,
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("weights", _JSON, nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("horizon_days", "solve_seconds", "moves_allowed", "window_minutes")
        ),
        sa.Column("wanted_at", _TIME),
        sa.Column("planned_at", _TIME),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        *_owned(table),
        sa.UniqueConstraint("organisation_id", name=op.f("uq_dispatch_settings_organisation_id")),
    )
    _index(table, "organisation_id")


def _plans() -> None:
    table = "dispatch_plans"
    op.create_table(
        table,
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("from_at", _TIME, nullable=False),
        sa.Column("until_at", _TIME, nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("urgent_order_id", sa.Uuid()),
        sa.Column("absent_person_id", sa.Uuid()),
        sa.Column("publish_at_once", sa.Boolean(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Uuid()),
        *(sa.Column(name, _TIME) for name in ("started_at", "finished_at", "decided_at")),
        sa.Column("decided_by", sa.Uuid()),
        *(sa.Column(name, sa.Text()) for name in ("reason", "error", "input_digest", "solver")),
        sa.Column("tried", _JSON, nullable=False),
        sa.Column("score_before", _JSON),
        sa.Column("score_after", _JSON),
        sa.Column("versions", _JSON, nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        *_owned(table),
        _to(table, "urgent_order_id", "work_orders", "SET NULL"),
        _to(table, "absent_person_id", "people", "SET NULL"),
        _to(table, "created_by", "people", "SET NULL"),
        _to(table, "decided_by", "people", "SET NULL"),
        sa.CheckConstraint("from_at < until_at", name=op.f("ck_dispatch_plans_forward")),
    )
    waiting = sa.text("state IN ('waiting', 'running')")
    op.create_index("ix_dispatch_plans_waiting", table, ["created_at"], postgresql_where=waiting)
    _index(table, "organisation_id", "urgent_order_id", "absent_person_id")


def _assignments() -> None:
    table = "plan_assignments"
    op.create_table(
        table,
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("work_order_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid()),
        sa.Column("technician_id", sa.Uuid()),
        sa.Column("planned_start", _TIME),
        sa.Column("planned_end", _TIME),
        sa.Column("travel_minutes", sa.Integer()),
        sa.Column("position_in_route", sa.Integer()),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("before", _JSON),
        sa.Column("reason_code", sa.Text()),
        sa.Column("reason_detail", sa.Text()),
        *_owned(table),
        _to(table, "plan_id", "dispatch_plans", "CASCADE"),
        _to(table, "work_order_id", "work_orders", "CASCADE"),
        _to(table, "visit_id", "visits", "CASCADE"),
        _to(table, "technician_id", "people", "CASCADE"),
    )
    _index(table, "organisation_id", "plan_id", "work_order_id", "visit_id", "technician_id")


def _appointments() -> None:
    table = "appointments"
    op.create_table(
        table,
        sa.Column("work_order_id", sa.Uuid(), nullable=False),
        sa.Column("window_from", _TIME, nullable=False),
        sa.Column("window_until", _TIME, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("chosen_by", sa.Text(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("booked_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        *_owned(table),
        *_executed(table),
        _to(table, "work_order_id", "work_orders", "CASCADE"),
        sa.CheckConstraint("window_from < window_until", name=op.f("ck_appointments_forward")),
    )
    booked = sa.text("state = 'booked'")
    op.create_index("uq_appointments_booked", table, ["work_order_id"], unique=True, postgresql_where=booked)
    _index(table, "organisation_id", "executing_organisation_id")


def _offers() -> None:
    table = "appointment_offers"
    op.create_table(
        table,
        sa.Column("work_order_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("windows", _JSON, nullable=False),
        sa.Column("offered_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("closed_at", _TIME),
        *_owned(table),
        *_executed(table),
        _to(table, "work_order_id", "work_orders", "CASCADE"),
        _to(table, "created_by", "people", "SET NULL"),
        sa.UniqueConstraint("token", name=op.f("uq_appointment_offers_token")),
    )
    _index(table, "organisation_id", "executing_organisation_id", "work_order_id")


def _owned(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{table}_organisation_id_organisations")
        ),
    ]


def _executed(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("executing_organisation_id", sa.Uuid()),
        sa.ForeignKeyConstraint(
            ["executing_organisation_id"],
            ["organisations.id"],
            name=op.f(f"fk_{table}_executing_organisation_id_organisations"),
        ),
    ]


def _to(table: str, column: str, of: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{of}.id"], name=op.f(f"fk_{table}_{column}_{of}"), ondelete=ondelete)


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
