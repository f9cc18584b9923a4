"""Suppressors, audits, budgets: what answered work orders teach."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from assets.base.access import MODEL_READ, OWNED, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE

revision = "0008"
down_revision = "0007"

_TIME = sa.DateTime(timezone=True)
_JSON = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
_TABLES = ("feedback_settings", "alarm_budgets", "observed_months", "planner_verdicts", "suppressors", "held_back")


def upgrade() -> None:
    """Apply."""
    _feedback_settings()
    _alarm_budgets()
    _observed_months()
    _planner_verdicts()
    _suppressors()
    _held_back()
    _labels()
    op.create_index("ix_work_orders_site_opened", "work_orders", ["site_id", "opened_at"])
    for table in _TABLES:
        # Organisations below read the settings that they follow.
        for statement in owned_policies(table, read=MODEL_READ if table == "feedback_settings" else OWNED):
            op.execute(sa.text(statement))
    tables = ", ".join(_TABLES)
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {SERVICE_ROLE}")
    # What was held back, counted and decided is the service's to write; people lift, prolong and set.
    op.execute(f"GRANT SELECT ON {tables} TO {APP_ROLE}, {READER_ROLE}")
    op.execute(f"GRANT INSERT, UPDATE, DELETE ON suppressors, feedback_settings TO {APP_ROLE}")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_work_orders_site_opened", "work_orders")
    op.drop_column("labels", "origin")
    op.drop_column("labels", "kind")
    for table in reversed(_TABLES):
        op.drop_table(table)


def _labels() -> None:
    """What kind of order taught it, and why that was opened; from the orders themselves for what is there."""
    for column in ("kind", "origin"):
        op.add_column("labels", sa.Column(column, sa.Text()))
        op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")  # the row policies show the login role nobody's rows
        op.execute(f"UPDATE labels SET {column} = w.{column} FROM work_orders w WHERE w.id = labels.work_order_id")
        op.execute("RESET ROLE")
        op.alter_column("labels", column, nullable=False)


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


def _feedback_settings() -> None:
    op.create_table(
        "feedback_settings",
        sa.Column("suppress_days", sa.Integer(), nullable=False),
        sa.Column("dismiss_days", sa.Integer(), nullable=False),
        sa.Column("audit_share", sa.Double(), nullable=False),
        sa.Column("budget_per_month", sa.Double(), nullable=False),
        sa.Column("daily_cap", sa.Integer(), nullable=False),
        sa.Column("failure_cost", sa.Double(), nullable=False),
        sa.Column("visit_cost", sa.Double(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("costs", _JSON, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        *_owner("feedback_settings"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback_settings")),
        sa.UniqueConstraint("organisation_id", name=op.f("uq_feedback_settings_organisation_id")),
    )
    op.create_index(op.f("ix_feedback_settings_organisation_id"), "feedback_settings", ["organisation_id"])


def _alarm_budgets() -> None:
    op.create_table(
        "alarm_budgets",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("level_factor", sa.Double(), nullable=False),
        sa.Column("facts", _JSON, nullable=False),
        sa.Column("computed_at", _TIME, nullable=False),
        _key("alarm_budgets", "asset_id", "assets"),
        *_owner("alarm_budgets"),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_alarm_budgets")),
    )
    op.create_index(op.f("ix_alarm_budgets_organisation_id"), "alarm_budgets", ["organisation_id"])


def _observed_months() -> None:
    op.create_table(
        "observed_months",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        _key("observed_months", "asset_id", "assets"),
        *_owner("observed_months"),
        sa.PrimaryKeyConstraint("asset_id", "month", name=op.f("pk_observed_months")),
    )
    op.create_index(op.f("ix_observed_months_organisation_id"), "observed_months", ["organisation_id"])


def _planner_verdicts() -> None:
    op.create_table(
        "planner_verdicts",
        sa.Column("predicted_job_id", sa.Uuid(), nullable=False),
        sa.Column("finding_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("by_id", sa.Uuid()),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("planner_verdicts", "asset_id", "assets"),
        _key("planner_verdicts", "by_id", "people", "SET NULL"),
        _key("planner_verdicts", "finding_id", "findings"),
        _key("planner_verdicts", "predicted_job_id", "predicted_jobs"),
        *_owner("planner_verdicts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planner_verdicts")),
        sa.UniqueConstraint("predicted_job_id", name=op.f("uq_planner_verdicts_predicted_job_id")),
    )
    op.create_index(op.f("ix_planner_verdicts_asset_id"), "planner_verdicts", ["asset_id"])
    op.create_index(op.f("ix_planner_verdicts_finding_id"), "planner_verdicts", ["finding_id"])
    op.create_index(op.f("ix_planner_verdicts_organisation_id"), "planner_verdicts", ["organisation_id"])


def _suppressors() -> None:
    op.create_table(
        "suppressors",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("work_order_id", sa.Uuid()),
        sa.Column("predicted_job_id", sa.Uuid()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("regime", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("contributions", _JSON, nullable=False),
        sa.Column("peak_ratio", sa.Double(), nullable=False),
        sa.Column("breaks_at", sa.Double(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("ended_reason", sa.Text()),
        sa.Column("ended_by_id", sa.Uuid()),
        sa.Column("ended_note", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("suppressors", "asset_id", "assets"),
        _key("suppressors", "ended_by_id", "people", "SET NULL"),
        _key("suppressors", "predicted_job_id", "predicted_jobs"),
        _key("suppressors", "work_order_id", "work_orders"),
        *_owner("suppressors"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressors")),
        sa.UniqueConstraint("predicted_job_id", name=op.f("uq_suppressors_predicted_job_id")),
        sa.UniqueConstraint(
            "work_order_id", "detector", "signature", name=op.f("uq_suppressors_work_order_id_detector_signature")
        ),
    )
    op.create_index(
        "ix_suppressors_active", "suppressors", ["asset_id", "expires_at"], postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index(op.f("ix_suppressors_asset_id"), "suppressors", ["asset_id"])
    op.create_index(op.f("ix_suppressors_organisation_id"), "suppressors", ["organisation_id"])


def _held_back() -> None:
    op.create_table(
        "held_back",
        sa.Column("finding_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("suppressor_id", sa.Uuid()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("ratio", sa.Double(), nullable=False),
        sa.Column("likeness", sa.Double(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _key("held_back", "asset_id", "assets"),
        _key("held_back", "finding_id", "findings"),
        _key("held_back", "suppressor_id", "suppressors"),
        *_owner("held_back"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held_back")),
        sa.UniqueConstraint("finding_id", "reason", name=op.f("uq_held_back_finding_id_reason")),
    )
    op.create_index("ix_held_back_asset_at", "held_back", ["asset_id", "at"])
    op.create_index(op.f("ix_held_back_suppressor_id"), "held_back", ["suppressor_id"])
    op.create_index(op.f("ix_held_back_organisation_id"), "held_back", ["organisation_id"])
