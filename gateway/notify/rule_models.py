"""Tables of who is told of what: rules, channels, people's wishes, customers' addresses, reminders, phones, feeds."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned

_PERSON = "people.id"


class NotificationRule(Identified, Owned, Versioned, Base):
    """When who is told by which ways; holds for the organisation and all below it.

    `code` marks what the server itself put there: it may be changed and switched off, not removed. `kinds` are words of
    the event log; a rule with a `reminder` {subject, field, minutes, calendar_id, clock} has none and follows a date.
    """

    __tablename__ = "notification_rules"

    code: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=True)
    kinds: Mapped[list[Any]] = mapped_column(default=list)
    reminder: Mapped[dict[str, Any] | None]
    conditions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    recipients: Mapped[list[Any]] = mapped_column(default=list)
    ways: Mapped[list[Any]] = mapped_column(default=list)
    templates: Mapped[dict[str, Any]] = mapped_column(default=dict)
    quiet: Mapped[dict[str, Any] | None]
    digest: Mapped[dict[str, Any] | None]
    critical: Mapped[bool] = mapped_column(default=False)
    delay_s: Mapped[int] = mapped_column(default=0)
    again_s: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    changed_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"))

    __table_args__ = (UniqueConstraint("organisation_id", "code"),)


class NotificationChannel(Identified, Owned, Versioned, Base):
    """A group's channel, or the way to people's phones, as an apprise address. The address is a secret."""

    __tablename__ = "notification_channels"

    name: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    service: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text, default="en")
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (CheckConstraint("purpose IN ('group', 'sms')", name="known_purpose"),)


class NotificationPreference(Identified, Owned, Versioned, Base):
    """What one person wishes: hours of quiet in their zone, and ways that are switched off."""

    __tablename__ = "notification_preferences"

    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"), unique=True)
    quiet: Mapped[dict[str, Any] | None]
    muted: Mapped[list[Any]] = mapped_column(default=list)
    digest: Mapped[dict[str, Any] | None]


class NotificationContact(Identified, Owned, Base):
    """An address outside that was written to; its token opens the page where it is told to stop."""

    __tablename__ = "notification_contacts"

    address: Mapped[str] = mapped_column(Text)
    token: Mapped[str] = mapped_column(Text, unique=True)
    language: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    opted_out_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("organisation_id", "address"),)


class NotificationReminder(Identified, Owned, Base):
    """One date that a rule follows: `state` is waiting, told, cancelled or missed. It moves when the date moves."""

    __tablename__ = "notification_reminders"

    rule_id: Mapped[UUID] = mapped_column(ForeignKey("notification_rules.id", ondelete="CASCADE"))
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    date_at: Mapped[datetime]
    due_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(Text)
    told_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("rule_id", "subject_id"),
        Index("ix_notification_reminders_due", "due_at", postgresql_where=text("state = 'waiting'")),
    )


class PushKey(Identified, Base):
    """The server's own key for web push (VAPID), made once."""

    __tablename__ = "push_keys"

    private_pem: Mapped[str] = mapped_column(Text)
    public_key: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class PushSubscription(Identified, Owned, Base):
    """One browser of one person; `auth` and `p256dh` are the browser's half of the encryption."""

    __tablename__ = "push_subscriptions"

    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"), index=True)
    endpoint: Mapped[str] = mapped_column(Text, unique=True)
    p256dh: Mapped[str] = mapped_column(Text)
    auth: Mapped[str] = mapped_column(Text)
    device: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)


class CalendarFeed(Identified, Owned, Base):
    """The secret address of one person's calendar; only the hash of its token is kept."""

    __tablename__ = "calendar_feeds"

    person_id: Mapped[UUID] = mapped_column(ForeignKey(_PERSON, ondelete="CASCADE"), unique=True)
    token_hash: Mapped[str] = mapped_column(Text, unique=True)
    language: Mapped[str] = mapped_column(Text, default="en")
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
