"""Tables of mappings: how messages on any topic become readings, and the last messages that each has heard."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class Mapping(Identified, Owned, Base):
    """Reads the topics of one filter by declared rules. Its device is its broker account and owns what it stores."""

    __tablename__ = "mappings"

    name: Mapped[str] = mapped_column(Text)
    topic_filter: Mapped[str] = mapped_column(Text)
    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"), unique=True)
    rules: Mapped[dict[str, Any]]
    enabled: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    last_received_at: Mapped[datetime | None]
    received: Mapped[int] = mapped_column(BigInteger, default=0)
    stored: Mapped[int] = mapped_column(BigInteger, default=0)
    problems: Mapped[int] = mapped_column(BigInteger, default=0)


class HeardMessage(Owned, Base):
    """One of the last messages of a mapping's topics, kept to try rules on; a few per mapping, the oldest go."""

    __tablename__ = "mapping_messages"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    mapping_id: Mapped[UUID] = mapped_column(ForeignKey("mappings.id", ondelete="CASCADE"), index=True)
    topic: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime]
