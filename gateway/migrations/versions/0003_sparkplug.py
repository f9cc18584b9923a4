"""Edge nodes of Sparkplug B and the names of their metrics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0003"
down_revision = "0002"

_TIME = sa.DateTime(timezone=True)
_OWNED = ("sparkplug_nodes", "sparkplug_channels")

# What was heard and is not registered belongs to the operator; whoever registers it may not see that row.
_FORGET_STRANGER = """
CREATE FUNCTION forewarn_forget_stranger(a_group text, a_node text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  DELETE FROM public.sparkplug_nodes WHERE group_id = a_group AND node_id = a_node AND device_id IS NULL
$$
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "sparkplug_nodes",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Uuid()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("last_heard_at", _TIME),
        sa.Column("online", sa.Boolean()),
        sa.Column("bd_seq", sa.Integer()),
        sa.Column("born_at", _TIME),
        sa.Column("died_at", _TIME),
        sa.Column("rebirths", sa.BigInteger(), nullable=False),
        sa.Column("gaps", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sparkplug_nodes")),
        sa.UniqueConstraint("device_id", name=op.f("uq_sparkplug_nodes_device_id")),
        sa.UniqueConstraint("group_id", "node_id", name=op.f("uq_sparkplug_nodes_group_id_node_id")),
        _owner("sparkplug_nodes"),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_sparkplug_nodes_device_id_devices"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "sparkplug_channels",
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("online", sa.Boolean()),
        sa.Column("since", _TIME),
        sa.Column("names", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", "channel", name=op.f("pk_sparkplug_channels")),
        _owner("sparkplug_channels"),
        sa.ForeignKeyConstraint(
            ["node_id"],
            ["sparkplug_nodes.id"],
            name=op.f("fk_sparkplug_channels_node_id_sparkplug_nodes"),
            ondelete="CASCADE",
        ),
    )
    op.add_column("streams", sa.Column("online", sa.Boolean()))
    for table in _OWNED:
        op.create_index(op.f(f"ix_{table}_organisation_id"), table, ["organisation_id"])
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
    for statement in _functions():
        op.execute(sa.text(statement))
    tables = ", ".join(_OWNED)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {tables} TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP FUNCTION forewarn_forget_stranger(text, text)")
    op.drop_column("streams", "online")
    for table in reversed(_OWNED):
        op.drop_table(table)


def _functions() -> list[str]:
    name = "forewarn_forget_stranger(text, text)"
    return [
        _FORGET_STRANGER,
        f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}",
        f"ALTER FUNCTION {name} OWNER TO {SERVICE_ROLE}",
        f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}",
        f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {name} TO {SERVICE_ROLE}, {APP_ROLE}",
    ]


def _owner(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_organisation_id_organisations")
    return sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=name)
