"""Rules of notification, their channels, people's wishes, reminders, phones, calendar feeds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from assets.base.access import owned_policies
from assets.base.db import APP_ROLE, READER_ROLE, SERVICE_ROLE
from gateway.migrations.columns import JSON, TIME, key, primary

revision = "0029"
down_revision = "0028"

_ID = "id, organisation_id"
_RULES = "version, code, name, enabled, kinds, reminder, conditions, recipients, ways, templates, quiet, digest"
# Table -> what an analyst may read of it; without secrets and without what identifies people.
_TOLD = {
    "notification_rules": f"{_ID}, {_RULES}, critical, delay_s, again_s, created_at, changed_at, changed_by_id",
    "notification_channels": (
        f"{_ID}, version, name, purpose, service, language, enabled, created_at, delivered_at, failing_since"
    ),
    "notification_preferences": f"{_ID}, version, person_id, quiet, muted, digest",
    "notification_contacts": f"{_ID}, language, created_at, opted_out_at",
    "notification_reminders": f"{_ID}, rule_id, subject_kind, subject_id, date_at, due_at, state, told_at",
    "push_subscriptions": f"{_ID}, person_id, created_at, delivered_at, failures",
    "calendar_feeds": f"{_ID}, person_id, language, created_at, read_at",
}
_NEW = ("rule_id", "channel_id", "subject_kind", "subject_id", "address", "language", "texts", "dedupe_key")
_SAID = (
    f"{_ID}, rule_id, channel_id, person_id, episode_id, asset_id, event_id, subject_kind, subject_id, channel, "
    "language, code, critical, digest, created_at, state, tries, next_try_at, tried_at, sent_at, seen_at, read_at"
)


def upgrade() -> None:
    """Apply."""
    _rules()
    _channels()
    _wishes()
    _reminders()
    _phones()
    for table, columns in _TOLD.items():
        for statement in owned_policies(table):
            op.execute(sa.text(statement))
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {SERVICE_ROLE}, {APP_ROLE}")
        op.execute(f"GRANT SELECT ({columns}) ON {table} TO {READER_ROLE}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON push_keys TO {SERVICE_ROLE}")
    _notifications()
    # What happened before there were rules is told to nobody again.
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
    op.execute(
        "INSERT INTO consumer_cursors (name, xid, event_id, failures) "
        "SELECT 'notify.rules', xid, id, 0 FROM events ORDER BY xid DESC, id DESC LIMIT 1"
    )
    op.execute("RESET ROLE")


def downgrade() -> None:
    """Take back."""
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
    op.execute("DELETE FROM consumer_cursors WHERE name = 'notify.rules'")
    op.execute("DELETE FROM notifications WHERE person_id IS NULL OR event_id IS NULL")
    op.execute("RESET ROLE")
    for index in ("subject", "address", "sent", "unread"):
        op.drop_index(f"ix_notifications_{index}", "notifications")
    for column in (*_NEW, "critical", "digest", "tried_at", "seen_at", "read_at"):
        op.drop_column("notifications", column)
    op.alter_column("notifications", "person_id", nullable=False)
    op.alter_column("notifications", "event_id", nullable=False)
    op.execute(f"REVOKE SELECT ON notifications FROM {READER_ROLE}")
    op.execute(f"GRANT SELECT ON notifications TO {READER_ROLE}")
    op.drop_table("push_keys")
    for table in reversed(_TOLD):
        op.drop_table(table)


def _table(table: str, *columns: sa.Column[object] | sa.Constraint, of: bool = True) -> None:
    owner = sa.Column("organisation_id", sa.Uuid(), nullable=False)
    owned = (owner, key(table, "organisation_id", "organisations")) if of else ()
    op.create_table(table, *columns, sa.Column("id", sa.Uuid(), nullable=False), *owned, primary(table))
    if of:
        _index(table, "organisation_id")


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _text(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _uuid(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, TIME, nullable=nullable)


def _json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, JSON, nullable=nullable)


def _whole(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _flag(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _version() -> sa.Column[object]:
    return sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _rules() -> None:
    table = "notification_rules"
    _table(
        table,
        _text("code", nullable=True),
        _text("name"),
        _flag("enabled"),
        _json("kinds"),
        _json("reminder", nullable=True),
        *(_json(name) for name in ("conditions", "recipients", "ways", "templates")),
        *(_json(name, nullable=True) for name in ("quiet", "digest")),
        _flag("critical"),
        *(_whole(name) for name in ("delay_s", "again_s")),
        *(_time(name) for name in ("created_at", "changed_at")),
        _uuid("changed_by_id", nullable=True),
        _version(),
        key(table, "changed_by_id", "people", "SET NULL"),
        _unique(table, "organisation_id", "code"),
    )


def _channels() -> None:
    _table(
        "notification_channels",
        *(_text(name) for name in ("name", "purpose", "service", "url", "language")),
        _flag("enabled"),
        _time("created_at"),
        *(_time(name, nullable=True) for name in ("delivered_at", "failing_since")),
        _text("error", nullable=True),
        _version(),
        sa.CheckConstraint("purpose IN ('group', 'sms')", name=op.f("ck_notification_channels_known_purpose")),
    )


def _wishes() -> None:
    table = "notification_preferences"
    _table(
        table,
        _uuid("person_id"),
        _json("quiet", nullable=True),
        _json("muted"),
        _json("digest", nullable=True),
        _version(),
        key(table, "person_id", "people", "CASCADE"),
        _unique(table, "person_id"),
    )
    table = "notification_contacts"
    _table(
        table,
        *(_text(name) for name in ("address", "token")),
        _text("language", nullable=True),
        _time("created_at"),
        _time("opted_out_at", nullable=True),
        _unique(table, "token"),
        _unique(table, "organisation_id", "address"),
    )


def _reminders() -> None:
    table = "notification_reminders"
    _table(
        table,
        _uuid("rule_id"),
        _text("subject_kind"),
        _uuid("subject_id"),
        *(_time(name) for name in ("date_at", "due_at")),
        _text("state"),
        _time("told_at", nullable=True),
        key(table, "rule_id", "notification_rules", "CASCADE"),
        _unique(table, "rule_id", "subject_id"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(f"ix_{table}_due", table, ["due_at"], postgresql_where=waiting)


def _phones() -> None:
    _table("push_keys", _text("private_pem"), _text("public_key"), _time("created_at"), of=False)
    table = "push_subscriptions"
    _table(
        table,
        _uuid("person_id"),
        *(_text(name) for name in ("endpoint", "p256dh", "auth")),
        _text("device", nullable=True),
        _time("created_at"),
        _time("delivered_at", nullable=True),
        _whole("failures"),
        key(table, "person_id", "people", "CASCADE"),
        _unique(table, "endpoint"),
    )
    _index(table, "person_id")
    table = "calendar_feeds"
    _table(
        table,
        _uuid("person_id"),
        *(_text(name) for name in ("token_hash", "language")),
        _time("created_at"),
        _time("read_at", nullable=True),
        key(table, "person_id", "people", "CASCADE"),
        _unique(table, "person_id"),
        _unique(table, "token_hash"),
    )


def _notifications() -> None:
    table = "notifications"
    op.execute(f"REVOKE SELECT ON {table} FROM {READER_ROLE}")
    for column in (
        _uuid("rule_id", nullable=True),
        _uuid("channel_id", nullable=True),
        _text("subject_kind", nullable=True),
        _uuid("subject_id", nullable=True),
        _text("address", nullable=True),
        _text("language", nullable=True),
        _json("texts", nullable=True),
        _text("dedupe_key", nullable=True),
        *(
            sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)
            for name in ("critical", "digest")
        ),
        *(_time(name, nullable=True) for name in ("tried_at", "seen_at", "read_at")),
    ):
        op.add_column(table, column)
    # The log as it was: the owner of the tables sees no rows past their policies, the service does.
    op.execute(f"SET LOCAL ROLE {SERVICE_ROLE}")
    op.execute(f"UPDATE {table} SET dedupe_key = 'event:' || event_id || ':' || person_id || ':' || channel")
    op.execute(f"UPDATE {table} SET read_at = now(), seen_at = now() WHERE channel = 'page'")
    op.execute("RESET ROLE")
    op.alter_column(table, "dedupe_key", nullable=False)
    for name in ("person_id", "event_id"):
        op.alter_column(table, name, nullable=True)
    op.create_unique_constraint(op.f(f"uq_{table}_dedupe_key"), table, ["dedupe_key"])
    rules, channels = ("rule_id", "notification_rules", "SET NULL"), ("channel_id", "notification_channels", "CASCADE")
    for name, of, gone in (rules, channels):
        op.create_foreign_key(op.f(f"fk_{table}_{name}_{of}"), table, of, [name], ["id"], ondelete=gone)
        _index(table, name)
    op.create_index(f"ix_{table}_subject", table, ["subject_id"])
    outside = sa.text("address IS NOT NULL")
    op.create_index(f"ix_{table}_address", table, ["address", "created_at"], postgresql_where=outside)
    op.create_index(f"ix_{table}_sent", table, ["person_id", "sent_at"])
    unread = sa.text("channel = 'page' AND read_at IS NULL")
    op.create_index(f"ix_{table}_unread", table, ["person_id", "id"], postgresql_where=unread)
    op.execute(f"GRANT SELECT ({_SAID}) ON {table} TO {READER_ROLE}")
