"""Webhooks: endpoints and what was delivered to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.columns import JSON, TIME, key, primary

revision = "0023"
down_revision = "0022"

_TABLES = ("webhook_endpoints", "webhook_deliveries")
# Without the secrets, and without the address: that may hold one too.
_TOLD = (
    "id, organisation_id, version, name, kinds, enabled, previous_until, rounds, from_xid, created_at, delivered_at, "
    "failing_since, disabled_at"
)


def upgrade() -> None:
    """Apply."""
    _endpoints()
    _deliveries()
    for table in _TABLES:
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(_TABLES)} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ({_TOLD}) ON webhook_endpoints TO {READER_ROLE}")
    op.execute(f"GRANT SELECT ON webhook_deliveries TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _endpoints() -> None:
    table = "webhook_endpoints"
    op.create_table(
        table,
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", JSON, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text()),
        sa.Column("previous_until", TIME),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column(
            "from_xid",
            sa.BigInteger(),
            server_default=sa.text("(pg_current_xact_id()::text::bigint)"),
            nullable=False,
        ),
        sa.Column("created_at", TIME, nullable=False),
        *(sa.Column(name, TIME) for name in ("delivered_at", "failing_since", "disabled_at")),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key(table, "organisation_id", "organisations"),
        primary(table),
    )
    op.create_index(op.f(f"ix_{table}_organisation_id"), table, ["organisation_id"])


def _deliveries() -> None:
    table = "webhook_deliveries"
    op.create_table(
        table,
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        *(sa.Column(name, TIME) for name in ("next_try_at", "tried_at")),
        *(sa.Column(name, sa.Integer()) for name in ("status", "took_ms")),
        sa.Column("error", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key(table, "organisation_id", "organisations"),
        key(table, "endpoint_id", "webhook_endpoints", "CASCADE"),
        sa.UniqueConstraint("endpoint_id", "event_id", "round", name=op.f(f"uq_{table}_endpoint_id_event_id_round")),
        primary(table),
    )
    op.create_index(op.f(f"ix_{table}_organisation_id"), table, ["organisation_id"])
    newest: list[str | sa.TextClause] = ["endpoint_id", sa.text("created_at DESC"), sa.text("id DESC")]
    op.create_index(f"ix_{table}_newest", table, newest)
    waiting = sa.text("state = 'waiting'")
    op.create_index(f"ix_{table}_waiting", table, ["next_try_at"], postgresql_where=waiting)
