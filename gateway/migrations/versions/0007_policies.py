"""Failure modes, alarm states, shelving, maintenance windows, on-call lists, notifications."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import MODEL_READ, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0007"
down_revision = "0006"

_MOMENT = sa.DateTime(timezone=True)
_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TABLES = ("failure_modes", "alarm_holds", "maintenance_windows", "on_call_lists", "escalations", "notifications")
_EPISODE_COLUMNS = (
    "failure_mode_id",
    "acknowledged_at",
    "acknowledged_by_id",
    "readings",
    "readings_counted_to",
)


def upgrade() -> None:
    """Apply."""
    _failure_modes()
    _episodes()
    _policies()
    _alarm_holds()
    _maintenance_windows()
    _on_call()
    _notifications()
    for table in _TABLES:
        wider = {"read": MODEL_READ} if table == "failure_modes" else {}
        for statement in owned_policies(table, **wider):
            op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(_TABLES)} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {', '.join(_TABLES)} TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    for name in ("updated_at", "last_replay", "version"):
        op.drop_column("policies", name)
    for name in _EPISODE_COLUMNS:
        op.drop_column("episodes", name)
    for table in reversed(_TABLES):
        op.drop_table(table)


def _table(name: str, *columns: sa.Column[Any] | sa.schema.Constraint) -> None:
    """Make a table of rows with an id and an owner, indexed by the owner."""
    op.create_table(
        name,
        *columns,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{name}_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )
    op.create_index(op.f(f"ix_{name}_organisation_id"), name, ["organisation_id"])


def _key(table: str, column: str, other: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"), ondelete=ondelete
    )


def _text(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _uuid(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _moment(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, _MOMENT, nullable=nullable)


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _failure_modes() -> None:
    name = "failure_modes"
    _table(
        name,
        _uuid("asset_model_id", nullable=True),
        *(_text(column) for column in ("code", "name_en", "name_zh")),
        *(_text(column, nullable=True) for column in ("mechanism_en", "mechanism_zh")),
        sa.Column("matches", _JSON, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        _key(name, "asset_model_id", "asset_models"),
    )
    _index(name, "asset_model_id")
    op.create_index(
        "uq_failure_modes_code",
        name,
        ["organisation_id", "asset_model_id", "code"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )


def _episodes() -> None:
    op.add_column("episodes", _uuid("failure_mode_id", nullable=True))
    op.add_column("episodes", _moment("acknowledged_at", nullable=True))
    op.add_column("episodes", _uuid("acknowledged_by_id", nullable=True))
    op.add_column("episodes", sa.Column("readings", sa.Integer(), nullable=True))
    op.add_column("episodes", _moment("readings_counted_to", nullable=True))
    for column, other in (("failure_mode_id", "failure_modes"), ("acknowledged_by_id", "people")):
        name = op.f(f"fk_episodes_{column}_{other}")
        op.create_foreign_key(name, "episodes", other, [column], ["id"], ondelete="SET NULL")
    _index("episodes", "failure_mode_id")


def _policies() -> None:
    op.add_column("policies", _moment("updated_at", nullable=True))
    op.add_column("policies", sa.Column("last_replay", _JSON, nullable=True))
    op.add_column("policies", sa.Column("version", sa.Integer(), server_default="1", nullable=False))


def _alarm_holds() -> None:
    name = "alarm_holds"
    _table(
        name,
        _uuid("asset_id"),
        _text("key", nullable=True),
        _text("kind"),
        _moment("since"),
        _moment("until", nullable=True),
        _text("reason"),
        _uuid("by_id", nullable=True),
        _moment("ended_at", nullable=True),
        _key(name, "asset_id", "assets"),
        _key(name, "by_id", "people", "SET NULL"),
    )
    op.create_index("ix_alarm_holds_standing", name, ["asset_id"], postgresql_where=sa.text("ended_at IS NULL"))


def _maintenance_windows() -> None:
    name = "maintenance_windows"
    scopes = (("asset_id", "assets"), ("site_id", "sites"), ("asset_model_id", "asset_models"))
    _table(
        name,
        _text("name"),
        *(_uuid(column, nullable=True) for column, _ in scopes),
        _moment("starts_at"),
        _moment("ends_at", nullable=True),
        sa.Column("hours", _JSON, nullable=True),
        _text("time_zone"),
        _text("note", nullable=True),
        _uuid("by_id", nullable=True),
        *(_key(name, column, other) for column, other in scopes),
        _key(name, "by_id", "people", "SET NULL"),
    )
    _index(name, *(column for column, _ in scopes))


def _on_call() -> None:
    name = "on_call_lists"
    scopes = (("site_id", "sites"), ("asset_model_id", "asset_models"))
    _table(
        name,
        _text("name"),
        *(_uuid(column, nullable=True) for column, _ in scopes),
        _text("min_severity"),
        sa.Column("working_hours", _JSON, nullable=False),
        _text("time_zone"),
        sa.Column("always", sa.Boolean(), nullable=False),
        sa.Column("steps", _JSON, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        *(_key(name, column, other) for column, other in scopes),
        sa.UniqueConstraint("organisation_id", "name", name=op.f(f"uq_{name}_organisation_id_name")),
    )
    _index(name, *(column for column, _ in scopes))
    name = "escalations"
    _table(
        name,
        _uuid("episode_id"),
        _uuid("on_call_list_id"),
        _text("state"),
        sa.Column("asked", sa.Integer(), nullable=False),
        _moment("started_at"),
        _moment("next_at", nullable=True),
        _moment("ended_at", nullable=True),
        _key(name, "episode_id", "episodes"),
        _key(name, "on_call_list_id", "on_call_lists"),
    )
    running = sa.text("state = 'running'")
    _index(name, "on_call_list_id")
    op.create_index("ix_escalations_episode", name, ["episode_id"])
    op.create_index("uq_escalations_running", name, ["episode_id"], unique=True, postgresql_where=running)
    op.create_index("ix_escalations_due", name, ["next_at"], postgresql_where=running)


def _notifications() -> None:
    name = "notifications"
    about = (("person_id", "people"), ("episode_id", "episodes"), ("asset_id", "assets"))
    _table(
        name,
        *(_uuid(column, nullable=column != "person_id") for column, _ in about),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        _text("channel"),
        _text("code"),
        sa.Column("params", _JSON, nullable=False),
        _moment("created_at"),
        _text("state"),
        sa.Column("tries", sa.Integer(), nullable=False),
        _moment("next_try_at", nullable=True),
        _moment("sent_at", nullable=True),
        _text("error", nullable=True),
        *(_key(name, column, other) for column, other in about),
        sa.UniqueConstraint("event_id", "person_id", "channel", name=op.f(f"uq_{name}_event_id_person_id_channel")),
    )
    _index(name, *(column for column, _ in about))
    op.create_index("ix_notifications_waiting", name, ["next_try_at"], postgresql_where=sa.text("state = 'waiting'"))
