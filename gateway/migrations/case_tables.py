"""Tables of cases, as the migration creates them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.migrations.case_threads import create_threads
from gateway.migrations.columns import JSON, TIME

CASES = (
    "service_types",
    "service_type_versions",
    "cases",
    "case_children",
    "remote_sessions",
    "routing_rules",
    "thread_messages",
    "thread_reads",
)


def create_cases() -> None:
    """Create all of them."""
    _service_types()
    _service_type_versions()
    _cases()
    _case_children()
    create_threads()


def _service_types() -> None:
    op.create_table(
        "service_types",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("description_en", sa.Text(), nullable=True),
        sa.Column("description_zh", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.Column("procedure_id", sa.Uuid(), nullable=True),
        sa.Column("sla_policy_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_service_types_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_types")),
        sa.UniqueConstraint("organisation_id", "code", name=op.f("uq_service_types_organisation_id_code")),
    )
    op.create_index(op.f("ix_service_types_organisation_id"), "service_types", ["organisation_id"], unique=False)


def _service_type_versions() -> None:
    op.create_table(
        "service_type_versions",
        sa.Column("service_type_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("form", JSON, nullable=False),
        sa.Column("workflow", JSON, nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("duration_minutes", sa.Integer(), nullable=True),
        sa.Column("required_skills", JSON, nullable=False),
        sa.Column("procedure_id", sa.Uuid(), nullable=True),
        sa.Column("sla_policy_id", sa.Uuid(), nullable=True),
        sa.Column("price_part_id", sa.Uuid(), nullable=True),
        sa.Column("settlement_rule", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"],
            ["people.id"],
            name=op.f("fk_service_type_versions_created_by_id_people"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_service_type_versions_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(
            ["price_part_id"],
            ["parts.id"],
            name=op.f("fk_service_type_versions_price_part_id_parts"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["service_type_id"],
            ["service_types.id"],
            name=op.f("fk_service_type_versions_service_type_id_service_types"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_type_versions")),
        sa.UniqueConstraint(
            "service_type_id", "version", name=op.f("uq_service_type_versions_service_type_id_version")
        ),
    )
    op.create_index(
        op.f("ix_service_type_versions_organisation_id"), "service_type_versions", ["organisation_id"], unique=False
    )
    op.create_index(
        op.f("ix_service_type_versions_price_part_id"), "service_type_versions", ["price_part_id"], unique=False
    )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("service_type_id", sa.Uuid(), nullable=True),
        sa.Column("service_version_id", sa.Uuid(), nullable=True),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("answers", JSON, nullable=False),
        sa.Column("contact", JSON, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("origin_ref", sa.Uuid(), nullable=True),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("desk_organisation_id", sa.Uuid(), nullable=False),
        sa.Column("claimed_by_id", sa.Uuid(), nullable=True),
        sa.Column("claimed_at", TIME, nullable=True),
        sa.Column("claim_expires_at", TIME, nullable=True),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("opened_by_id", sa.Uuid(), nullable=True),
        sa.Column("first_reply_at", TIME, nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("approval_asked_by_id", sa.Uuid(), nullable=True),
        sa.Column("approval_note", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("resolution_note", sa.Text(), nullable=True),
        sa.Column("merged_into_id", sa.Uuid(), nullable=True),
        sa.Column("distinct_from", JSON, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("reopened_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("executing_organisation_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_asked_by_id"],
            ["people.id"],
            name=op.f("fk_cases_approval_asked_by_id_people"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_cases_asset_id_assets"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["claimed_by_id"], ["people.id"], name=op.f("fk_cases_claimed_by_id_people"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_cases_customer_id_customers"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["desk_organisation_id"], ["organisations.id"], name=op.f("fk_cases_desk_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["executing_organisation_id"],
            ["organisations.id"],
            name=op.f("fk_cases_executing_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(
            ["merged_into_id"], ["cases.id"], name=op.f("fk_cases_merged_into_id_cases"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["opened_by_id"], ["people.id"], name=op.f("fk_cases_opened_by_id_people"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_cases_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["service_type_id"],
            ["service_types.id"],
            name=op.f("fk_cases_service_type_id_service_types"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["service_version_id"],
            ["service_type_versions.id"],
            name=op.f("fk_cases_service_version_id_service_type_versions"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_cases_site_id_sites"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("number", name=op.f("uq_cases_number")),
    )
    op.create_index(op.f("ix_cases_asset_id"), "cases", ["asset_id"], unique=False)
    op.create_index(op.f("ix_cases_claimed_by_id"), "cases", ["claimed_by_id"], unique=False)
    op.create_index(op.f("ix_cases_customer_id"), "cases", ["customer_id"], unique=False)
    op.create_index(op.f("ix_cases_desk_organisation_id"), "cases", ["desk_organisation_id"], unique=False)
    op.create_index(op.f("ix_cases_executing_organisation_id"), "cases", ["executing_organisation_id"], unique=False)
    op.create_index(op.f("ix_cases_merged_into_id"), "cases", ["merged_into_id"], unique=False)
    op.create_index(
        "ix_cases_open",
        "cases",
        ["organisation_id", "asset_id"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(op.f("ix_cases_organisation_id"), "cases", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_cases_origin_ref"), "cases", ["origin_ref"], unique=False)
    op.create_index(op.f("ix_cases_service_type_id"), "cases", ["service_type_id"], unique=False)
    op.create_index(op.f("ix_cases_service_version_id"), "cases", ["service_version_id"], unique=False)
    op.create_index(op.f("ix_cases_site_id"), "cases", ["site_id"], unique=False)
    op.create_index("ix_cases_state", "cases", ["state", "id"], unique=False)
    op.create_index(op.f("ix_cases_team_id"), "cases", ["team_id"], unique=False)


def _case_children() -> None:
    op.create_table(
        "case_children",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("opened_by_id", sa.Uuid(), nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("executing_organisation_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_case_children_case_id_cases"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["executing_organisation_id"],
            ["organisations.id"],
            name=op.f("fk_case_children_executing_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(
            ["opened_by_id"], ["people.id"], name=op.f("fk_case_children_opened_by_id_people"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_case_children_organisation_id_organisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_children")),
        sa.UniqueConstraint("case_id", "kind", "subject_id", name=op.f("uq_case_children_case_id_kind_subject_id")),
    )
    op.create_index(op.f("ix_case_children_case_id"), "case_children", ["case_id"], unique=False)
    op.create_index(
        op.f("ix_case_children_executing_organisation_id"), "case_children", ["executing_organisation_id"], unique=False
    )
    op.create_index(op.f("ix_case_children_organisation_id"), "case_children", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_case_children_subject_id"), "case_children", ["subject_id"], unique=False)
