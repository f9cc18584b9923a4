"""Mappings of any topic to readings; the units that devices send in, and the names they give themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0002"
down_revision = "0001"

_TIME = sa.DateTime(timezone=True)
_TABLES = ("mappings", "mapping_messages")

# A filter must not overlap another organisation's, whose mappings a request does not see.
_FILTERS = """
CREATE FUNCTION forewarn_mapping_filters() RETURNS TABLE (id uuid, organisation_id uuid, topic_filter text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT id, organisation_id, topic_filter FROM public.mappings
$$
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("series", sa.Column("sent_unit", sa.Text(), nullable=True))
    op.add_column("devices", sa.Column("units_version", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("devices", sa.Column("own_name", sa.Text(), nullable=True))
    _tables()
    statements = [statement for name in _TABLES for statement in owned_policies(name)]
    statements += [
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(_TABLES)} TO {SERVICE_ROLE}, {APP_ROLE}",
        f"GRANT SELECT ON {', '.join(_TABLES)} TO {READER_ROLE}",
        f"GRANT SELECT (units_version, own_name) ON devices TO {READER_ROLE}",
        f"GRANT USAGE ON SEQUENCE mapping_messages_id_seq TO {SERVICE_ROLE}, {APP_ROLE}",
        _FILTERS,
        f"GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}",
        f"ALTER FUNCTION forewarn_mapping_filters() OWNER TO {SERVICE_ROLE}",
        f"REVOKE CREATE ON SCHEMA public FROM {SERVICE_ROLE}",
        "REVOKE ALL ON FUNCTION forewarn_mapping_filters() FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION forewarn_mapping_filters() TO {SERVICE_ROLE}, {APP_ROLE}",
    ]
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def _tables() -> None:
    op.create_table(
        "mappings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("topic_filter", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("rules", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("last_received_at", _TIME, nullable=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("problems", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_mappings_device_id_devices"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_mappings_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mappings")),
        sa.UniqueConstraint("device_id", name=op.f("uq_mappings_device_id")),
    )
    op.create_index(op.f("ix_mappings_organisation_id"), "mappings", ["organisation_id"])
    op.create_table(
        "mapping_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mapping_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mapping_id"], ["mappings.id"], name=op.f("fk_mapping_messages_mapping_id_mappings"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_mapping_messages_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mapping_messages")),
    )
    op.create_index(op.f("ix_mapping_messages_mapping_id"), "mapping_messages", ["mapping_id"])
    op.create_index(op.f("ix_mapping_messages_organisation_id"), "mapping_messages", ["organisation_id"])


def downgrade() -> None:
    """Take back."""
    op.execute("DROP FUNCTION forewarn_mapping_filters()")
    op.drop_table("mapping_messages")
    op.drop_table("mappings")
    op.drop_column("devices", "own_name")
    op.drop_column("devices", "units_version")
    op.drop_column("series", "sent_unit")
