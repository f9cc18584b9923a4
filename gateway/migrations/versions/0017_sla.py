"""Service levels and their clocks; what the days of calendars are called."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import executed_policies, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.columns import JSON, TIME, key, primary

revision = "0017"
down_revision = "0016"

_OWNED = ("sla_policies", "sla_targets")
_EXECUTED = ("sla_subjects", "sla_clocks", "sla_warnings")
_READ_ONLY = ("sla_subjects", "sla_clocks")  # what events say, written by the service


def upgrade() -> None:
    """Apply."""
    op.add_column("calendars", sa.Column("day_names", JSON, server_default=sa.text("'{}'"), nullable=False))
    op.add_column("calendars", sa.Column("holidays", JSON))
    _policies()
    _targets()
    _subjects()
    _clocks()
    _warnings()
    for table in (*_OWNED, *_EXECUTED):
        policies = executed_policies(table) if table in _EXECUTED else owned_policies(table)
        for statement in policies:
            op.execute(sa.text(statement))
    every = ", ".join((*_OWNED, *_EXECUTED))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON {', '.join(_READ_ONLY)} FROM {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {every} TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    for table in reversed((*_OWNED, *_EXECUTED)):
        op.drop_table(table)
    op.drop_column("calendars", "holidays")
    op.drop_column("calendars", "day_names")


def _identity(table: str, *, executed: bool = False) -> list[sa.schema.SchemaItem]:
    items: list[sa.schema.SchemaItem] = [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key(table, "organisation_id", "organisations"),
        primary(table),
    ]
    if executed:
        items += [
            sa.Column("executing_organisation_id", sa.Uuid()),
            key(table, "executing_organisation_id", "organisations"),
        ]
    return items


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _policies() -> None:
    op.create_table(
        "sla_policies",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("match", JSON),
        sa.Column("precedence", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Uuid()),
        sa.Column("pauses", JSON, nullable=False),
        sa.Column("warnings", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("sla_policies", "calendar_id", "calendars", "RESTRICT"),
        *_identity("sla_policies"),
    )
    _index("sla_policies", "calendar_id", "organisation_id")


def _targets() -> None:
    op.create_table(
        "sla_targets",
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("calendar_id", sa.Uuid()),
        key("sla_targets", "policy_id", "sla_policies", "CASCADE"),
        key("sla_targets", "calendar_id", "calendars", "RESTRICT"),
        *_identity("sla_targets"),
        sa.UniqueConstraint("policy_id", "clock", "priority", name=op.f("uq_sla_targets_policy_id_clock_priority")),
    )
    _index("sla_targets", "calendar_id", "organisation_id")


def _about() -> list[sa.Column[object]]:
    return [
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid()),
    ]


def _subjects() -> None:
    op.create_table(
        "sla_subjects",
        *_about(),
        sa.Column("policy_id", sa.Uuid()),
        sa.Column("finished_at", TIME),
        sa.Column("look_at", TIME),
        key("sla_subjects", "policy_id", "sla_policies", "SET NULL"),
        *_identity("sla_subjects", executed=True),
        sa.UniqueConstraint("subject_kind", "subject_id", name=op.f("uq_sla_subjects_subject_kind_subject_id")),
    )
    _index("sla_subjects", "policy_id", "organisation_id", "executing_organisation_id")
    waiting = sa.text("look_at IS NOT NULL")
    op.create_index("ix_sla_subjects_look", "sla_subjects", ["look_at"], postgresql_where=waiting)


def _clocks() -> None:
    op.create_table(
        "sla_clocks",
        *_about(),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("clock", "priority", "source", "state")),
        *(sa.Column(name, sa.Uuid()) for name in ("policy_id", "contract_id", "calendar_id")),
        sa.Column("target_s", sa.BigInteger(), nullable=False),
        sa.Column("pauses", JSON, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        *(sa.Column(name, TIME) for name in ("due_at", "at_risk_at", "breached_at", "finished_at")),
        *(sa.Column(name, sa.Float()) for name in ("used_s", "paused_s", "outside_s")),
        key("sla_clocks", "policy_id", "sla_policies", "SET NULL"),
        key("sla_clocks", "contract_id", "contracts", "SET NULL"),
        key("sla_clocks", "calendar_id", "calendars", "RESTRICT"),
        *_identity("sla_clocks", executed=True),
        sa.UniqueConstraint(
            "subject_kind", "subject_id", "clock", name=op.f("uq_sla_clocks_subject_kind_subject_id_clock")
        ),
    )
    _index("sla_clocks", "policy_id", "contract_id", "calendar_id", "organisation_id", "executing_organisation_id")
    for name in ("at_risk", "breached"):
        ahead = sa.text(f"finished_at IS NULL AND {name}_at IS NOT NULL")
        op.create_index(f"ix_sla_clocks_{name}", "sla_clocks", ["subject_kind", f"{name}_at"], postgresql_where=ahead)
    ended = sa.text("finished_at IS NOT NULL")
    op.create_index("ix_sla_clocks_finished", "sla_clocks", ["finished_at"], postgresql_where=ended)


def _warnings() -> None:
    op.create_table(
        "sla_warnings",
        sa.Column("clock_id", sa.Uuid(), nullable=False),
        *_about(),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("reached_at", TIME, nullable=False),
        sa.Column("fired_at", TIME, nullable=False),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("told", JSON, nullable=False),
        sa.Column("acknowledged_at", TIME),
        sa.Column("acknowledged_by_id", sa.Uuid()),
        key("sla_warnings", "clock_id", "sla_clocks", "CASCADE"),
        key("sla_warnings", "acknowledged_by_id", "people", "SET NULL"),
        *_identity("sla_warnings", executed=True),
        sa.UniqueConstraint("clock_id", "percent", "round", name=op.f("uq_sla_warnings_clock_id_percent_round")),
    )
    _index("sla_warnings", "organisation_id", "executing_organisation_id")
    op.create_index("ix_sla_warnings_subject", "sla_warnings", ["subject_kind", "subject_id"])
    op.create_index("ix_sla_warnings_fired", "sla_warnings", ["fired_at"])
