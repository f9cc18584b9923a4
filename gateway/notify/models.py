"""The table of notifications: who is told what by which way, whether it went out, and whether it was read."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned

PAGE, EMAIL, SMS, PUSH, CHAT = "page", "email", "sms", "push", "chat"
WAYS = (PAGE, EMAIL, SMS, PUSH, CHAT)


class Notification(Identified, Owned, Base):
    """One message by one way: to a person, to a customer's address, or into a group's channel.

    `state` is waiting, sent, failed (given up, with the reason) or cancelled. While it is being sent `next_try_at` is
    the end of the sender's lease. `dedupe_key` is what it is about and for whom: the same is told once, whoever asks.
    `texts` is what it says, {en, zh: {subject, body}}, as it was when it was written; without it `code` has the words.
    """

    __tablename__ = "notifications"

    rule_id: Mapped[UUID | None] = mapped_column(ForeignKey("notification_rules.id", ondelete="SET NULL"), index=True)
    channel_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("notification_channels.id", ondelete="CASCADE"), index=True
    )
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    episode_id: Mapped[UUID | None] = mapped_column(ForeignKey("episodes.id", ondelete="CASCADE"), index=True)
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    subject_kind: Mapped[str | None] = mapped_column(Text)
    subject_id: Mapped[UUID | None]
    channel: Mapped[str] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)  # of a customer; a person's is looked up when sending
    language: Mapped[str | None] = mapped_column(Text)  # None: the person's own; of a customer, both
    code: Mapped[str] = mapped_column(Text)
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    texts: Mapped[dict[str, Any] | None]
    dedupe_key: Mapped[str] = mapped_column(Text, unique=True)
    critical: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    digest: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(Text)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)
    seen_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("event_id", "person_id", "channel"),
        Index("ix_notifications_waiting", "next_try_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_notifications_subject", "subject_id"),
        Index("ix_notifications_address", "address", "created_at", postgresql_where=text("address IS NOT NULL")),
        Index("ix_notifications_sent", "person_id", "sent_at"),
        Index(
            "ix_notifications_unread",
            "person_id",
            "id",
            postgresql_where=text("channel = 'page' AND read_at IS NULL"),
        ),
    )
