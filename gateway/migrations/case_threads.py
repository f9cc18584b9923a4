"""Tables of threads, remote sessions and routing, as the migration creates them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.migrations.columns import JSON, TIME


def create_threads() -> None:
    """Create all of them."""
    _remote_sessions()
    _routing_rules()
    _thread_messages()
    _thread_reads()


def _remote_sessions() -> None:
    op.create_table(
        "remote_sessions",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("finding_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("looks", JSON, nullable=False),
        sa.Column("snapshot", JSON, nullable=True),
        sa.Column("advised", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("started_by_id", sa.Uuid(), nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("ended_by_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_remote_sessions_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_remote_sessions_case_id_cases"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["ended_by_id"], ["people.id"], name=op.f("fk_remote_sessions_ended_by_id_people"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_remote_sessions_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["started_by_id"], ["people.id"], name=op.f("fk_remote_sessions_started_by_id_people"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remote_sessions")),
    )
    op.create_index(op.f("ix_remote_sessions_asset_id"), "remote_sessions", ["asset_id"], unique=False)
    op.create_index(op.f("ix_remote_sessions_case_id"), "remote_sessions", ["case_id"], unique=False)
    op.create_index(op.f("ix_remote_sessions_finding_id"), "remote_sessions", ["finding_id"], unique=False)
    op.create_index(op.f("ix_remote_sessions_organisation_id"), "remote_sessions", ["organisation_id"], unique=False)
    op.create_index(
        "uq_remote_sessions_open",
        "remote_sessions",
        ["case_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )


def _routing_rules() -> None:
    op.create_table(
        "routing_rules",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("service_type_id", sa.Uuid(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("territory_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("priority", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_routing_rules_customer_id_customers"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_routing_rules_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["service_type_id"],
            ["service_types.id"],
            name=op.f("fk_routing_rules_service_type_id_service_types"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_rules")),
    )
    op.create_index(op.f("ix_routing_rules_customer_id"), "routing_rules", ["customer_id"], unique=False)
    op.create_index(op.f("ix_routing_rules_organisation_id"), "routing_rules", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_routing_rules_service_type_id"), "routing_rules", ["service_type_id"], unique=False)


def _thread_messages() -> None:
    op.create_table(
        "thread_messages",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("first_case_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author_kind", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("attachments", JSON, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("executing_organisation_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["people.id"], name=op.f("fk_thread_messages_author_id_people"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_thread_messages_case_id_cases"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["executing_organisation_id"],
            ["organisations.id"],
            name=op.f("fk_thread_messages_executing_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_thread_messages_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name=op.f("fk_thread_messages_request_id_requests"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_thread_messages")),
        sa.UniqueConstraint("case_id", "external_id", name=op.f("uq_thread_messages_case_id_external_id")),
    )
    op.create_index("ix_thread_messages_case", "thread_messages", ["case_id", "id"], unique=False)
    op.create_index(
        op.f("ix_thread_messages_executing_organisation_id"),
        "thread_messages",
        ["executing_organisation_id"],
        unique=False,
    )
    op.create_index(op.f("ix_thread_messages_organisation_id"), "thread_messages", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_thread_messages_request_id"), "thread_messages", ["request_id"], unique=False)


def _thread_reads() -> None:
    op.create_table(
        "thread_reads",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("read_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name=op.f("fk_thread_reads_case_id_cases"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_thread_reads_organisation_id_organisations")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_thread_reads_person_id_people"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_thread_reads")),
        sa.UniqueConstraint("case_id", "person_id", name=op.f("uq_thread_reads_case_id_person_id")),
    )
    op.create_index(op.f("ix_thread_reads_organisation_id"), "thread_reads", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_thread_reads_person_id"), "thread_reads", ["person_id"], unique=False)
