"""The table of bursts: what fast sensors recorded, as it came, and what was read out of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Double, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned

WAITING = "waiting"  # stored, its features are not yet
READ = "read"  # its features are readings like any other
REFUSED = "refused"  # nothing could be read out of it, `reason` says why
BURST_STATES = (WAITING, READ, REFUSED)


class Burst(Identified, Owned, Base):
    """One recording of one measuring point. `content` is forgotten by retention, what was read out of it stays."""

    __tablename__ = "bursts"

    device_id: Mapped[UUID] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    point: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime]
    received_at: Mapped[datetime]
    sample_hz: Mapped[float] = mapped_column(Double)
    samples: Mapped[int]
    unit: Mapped[str] = mapped_column(Text)
    speed_hz: Mapped[float | None] = mapped_column(Double)
    digest: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[dict[str, Any] | None]  # {code, params}
    features: Mapped[dict[str, Any] | None]
    read_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("device_id", "name"),
        Index("ix_bursts_device", "device_id", "received_at"),
        Index("ix_bursts_waiting", "received_at", "id", postgresql_where=text("state = 'waiting'")),
        Index("ix_bursts_kept", "received_at", postgresql_where=text("content IS NOT NULL")),
    )
