"""Service reports and generated documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import executed_policies, owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.columns import JSON, TIME, key, primary

revision = "0027"
down_revision = "0026"

# Names stand in the facts, and who signed.
_TOLD = (
    "id, organisation_id, executing_organisation_id, template, subject_kind, subject_id, number, asset_id, revision, "
    "content_hash, files, event_id, created_at, signed_at, signature_file, mail_state, mail_tries, mail_next_at, "
    "mail_error"
)


def upgrade() -> None:
    """Apply."""
    _reports()
    _wishes()
    _rules()
    for statement in executed_policies("reports"):
        op.execute(sa.text(statement))
    for table in ("report_wishes", "document_rules"):
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON reports, report_wishes, document_rules TO {SERVICE_ROLE}")
    op.execute(f"GRANT SELECT ON reports TO {APP_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON document_rules TO {APP_ROLE}")
    op.execute(f"GRANT SELECT ({_TOLD}) ON reports TO {READER_ROLE}")
    op.execute(f"GRANT SELECT ON document_rules TO {READER_ROLE}")


def downgrade() -> None:
    """Take back."""
    for table in ("document_rules", "report_wishes", "reports"):
        op.drop_table(table)


def _reports() -> None:
    op.create_table(
        "reports",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("template", "subject_kind")),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("files", JSON, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("signed_name", sa.Text()),
        sa.Column("signed_at", TIME),
        sa.Column("signature_file", sa.Text()),
        sa.Column("mail_state", sa.Text(), server_default="none", nullable=False),
        sa.Column("mail_tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("mail_next_at", TIME),
        sa.Column("mail_error", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("executing_organisation_id", sa.Uuid()),
        key("reports", "asset_id", "assets", "CASCADE"),
        key("reports", "organisation_id", "organisations"),
        key("reports", "executing_organisation_id", "organisations"),
        sa.UniqueConstraint("subject_id", "template", "revision", name=op.f("uq_reports_subject_id_template_revision")),
        primary("reports"),
    )
    for column in ("asset_id", "organisation_id", "executing_organisation_id"):
        op.create_index(op.f(f"ix_reports_{column}"), "reports", [column])
    op.create_index("ix_reports_mail", "reports", ["mail_next_at"], postgresql_where=sa.text("mail_state = 'waiting'"))


def _wishes() -> None:
    op.create_table(
        "report_wishes",
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("template", "subject_kind")),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("languages", JSON, nullable=False),
        sa.Column("mail", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", TIME, nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("report_wishes", "organisation_id", "organisations"),
        sa.UniqueConstraint("event_id", "template", name=op.f("uq_report_wishes_event_id_template")),
        primary("report_wishes"),
    )
    op.create_index(op.f("ix_report_wishes_organisation_id"), "report_wishes", ["organisation_id"])
    op.create_index(
        "ix_report_wishes_waiting", "report_wishes", ["next_try_at"], postgresql_where=sa.text("state = 'waiting'")
    )


def _rules() -> None:
    op.create_table(
        "document_rules",
        sa.Column("template", sa.Text(), nullable=False),
        *(sa.Column(name, JSON, nullable=False) for name in ("moments", "languages")),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("mail", "enabled")),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key("document_rules", "organisation_id", "organisations"),
        sa.UniqueConstraint("organisation_id", "template", name=op.f("uq_document_rules_organisation_id_template")),
        primary("document_rules"),
    )
    op.create_index(op.f("ix_document_rules_organisation_id"), "document_rules", ["organisation_id"])
