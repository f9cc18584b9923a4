"""Positions and who stood there; clocks, freshness and presence of devices and streams; late stretches to score."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from assets.instrumentation import ASSET_BINDINGS

revision = "0004"
down_revision = "0003"

_TIME = sa.DateTime(timezone=True)
_JSON = postgresql.JSONB(none_as_null=True)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")


def _columns() -> dict[str, list[sa.Column]]:  # type: ignore[type-arg]
    return {
        "devices": [
            sa.Column("presence_reason", _JSON),
            sa.Column("presence_raw", sa.Text()),
            sa.Column("presence_flips", postgresql.ARRAY(_TIME)),
            sa.Column("gateway_id", sa.Uuid()),
            sa.Column("last_heard_at", _TIME),
            sa.Column("clock_measured_at", _TIME),
            sa.Column("sleep_s", sa.Float()),
        ],
        "streams": [
            sa.Column("fresh_at", _TIME),
            sa.Column("learned_interval_s", sa.Float()),
            sa.Column("learned_at", _TIME),
            sa.Column("presence", sa.Text(), nullable=False, server_default="unknown"),
            sa.Column("presence_since", _TIME),
            sa.Column("presence_reason", _JSON),
        ],
        "series": [sa.Column("frozen_since", _TIME)],
        "ingest_batches": [sa.Column("sent_ms", sa.BigInteger()), sa.Column("shifts", _JSON)],
        "quarantine": [sa.Column("boot", sa.Text()), sa.Column("seq", sa.BigInteger()), sa.Column("tried_at", _TIME)],
        "device_boots": [
            _count("repeated"),
            _count("conflicting"),
            _count("corrected"),
            sa.Column("zero_ms", sa.BigInteger()),
            sa.Column("offset_ms", sa.BigInteger()),
            sa.Column("clock_measured_at", _TIME),
        ],
        "scoring_states": [
            sa.Column("late_from", _TIME),
            sa.Column("late_until", _TIME),
            sa.Column("late_noted_at", _TIME),
        ],
        "bindings": [sa.Column("position_id", sa.Uuid())],
    }


def upgrade() -> None:
    """Apply."""
    _places()
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_foreign_key(
        op.f("fk_devices_gateway_id_devices"), "devices", "devices", ["gateway_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(op.f("ix_devices_gateway_id"), "devices", ["gateway_id"])
    op.create_index(
        "ix_quarantine_held", "quarantine", ["device_id", "boot"], postgresql_where=sa.text("reason = 'absurd_time'")
    )
    op.create_index("ix_series_frozen", "series", ["stream_id"], postgresql_where=sa.text("frozen_since IS NOT NULL"))
    op.create_foreign_key(
        op.f("fk_bindings_position_id_positions"),
        "bindings",
        "positions",
        ["position_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_bindings_position_id"), "bindings", ["position_id"])
    op.alter_column("bindings", "asset_id", nullable=True)
    op.create_table(
        "listeners",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("heard_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_listeners")),
    )
    seen = ", ".join(column.name for column in _columns()["devices"])
    _run(
        [
            ASSET_BINDINGS,
            *owned_policies("positions"),
            *owned_policies("installations"),
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON positions, installations TO {SERVICE_ROLE}, {APP_ROLE}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON listeners TO {SERVICE_ROLE}",
            f"GRANT SELECT ON positions, installations TO {READER_ROLE}",
            f"GRANT SELECT ON asset_bindings TO {SERVICE_ROLE}, {APP_ROLE}, {READER_ROLE}",
            f"GRANT SELECT ({seen}) ON devices TO {READER_ROLE}",
            # What was stored before has been fresh when it came.
            "UPDATE streams SET fresh_at = last_received_at",
        ]
    )


def downgrade() -> None:
    """Take back; bindings to positions go with the positions."""
    _run(["DROP VIEW asset_bindings", "DELETE FROM bindings WHERE asset_id IS NULL"])
    op.drop_table("listeners")
    op.alter_column("bindings", "asset_id", nullable=False)
    op.drop_index("ix_quarantine_held", "quarantine")
    for table, columns in reversed(_columns().items()):
        for column in columns:
            op.drop_column(table, column.name)
    op.drop_table("installations")
    op.drop_table("positions")


def _places() -> None:
    op.create_table(
        "positions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_positions_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["sites.id"], name=op.f("fk_positions_site_id_sites"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_positions")),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_positions_organisation_id_name")),
    )
    op.create_index(op.f("ix_positions_organisation_id"), "positions", ["organisation_id"])
    op.create_index(op.f("ix_positions_site_id"), "positions", ["site_id"])
    op.create_table(
        "installations",
        sa.Column("position_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("valid_to", _TIME, nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_installations_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_installations_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["position_id"], ["positions.id"], name=op.f("fk_installations_position_id_positions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installations")),
    )
    op.create_index("ix_installations_asset", "installations", ["asset_id", "valid_from"])
    op.create_index("ix_installations_position", "installations", ["position_id", "valid_from"])
    op.create_index(op.f("ix_installations_organisation_id"), "installations", ["organisation_id"])


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)
