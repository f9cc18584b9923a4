"""Tables of meters: counters and gauges of assets, and every reading that was taken of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned


class Meter(Identified, Owned, Versioned, Base):
    """Something on an asset that counts up (kind 'counter') or shows a level (kind 'gauge').

    `rollover_at`: the value at which a counter begins at 0 again. `metric`: telemetry that feeds it. `value`, `total`
    and `read_at` are of its newest reading. `refused_*`: what telemetry showed that cannot be, until a person tells
    what happened. `fed_until`: how far telemetry has been read.
    """

    __tablename__ = "meters"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    metric: Mapped[str | None] = mapped_column(Text)
    rollover_at: Mapped[float | None]
    value: Mapped[float | None]
    total: Mapped[float | None]
    read_at: Mapped[datetime | None]
    refused_value: Mapped[float | None]
    refused_at: Mapped[datetime | None]
    refused_reason: Mapped[str | None] = mapped_column(Text)
    fed_until: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("asset_id", "name"),
        Index("ix_meters_fed", "metric", postgresql_where=text("metric IS NOT NULL AND archived_at IS NULL")),
    )


class MeterReading(Identified, Owned, Base):
    """What the meter showed at a moment. `total` counts on through rollovers, resets and replacements.

    `kind`: reading, rollover (the counter began at 0 again since the last one), reset (it began anew for a `reason`) or
    replacement (`value` is the old one's last, `initial_value` the new one's first). With `corrects_id` it stands in
    for another row, which is superseded and stays to be seen.
    """

    __tablename__ = "meter_readings"

    meter_id: Mapped[UUID] = mapped_column(ForeignKey("meters.id", ondelete="CASCADE"))
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    value: Mapped[float]
    initial_value: Mapped[float | None]
    total: Mapped[float]
    kind: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    work_order_id: Mapped[UUID | None]
    corrects_id: Mapped[UUID | None] = mapped_column(ForeignKey("meter_readings.id", ondelete="CASCADE"))
    superseded_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("uq_meter_readings_at", "meter_id", "at", unique=True, postgresql_where=text("superseded_at IS NULL")),
        Index("ix_meter_readings_corrects", "corrects_id"),
    )
