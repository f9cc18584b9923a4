"""Tables of the ways in: channels, what they have sent already, calls and mails."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned
from assets.people import Person
from assets.registry import Customer
from ticketing.models import Request

_PERSON = "people.id"


class Channel(Identified, Owned, Versioned, Base):
    """One telephone system or one mailbox of an organisation; `kind` is phone or mail.

    `settings`: how numbers are written, or where the mailbox is. `progress`: how far the mailbox has been read.
    """

    __tablename__ = "channels"

    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=True)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    secret: Mapped[str] = mapped_column(Text)
    previous_secret: Mapped[str | None] = mapped_column(Text)
    previous_until: Mapped[datetime | None]
    password: Mapped[str | None] = mapped_column(Text)  # of the mailbox
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    heard_at: Mapped[datetime | None]  # last time that something came in
    tried_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)


class ChannelDelivery(Identified, Owned, Base):
    """A signed message that was taken; the same id again does nothing. Forgotten once its signature is too old."""

    __tablename__ = "channel_deliveries"

    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"))
    delivery: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (UniqueConstraint("channel_id", "delivery"),)


class Call(Identified, Owned, Versioned, Base):
    """One telephone call; the telephone system's own id makes it one however often it is told. `number` is personal.

    `e164` is the number as all spellings of it come out, None for a withheld one.
    """

    __tablename__ = "calls"

    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(Text)
    direction: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    number: Mapped[str | None] = mapped_column(Text)
    e164: Mapped[str | None] = mapped_column(Text)
    line: Mapped[str | None] = mapped_column(Text)  # which of the organisation's numbers was called
    agent: Mapped[str | None] = mapped_column(Text)  # as the telephone system calls whoever answered
    answered_by_id: Mapped[UUID | None] = mapped_column(ForeignKey(_PERSON, ondelete="SET NULL"), index=True)
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"), index=True)
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="SET NULL"), index=True)
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id", ondelete="SET NULL"), index=True)
    callback: Mapped[bool] = mapped_column(default=False, server_default=sql("false"))  # its case asks to call back
    note: Mapped[str | None] = mapped_column(Text)
    recording_url: Mapped[str | None] = mapped_column(Text)
    began_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    told_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("channel_id", "external_id"),
        Index("ix_calls_e164", "organisation_id", "e164", sql("began_at DESC")),
    )


class MailMessage(Identified, Owned, Base):
    """One mail that came in, or goes out. `state`: taken, ignored, refused; waiting, sent, failed, bounced.

    What it said stands in the thread; here is what threads it, and `folded`: what it quoted, and its signature.
    """

    __tablename__ = "mail_messages"

    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"))
    direction: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    message_id: Mapped[str] = mapped_column(Text)
    in_reply_to: Mapped[str | None] = mapped_column(Text)
    references: Mapped[list[Any]] = mapped_column(default=list)
    address: Mapped[str | None] = mapped_column(Text)  # the other side's
    name: Mapped[str | None] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(Text)
    folded: Mapped[str | None] = mapped_column(Text)
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id", ondelete="SET NULL"), index=True)
    request_id: Mapped[UUID | None] = mapped_column(ForeignKey("requests.id", ondelete="SET NULL"), index=True)
    thread_message_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("thread_messages.id", ondelete="SET NULL"), index=True
    )
    at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0, server_default=sql("0"))
    next_try_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("channel_id", "message_id"),
        Index("ix_mail_messages_message", "message_id"),
        Index("ix_mail_messages_address", "channel_id", "address", "at"),
        Index("ix_mail_messages_waiting", "next_try_at", postgresql_where=sql("state = 'waiting'")),
    )


# Who calls is looked for by the last digits, which are the same in every spelling of a number.
Index("ix_customers_phone_tail", func.forewarn_phone_tail(Customer.phone))
Index("ix_people_phone_tail", func.forewarn_phone_tail(Person.phone))
Index("ix_requests_phone_tail", func.forewarn_phone_tail(Request.contact["phone"].astext))
