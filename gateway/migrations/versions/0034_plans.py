"""Maintenance plans, their packages and machines, inspection rounds, occurrences."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.columns import JSON, TIME, key, primary

revision = "0034"
down_revision = "0033"

_TABLES = ("inspection_rounds", "round_stops", "maintenance_plans", "plan_assets", "plan_packages", "occurrences")


def upgrade() -> None:
    """Apply."""
    _inspection_rounds()
    _round_stops()
    _maintenance_plans()
    _plan_assets()
    _plan_packages()
    _occurrences()
    for table in _TABLES:
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
    every = ", ".join(_TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {every} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT ON {every} TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _inspection_rounds() -> None:
    op.create_table(
        "inspection_rounds",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", JSON, nullable=False),
        sa.Column("site_id", sa.Uuid()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("inspection_rounds", "organisation_id", "organisations"),
        key("inspection_rounds", "site_id", "sites", "SET NULL"),
        primary("inspection_rounds"),
        sa.UniqueConstraint("organisation_id", "code", name=op.f("uq_inspection_rounds_organisation_id_code")),
    )
    op.create_index(op.f("ix_inspection_rounds_organisation_id"), "inspection_rounds", ["organisation_id"])
    op.create_index(op.f("ix_inspection_rounds_site_id"), "inspection_rounds", ["site_id"])


def _round_stops() -> None:
    op.create_table(
        "round_stops",
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("procedure_id", sa.Uuid()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Integer()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("round_stops", "asset_id", "assets", "CASCADE"),
        key("round_stops", "organisation_id", "organisations"),
        key("round_stops", "procedure_id", "procedures", "SET NULL"),
        key("round_stops", "round_id", "inspection_rounds", "CASCADE"),
        primary("round_stops"),
        sa.UniqueConstraint(
            "round_id", "position", deferrable=True, initially="DEFERRED", name=op.f("uq_round_stops_round_id_position")
        ),
    )
    op.create_index(op.f("ix_round_stops_asset_id"), "round_stops", ["asset_id"])
    op.create_index(op.f("ix_round_stops_organisation_id"), "round_stops", ["organisation_id"])
    op.create_index(op.f("ix_round_stops_procedure_id"), "round_stops", ["procedure_id"])


def _maintenance_plans() -> None:
    op.create_table(
        "maintenance_plans",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", JSON, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asset_model_id", sa.Uuid()),
        sa.Column("round_id", sa.Uuid()),
        sa.Column("effectivity", JSON, nullable=False),
        sa.Column("service_type_id", sa.Uuid()),
        sa.Column("procedure_id", sa.Uuid()),
        sa.Column("team_id", sa.Uuid()),
        sa.Column("skills", JSON, nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("duration_minutes", sa.Integer()),
        sa.Column("lead_days", sa.Integer(), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.Column("tolerance_before", JSON, nullable=False),
        sa.Column("tolerance_after", JSON, nullable=False),
        sa.Column("scheduling", sa.Text(), nullable=False),
        sa.Column("shift", JSON, nullable=False),
        sa.Column("calendar_id", sa.Uuid()),
        sa.Column("when_closed", sa.Text(), nullable=False),
        sa.Column("seasons", JSON, nullable=False),
        sa.Column("blackouts", JSON, nullable=False),
        sa.Column("near_days", sa.Integer(), nullable=False),
        sa.Column("when_missed", sa.Text(), nullable=False),
        sa.Column("starts", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date()),
        sa.Column("at_minute", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "lead_days BETWEEN 0 AND 730 AND horizon_days BETWEEN 1 AND 1830", name=op.f("ck_maintenance_plans_days")
        ),
        key("maintenance_plans", "asset_model_id", "asset_models", "RESTRICT"),
        key("maintenance_plans", "calendar_id", "calendars", "RESTRICT"),
        key("maintenance_plans", "organisation_id", "organisations"),
        key("maintenance_plans", "procedure_id", "procedures", "SET NULL"),
        key("maintenance_plans", "round_id", "inspection_rounds", "RESTRICT"),
        key("maintenance_plans", "service_type_id", "service_types", "SET NULL"),
        key("maintenance_plans", "team_id", "teams", "SET NULL"),
        primary("maintenance_plans"),
        sa.UniqueConstraint("organisation_id", "code", name=op.f("uq_maintenance_plans_organisation_id_code")),
    )
    op.create_index(op.f("ix_maintenance_plans_asset_model_id"), "maintenance_plans", ["asset_model_id"])
    op.create_index(op.f("ix_maintenance_plans_calendar_id"), "maintenance_plans", ["calendar_id"])
    op.create_index(op.f("ix_maintenance_plans_organisation_id"), "maintenance_plans", ["organisation_id"])
    op.create_index(op.f("ix_maintenance_plans_procedure_id"), "maintenance_plans", ["procedure_id"])
    op.create_index(op.f("ix_maintenance_plans_round_id"), "maintenance_plans", ["round_id"])
    op.create_index(op.f("ix_maintenance_plans_service_type_id"), "maintenance_plans", ["service_type_id"])
    op.create_index(op.f("ix_maintenance_plans_team_id"), "maintenance_plans", ["team_id"])


def _plan_assets() -> None:
    op.create_table(
        "plan_assets",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("start_on", sa.Date()),
        sa.Column("start_totals", JSON, nullable=False),
        sa.Column("turns", JSON, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("made_until", TIME),
        sa.Column("remake_at", TIME),
        sa.Column("dirty", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("plan_assets", "asset_id", "assets", "CASCADE"),
        key("plan_assets", "organisation_id", "organisations"),
        key("plan_assets", "plan_id", "maintenance_plans", "CASCADE"),
        primary("plan_assets"),
        sa.UniqueConstraint("plan_id", "asset_id", name=op.f("uq_plan_assets_plan_id_asset_id")),
    )
    op.create_index(op.f("ix_plan_assets_asset_id"), "plan_assets", ["asset_id"])
    op.create_index(
        "ix_plan_assets_dirty", "plan_assets", ["id"], postgresql_where=sa.text("dirty AND state = 'active'")
    )
    op.create_index(
        "ix_plan_assets_remake_at", "plan_assets", ["remake_at"], postgresql_where=sa.text("state = 'active'")
    )
    op.create_index(op.f("ix_plan_assets_organisation_id"), "plan_assets", ["organisation_id"])


def _plan_packages() -> None:
    op.create_table(
        "plan_packages",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", JSON, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("hierarchy", sa.Integer(), nullable=False),
        sa.Column("trigger", JSON, nullable=False),
        sa.Column("procedure_id", sa.Uuid()),
        sa.Column("duration_minutes", sa.Integer()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("plan_packages", "organisation_id", "organisations"),
        key("plan_packages", "plan_id", "maintenance_plans", "CASCADE"),
        key("plan_packages", "procedure_id", "procedures", "SET NULL"),
        primary("plan_packages"),
        sa.UniqueConstraint("plan_id", "code", name=op.f("uq_plan_packages_plan_id_code")),
    )
    op.create_index(op.f("ix_plan_packages_organisation_id"), "plan_packages", ["organisation_id"])
    op.create_index(op.f("ix_plan_packages_procedure_id"), "plan_packages", ["procedure_id"])


def _occurrences() -> None:
    op.create_table(
        "occurrences",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("plan_asset_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("packages", JSON, nullable=False),
        sa.Column("covered", JSON, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", TIME),
        sa.Column("due_on", sa.Date()),
        sa.Column("earliest_at", TIME),
        sa.Column("latest_at", TIME),
        sa.Column("low_at", TIME),
        sa.Column("high_at", TIME),
        sa.Column("target", sa.Double()),
        sa.Column("put_at", TIME),
        sa.Column("release_at", TIME),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("released_at", TIME),
        sa.Column("done_at", TIME),
        sa.Column("closed_at", TIME),
        sa.Column("reason", sa.Text()),
        sa.Column("evidence", JSON),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("occurrences", "asset_id", "assets", "CASCADE"),
        key("occurrences", "organisation_id", "organisations"),
        key("occurrences", "plan_asset_id", "plan_assets", "CASCADE"),
        key("occurrences", "plan_id", "maintenance_plans", "CASCADE"),
        key("occurrences", "work_order_id", "work_orders", "SET NULL"),
        primary("occurrences"),
        sa.UniqueConstraint("plan_asset_id", "slot", name=op.f("uq_occurrences_plan_asset_id_slot")),
    )
    op.create_index("ix_occurrences_asset_id_due_on", "occurrences", ["asset_id", "due_on"])
    op.create_index(op.f("ix_occurrences_organisation_id"), "occurrences", ["organisation_id"])
    op.create_index("ix_occurrences_organisation_id_due_on", "occurrences", ["organisation_id", "due_on"])
    op.create_index(op.f("ix_occurrences_plan_id"), "occurrences", ["plan_id"])
    op.create_index(
        "ix_occurrences_waiting", "occurrences", ["release_at"], postgresql_where=sa.text("state = 'planned'")
    )
    op.create_index(op.f("ix_occurrences_work_order_id"), "occurrences", ["work_order_id"])
