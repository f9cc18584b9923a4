"""Ways in: calls and mail, and the files that come with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import OWNED, VISIBLE, owned_policies, row_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.columns import JSON, TIME, key, primary

revision = "0030"
down_revision = "0029"

_TABLES = ("channels", "calls", "mail_messages", "case_files")
# Without secrets, numbers, addresses and what people wrote.
_TOLD = {
    "channels": "id, organisation_id, version, kind, name, enabled, created_at, heard_at, tried_at",
    "calls": "id, organisation_id, version, channel_id, direction, state, line, answered_by_id, customer_id, asset_id, "
    "case_id, callback, began_at, answered_at, ended_at, told_at",
    "mail_messages": "id, organisation_id, channel_id, direction, state, reason, case_id, request_id, "
    "thread_message_id, at, tries, next_try_at",
    "case_files": "id, organisation_id, executing_organisation_id, case_id, request_id, message_id, visibility, "
    "media_type, size_bytes, author_kind, author_id, at",
}
# As the messages of the thread: whoever does not see the case sees none of its files.
_FILE_READ = f"""
{OWNED} OR EXISTS (SELECT 1 FROM cases c WHERE c.id = case_files.case_id
  AND ((case_files.visibility = 'public' AND c.organisation_id = case_files.organisation_id)
    OR case_files.executing_organisation_id = ANY ({VISIBLE})))
"""
_FILE_INSERT = f"""
{OWNED} OR EXISTS (SELECT 1 FROM cases c WHERE c.id = case_files.case_id
  AND case_files.executing_organisation_id = ANY ({VISIBLE})
  AND case_files.organisation_id = CASE case_files.visibility
    WHEN 'public' THEN c.organisation_id ELSE c.desk_organisation_id END)
"""
# The last seven digits of the first number in a text: the same in every spelling of it, without an extension.
_TAIL = r"""
CREATE FUNCTION forewarn_phone_tail(said text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT nullif(right(regexp_replace(regexp_replace(normalize(said, NFKC),
    '([0-9)]\s*)(ext|x|转|轉|分机|分機|内线|內線|#|;|,|/|、|;ext).*$', '\1', 'i'), '[^0-9]', '', 'g'), 7), '')
$$
"""
# An order that came of a request before there were cases stands in the case of that request.
_CASES_OF_ORDERS = """
UPDATE work_orders w SET case_id = c.case_id FROM (
  SELECT DISTINCT ON (subject_id) subject_id, case_id, organisation_id FROM case_children
  WHERE kind = 'work_order' AND subject_id IS NOT NULL ORDER BY subject_id, opened_at, id) c
WHERE w.id = c.subject_id AND w.organisation_id = c.organisation_id AND w.case_id IS NULL
"""
_NUMBERS = (
    ("customers", "forewarn_phone_tail(phone)"),
    ("people", "forewarn_phone_tail(phone)"),
    ("requests", "forewarn_phone_tail(contact ->> 'phone')"),
)


def upgrade() -> None:
    """Apply."""
    for make in (_channels, _channel_deliveries, _calls, _mail_messages, _case_files):
        make()
    for table in ("channels", "channel_deliveries", "calls", "mail_messages"):
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
    for statement in row_policies("case_files", read=_FILE_READ, insert=_FILE_INSERT, update=OWNED, delete=OWNED):
        op.execute(sa.text(statement))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(_TABLES)} TO {SERVICE_ROLE}, {APP_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON channel_deliveries TO {SERVICE_ROLE}")
    for table, columns in _TOLD.items():
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {READER_ROLE}")
    op.add_column("cases", sa.Column("approved_stage", sa.Text()))
    op.execute(f"GRANT SELECT (approved_stage) ON cases TO {READER_ROLE}")
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")  # the row policies show the login role nobody's rows
    op.execute(_CASES_OF_ORDERS)
    op.execute("RESET ROLE")
    op.execute(_TAIL)
    for table, number in _NUMBERS:
        op.execute(f"CREATE INDEX ix_{table}_phone_tail ON {table} ({number})")


def downgrade() -> None:
    """Take back."""
    for table, _ in _NUMBERS:
        op.execute(f"DROP INDEX ix_{table}_phone_tail")
    op.execute("DROP FUNCTION forewarn_phone_tail(text)")
    op.drop_column("cases", "approved_stage")
    for table in ("case_files", "mail_messages", "calls", "channel_deliveries", "channels"):
        op.drop_table(table)


def _channels() -> None:
    table = "channels"
    op.create_table(
        table,
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text()),
        sa.Column("previous_until", TIME),
        sa.Column("password", sa.Text()),
        sa.Column("progress", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("heard_at", TIME),
        sa.Column("tried_at", TIME),
        sa.Column("error", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key(table, "organisation_id", "organisations"),
        primary(table),
    )
    for column in ("organisation_id",):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _channel_deliveries() -> None:
    table = "channel_deliveries"
    op.create_table(
        table,
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key(table, "channel_id", "channels", "CASCADE"),
        key(table, "organisation_id", "organisations"),
        sa.UniqueConstraint("channel_id", "delivery", name=op.f("uq_channel_deliveries_channel_id_delivery")),
        primary(table),
    )
    for column in (
        "received_at",
        "organisation_id",
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _calls() -> None:
    table = "calls"
    op.create_table(
        table,
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number", sa.Text()),
        sa.Column("e164", sa.Text()),
        sa.Column("line", sa.Text()),
        sa.Column("agent", sa.Text()),
        sa.Column("answered_by_id", sa.Uuid()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("asset_id", sa.Uuid()),
        sa.Column("case_id", sa.Uuid()),
        sa.Column("callback", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("recording_url", sa.Text()),
        sa.Column("began_at", TIME, nullable=False),
        sa.Column("answered_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("told_at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        key(table, "customer_id", "customers", "SET NULL"),
        key(table, "channel_id", "channels", "CASCADE"),
        key(table, "answered_by_id", "people", "SET NULL"),
        key(table, "asset_id", "assets", "SET NULL"),
        key(table, "case_id", "cases", "SET NULL"),
        key(table, "organisation_id", "organisations"),
        sa.UniqueConstraint("channel_id", "external_id", name=op.f("uq_calls_channel_id_external_id")),
        primary(table),
    )
    for column in (
        "answered_by_id",
        "customer_id",
        "asset_id",
        "case_id",
        "organisation_id",
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    newest: list[str | sa.TextClause] = ["organisation_id", "e164", sa.text("began_at DESC")]
    op.create_index("ix_calls_e164", table, newest)


def _mail_messages() -> None:
    table = "mail_messages"
    op.create_table(
        table,
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("in_reply_to", sa.Text()),
        sa.Column("references", JSON, nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("folded", sa.Text()),
        sa.Column("case_id", sa.Uuid()),
        sa.Column("request_id", sa.Uuid()),
        sa.Column("thread_message_id", sa.Uuid()),
        sa.Column("at", TIME, nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", TIME),
        sa.Column("error", sa.Text()),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key(table, "organisation_id", "organisations"),
        key(table, "channel_id", "channels", "CASCADE"),
        key(table, "case_id", "cases", "SET NULL"),
        key(table, "request_id", "requests", "SET NULL"),
        key(table, "thread_message_id", "thread_messages", "SET NULL"),
        sa.UniqueConstraint("channel_id", "message_id", name=op.f("uq_mail_messages_channel_id_message_id")),
        primary(table),
    )
    for column in (
        "case_id",
        "request_id",
        "thread_message_id",
        "organisation_id",
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    op.create_index("ix_mail_messages_message", table, ["message_id"])
    op.create_index("ix_mail_messages_address", table, ["channel_id", "address", "at"])
    waiting = sa.text("state = 'waiting'")
    op.create_index("ix_mail_messages_waiting", table, ["next_try_at"], postgresql_where=waiting)


def _case_files() -> None:
    table = "case_files"
    op.create_table(
        table,
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid()),
        sa.Column("message_id", sa.Uuid()),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("thumbnail", sa.Text()),
        sa.Column("author_kind", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid()),
        sa.Column("at", TIME, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("executing_organisation_id", sa.Uuid()),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        key(table, "case_id", "cases", "CASCADE"),
        key(table, "request_id", "requests", "SET NULL"),
        key(table, "organisation_id", "organisations"),
        key(table, "message_id", "thread_messages", "SET NULL"),
        key(table, "author_id", "people", "SET NULL"),
        key(table, "executing_organisation_id", "organisations"),
        primary(table),
    )
    for column in (
        "case_id",
        "request_id",
        "message_id",
        "content",
        "author_id",
        "executing_organisation_id",
        "organisation_id",
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
