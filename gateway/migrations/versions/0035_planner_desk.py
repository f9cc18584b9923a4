"""The planner's desk: what work costs, decisions about predicted jobs, drafts of a what-if."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.columns import AMOUNT, JSON, TIME, key, primary

revision = "0035"
down_revision = "0034"

_TABLES = ("desk_costs", "desk_decisions", "desk_drafts", "desk_moves")
_LIVE = "kind IN ('defer', 'merge') AND returned_at IS NULL AND undone_at IS NULL"


def upgrade() -> None:
    """Apply."""
    _costs()
    _decisions()
    _drafts()
    _moves()
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


def _costs() -> None:
    op.create_table(
        "desk_costs",
        sa.Column("asset_model_id", sa.Uuid()),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("planned_cost", AMOUNT),
        sa.Column("planned_downtime_hours", sa.Double()),
        sa.Column("unplanned_cost", AMOUNT),
        sa.Column("unplanned_factor", sa.Double()),
        sa.Column("unplanned_downtime_hours", sa.Double()),
        sa.Column("downtime_cost_per_hour", AMOUNT),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("changed_at", TIME, nullable=False),
        *_owned("desk_costs"),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("num_nonnulls(asset_model_id, asset_id) <= 1", name=op.f("ck_desk_costs_of_one")),
        sa.CheckConstraint("num_nonnulls(unplanned_cost, unplanned_factor) <= 1", name=op.f("ck_desk_costs_one_way")),
        key("desk_costs", "asset_model_id", "asset_models", "CASCADE"),
        key("desk_costs", "asset_id", "assets", "CASCADE"),
        sa.UniqueConstraint(
            "organisation_id",
            "asset_model_id",
            "asset_id",
            name=op.f("uq_desk_costs_organisation_id_asset_model_id_asset_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    _indexes("desk_costs", "asset_id", "asset_model_id", "organisation_id")


def _decisions() -> None:
    op.create_table(
        "desk_decisions",
        sa.Column("predicted_job_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("until", TIME),
        sa.Column("occurrence_id", sa.Uuid()),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("batch_id", sa.Uuid()),
        sa.Column("at", TIME, nullable=False),
        sa.Column("by_id", sa.Uuid()),
        sa.Column("returned_at", TIME),
        sa.Column("returned_why", sa.Text()),
        sa.Column("undone_at", TIME),
        sa.Column("undone_by_id", sa.Uuid()),
        *_owned("desk_decisions"),
        key("desk_decisions", "predicted_job_id", "predicted_jobs", "CASCADE"),
        key("desk_decisions", "asset_id", "assets", "CASCADE"),
        key("desk_decisions", "occurrence_id", "occurrences", "SET NULL"),
        key("desk_decisions", "work_order_id", "work_orders", "SET NULL"),
        key("desk_decisions", "by_id", "people", "SET NULL"),
        key("desk_decisions", "undone_by_id", "people", "SET NULL"),
    )
    _indexes("desk_decisions", "asset_id", "occurrence_id", "organisation_id", "predicted_job_id", "work_order_id")
    live = sa.text(_LIVE)
    op.create_index(
        "uq_desk_decisions_waiting", "desk_decisions", ["predicted_job_id"], unique=True, postgresql_where=live
    )
    op.create_index("ix_desk_decisions_until", "desk_decisions", ["until"], postgresql_where=live)
    op.create_index("ix_desk_decisions_live_trouble", "desk_decisions", ["asset_id", "key"], postgresql_where=live)
    op.create_index("ix_desk_decisions_organisation_id_at", "desk_decisions", ["organisation_id", "at"])


def _drafts() -> None:
    op.create_table(
        "desk_drafts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("created_by_id", sa.Uuid()),
        sa.Column("applied_at", TIME),
        sa.Column("applied_by_id", sa.Uuid()),
        sa.Column("undone_at", TIME),
        sa.Column("undone_by_id", sa.Uuid()),
        *_owned("desk_drafts"),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key("desk_drafts", "created_by_id", "people", "SET NULL"),
        key("desk_drafts", "applied_by_id", "people", "SET NULL"),
        key("desk_drafts", "undone_by_id", "people", "SET NULL"),
    )
    _indexes("desk_drafts", "organisation_id")
    op.create_index("ix_desk_drafts_organisation_id_created_at", "desk_drafts", ["organisation_id", "created_at"])


def _moves() -> None:
    op.create_table(
        "desk_moves",
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("occurrence_id", sa.Uuid(), nullable=False),
        sa.Column("seen_at", TIME),
        sa.Column("seen_put_at", TIME),
        sa.Column("seen_state", sa.Text(), nullable=False),
        sa.Column("to_at", TIME, nullable=False),
        sa.Column("result", sa.Text()),
        *_owned("desk_moves"),
        key("desk_moves", "draft_id", "desk_drafts", "CASCADE"),
        key("desk_moves", "occurrence_id", "occurrences", "CASCADE"),
        sa.UniqueConstraint("draft_id", "occurrence_id", name=op.f("uq_desk_moves_draft_id_occurrence_id")),
    )
    _indexes("desk_moves", "occurrence_id", "organisation_id")


def _owned(table: str) -> tuple[sa.Column[object] | sa.Constraint, ...]:
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key(table, "organisation_id", "organisations"),
        primary(table),
    )


def _indexes(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
