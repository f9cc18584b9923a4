"""The tables of webhooks: where events are sent, and what became of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned


class WebhookEndpoint(Identified, Owned, Versioned, Base):
    """An address that hears of events; `from_xid`: what was written before the endpoint was made is not sent."""

    __tablename__ = "webhook_endpoints"

    name: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    kinds: Mapped[list[Any]]
    enabled: Mapped[bool] = mapped_column(default=True)
    secret: Mapped[str] = mapped_column(Text)
    previous_secret: Mapped[str | None] = mapped_column(Text)
    previous_until: Mapped[datetime | None]
    rounds: Mapped[int] = mapped_column(default=0)  # how often something was sent again on demand
    from_xid: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text::bigint)"))
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]  # by the server, after days of failure


class WebhookDelivery(Identified, Owned, Base):
    """One event for one endpoint; `state` is waiting, sent or failed. Round 0 is the first; replays count on."""

    __tablename__ = "webhook_deliveries"

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    event_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    round: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(Text)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    status: Mapped[int | None]
    took_ms: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id", "round"),
        Index("ix_webhook_deliveries_newest", "endpoint_id", text("created_at DESC"), text("id DESC")),
        Index("ix_webhook_deliveries_waiting", "next_try_at", postgresql_where=text("state = 'waiting'")),
    )
