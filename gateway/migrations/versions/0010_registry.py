"""Lifecycle and operation as intervals, meters, what an asset model and an asset consist of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import MODEL_READ, ORGANISATION, OWNED, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0010"
down_revision = "0009"

_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)
_TABLES = ("bom_lines", "commissioning_answers", "components", "state_intervals", "stays", "meters", "meter_readings")
_VERSIONED = ("asset_models", "assets", "calendars", "customers", "organisations", "people", "sites")

# What is known of the lives so far: each state since it began, as far as anybody wrote it down.
_LIFECYCLES = """
INSERT INTO state_intervals (id, organisation_id, asset_id, axis, state, source, valid_from)
SELECT gen_random_uuid(), organisation_id, id, 'lifecycle', lifecycle, 'import', lifecycle_since FROM assets
"""
_OPERATIONS = """
INSERT INTO state_intervals (id, organisation_id, asset_id, axis, state, source, valid_from)
SELECT gen_random_uuid(), organisation_id, id, 'operation', operation, 'import', coalesce(operation_since, created_at)
FROM assets WHERE operation <> 'unknown'
"""
# A new organisation is not among the visible ones yet: it must stand below one of them.
_NEW_ORGANISATION = """
ALTER POLICY tenant_insert ON organisations WITH CHECK (
  parent_id = ANY ((SELECT forewarn_visible_organisations())::uuid[])
  AND ancestors[cardinality(ancestors)] = id AND ancestors[cardinality(ancestors) - 1] = parent_id)
"""
_WHOLES = """
INSERT INTO components (id, organisation_id, asset_id, child_asset_id, quantity, valid_from)
SELECT gen_random_uuid(), organisation_id, parent_id, id, 1, least(coalesce(installed_at, created_at), created_at)
FROM assets WHERE parent_id IS NOT NULL
"""


def upgrade() -> None:
    """Apply."""
    _columns()
    _bom_lines()
    _commissioning_answers()
    _components()
    _meters()
    _state_intervals()
    _stays()
    _meter_readings()
    op.create_index("ix_assets_listed", "assets", ["name", "id"])
    op.execute("CREATE SEQUENCE customer_numbers")
    op.execute(f"GRANT USAGE ON SEQUENCE customer_numbers TO {APP_ROLE}, {SERVICE_ROLE}")
    for table in _TABLES:
        for statement in owned_policies(table, read=MODEL_READ if table == "bom_lines" else OWNED):
            op.execute(sa.text(statement))
    tables = ", ".join(_TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {APP_ROLE}, {SERVICE_ROLE}")
    op.execute(f"GRANT SELECT ON {tables} TO {READER_ROLE}")
    # These two show the reader some columns only.
    op.execute(f"GRANT SELECT (version) ON people TO {READER_ROLE}")
    op.execute(f"GRANT SELECT (version) ON customers TO {READER_ROLE}")
    # Sites of customers follow calendars of the operator above them.
    op.execute(sa.text(f"ALTER POLICY tenant_read ON calendars USING ({MODEL_READ})"))
    op.execute(_NEW_ORGANISATION)
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")  # the row policies show the login role nobody's rows
    op.execute("UPDATE assets SET lifecycle_since = least(coalesce(installed_at, created_at), created_at)")
    for statement in (_LIFECYCLES, _OPERATIONS, _WHOLES):
        op.execute(statement)
    op.execute("RESET ROLE")


def downgrade() -> None:
    """Take back."""
    op.execute(sa.text(f"ALTER POLICY tenant_insert ON organisations WITH CHECK ({ORGANISATION})"))
    op.execute(sa.text(f"ALTER POLICY tenant_read ON calendars USING ({OWNED})"))
    op.execute("DROP SEQUENCE customer_numbers")
    op.drop_index("ix_assets_listed", "assets")
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_constraint(op.f("fk_sites_calendar_id_calendars"), "sites")
    for table, column in reversed(_new()):
        op.drop_column(table, column.name)
    for table in _VERSIONED:
        op.drop_column(table, "version")


def _columns() -> None:
    for table in _VERSIONED:
        op.add_column(table, sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    for table, column in _new():
        op.add_column(table, column)
    op.create_foreign_key(
        op.f("fk_sites_calendar_id_calendars"), "sites", "calendars", ["calendar_id"], ["id"], ondelete="SET NULL"
    )


def _new() -> tuple[tuple[str, sa.Column[object]], ...]:
    """Return the columns that existing tables get: new objects each time, as each belongs to one migration."""
    empty = sa.text("'[]'")
    return (
        ("asset_models", sa.Column("custom_fields", _JSON, server_default=empty, nullable=False)),
        ("asset_models", sa.Column("checklist", _JSON, server_default=empty, nullable=False)),
        ("asset_models", sa.Column("meters", _JSON, server_default=empty, nullable=False)),
        ("asset_models", sa.Column("operation_rule", _JSON, nullable=True)),
        ("assets", sa.Column("lifecycle_since", _TIME, nullable=True)),
        ("assets", sa.Column("operation_cause", sa.Text(), nullable=True)),
        ("assets", sa.Column("latitude_deg", sa.Double(), nullable=True)),
        ("assets", sa.Column("longitude_deg", sa.Double(), nullable=True)),
        ("assets", sa.Column("location_accuracy_m", sa.Double(), nullable=True)),
        ("assets", sa.Column("located_at", _TIME, nullable=True)),
        ("assets", sa.Column("plan_x", sa.Double(), nullable=True)),
        ("assets", sa.Column("plan_y", sa.Double(), nullable=True)),
        ("sites", sa.Column("calendar_id", sa.Uuid(), nullable=True)),
        ("sites", sa.Column("floor_plan_document_id", sa.Uuid(), nullable=True)),
    )


def _owner(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{table}_organisation_id_organisations")
        ),
    ]


def _key(table: str, column: str, of: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{of}")
    return sa.ForeignKeyConstraint([column], [f"{of}.id"], name=name, ondelete=ondelete)


def _bom_lines() -> None:
    op.create_table(
        "bom_lines",
        sa.Column("asset_model_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("item_number", sa.Text(), nullable=True),
        sa.Column("child_model_id", sa.Uuid(), nullable=True),
        sa.Column("name_en", sa.Text(), nullable=True),
        sa.Column("name_zh", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Double(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("bom_lines", "asset_model_id", "asset_models"),
        _key("bom_lines", "child_model_id", "asset_models"),
        *_owner("bom_lines"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bom_lines")),
    )
    op.create_index(op.f("ix_bom_lines_child_model_id"), "bom_lines", ["child_model_id"])
    op.create_index("ix_bom_lines_item", "bom_lines", ["item_number"])
    op.create_index("ix_bom_lines_model", "bom_lines", ["asset_model_id", "line"])
    op.create_index(op.f("ix_bom_lines_organisation_id"), "bom_lines", ["organisation_id"])


def _commissioning_answers() -> None:
    op.create_table(
        "commissioning_answers",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("value", _JSON, nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("commissioning_answers", "asset_id", "assets"),
        _key("commissioning_answers", "by_id", "people", "SET NULL"),
        *_owner("commissioning_answers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commissioning_answers")),
        sa.UniqueConstraint("asset_id", "key", name=op.f("uq_commissioning_answers_asset_id_key")),
    )
    op.create_index(op.f("ix_commissioning_answers_organisation_id"), "commissioning_answers", ["organisation_id"])


def _components() -> None:
    op.create_table(
        "components",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("child_asset_id", sa.Uuid(), nullable=True),
        sa.Column("part_id", sa.Uuid(), nullable=True),
        sa.Column("movement_id", sa.Uuid(), nullable=True),
        sa.Column("item_number", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("lot", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Double(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("valid_to", _TIME, nullable=True),
        sa.Column("installed_work_order_id", sa.Uuid(), nullable=True),
        sa.Column("removed_work_order_id", sa.Uuid(), nullable=True),
        sa.Column("removed_reason", sa.Text(), nullable=True),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("components", "asset_id", "assets"),
        _key("components", "by_id", "people", "SET NULL"),
        _key("components", "child_asset_id", "assets"),
        *_owner("components"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_components")),
    )
    op.create_index("ix_components_asset", "components", ["asset_id", "valid_from"])
    op.create_index("ix_components_child", "components", ["child_asset_id", "valid_from"])
    op.create_index(op.f("ix_components_organisation_id"), "components", ["organisation_id"])
    op.create_index("ix_components_movement", "components", ["movement_id"])
    op.create_index("ix_components_serial", "components", ["organisation_id", "serial"])


def _meters() -> None:
    op.create_table(
        "meters",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=True),
        sa.Column("rollover_at", sa.Double(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("total", sa.Double(), nullable=True),
        sa.Column("read_at", _TIME, nullable=True),
        sa.Column("refused_value", sa.Double(), nullable=True),
        sa.Column("refused_at", _TIME, nullable=True),
        sa.Column("refused_reason", sa.Text(), nullable=True),
        sa.Column("fed_until", _TIME, nullable=True),
        sa.Column("archived_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        _key("meters", "asset_id", "assets"),
        *_owner("meters"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meters")),
        sa.UniqueConstraint("asset_id", "name", name=op.f("uq_meters_asset_id_name")),
    )
    op.create_index(
        "ix_meters_fed", "meters", ["metric"], postgresql_where=sa.text("metric IS NOT NULL AND archived_at IS NULL")
    )
    op.create_index(op.f("ix_meters_organisation_id"), "meters", ["organisation_id"])


def _state_intervals() -> None:
    op.create_table(
        "state_intervals",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("axis", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("valid_to", _TIME, nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("state_intervals", "asset_id", "assets"),
        _key("state_intervals", "by_id", "people", "SET NULL"),
        *_owner("state_intervals"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_state_intervals")),
    )
    op.create_index("ix_state_intervals_asset", "state_intervals", ["asset_id", "axis", "valid_from"])
    op.create_index(op.f("ix_state_intervals_organisation_id"), "state_intervals", ["organisation_id"])
    op.create_index(
        "uq_state_intervals_open",
        "state_intervals",
        ["asset_id", "axis"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )


def _stays() -> None:
    op.create_table(
        "stays",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("valid_to", _TIME, nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("stays", "asset_id", "assets"),
        _key("stays", "by_id", "people", "SET NULL"),
        *_owner("stays"),
        _key("stays", "person_id", "people", "SET NULL"),
        _key("stays", "site_id", "sites", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stays")),
    )
    op.create_index("ix_stays_asset", "stays", ["asset_id", "valid_from"])
    op.create_index(op.f("ix_stays_organisation_id"), "stays", ["organisation_id"])
    op.create_index(op.f("ix_stays_person_id"), "stays", ["person_id"])
    op.create_index("uq_stays_open", "stays", ["asset_id"], unique=True, postgresql_where=sa.text("valid_to IS NULL"))


def _meter_readings() -> None:
    op.create_table(
        "meter_readings",
        sa.Column("meter_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("initial_value", sa.Double(), nullable=True),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("work_order_id", sa.Uuid(), nullable=True),
        sa.Column("corrects_id", sa.Uuid(), nullable=True),
        sa.Column("superseded_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("meter_readings", "asset_id", "assets"),
        _key("meter_readings", "by_id", "people", "SET NULL"),
        _key("meter_readings", "corrects_id", "meter_readings"),
        _key("meter_readings", "meter_id", "meters"),
        *_owner("meter_readings"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter_readings")),
    )
    op.create_index(op.f("ix_meter_readings_asset_id"), "meter_readings", ["asset_id"])
    op.create_index("ix_meter_readings_corrects", "meter_readings", ["corrects_id"])
    op.create_index(op.f("ix_meter_readings_organisation_id"), "meter_readings", ["organisation_id"])
    op.create_index(
        "uq_meter_readings_at",
        "meter_readings",
        ["meter_id", "at"],
        unique=True,
        postgresql_where=sa.text("superseded_at IS NULL"),
    )
