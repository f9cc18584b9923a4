"""Tables of the ml room: what the detectors remember per asset, how far they have read, and labels."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class ScoringState(Owned, Base):
    """The detectors' state for one asset, plain arrays; `watermark` is the asset's own now."""

    __tablename__ = "scoring_states"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    model_id: Mapped[str] = mapped_column(Text)
    state: Mapped[bytes] = mapped_column(LargeBinary)
    watermark: Mapped[datetime]
    learning: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # What people did to the asset that its detectors have not been told of yet, see `ml.told`.
    untold: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    # Of what its devices told, events up to this time in batches up to this one have been told to its detectors.
    events_until: Mapped[datetime | None]
    events_xid: Mapped[int | None] = mapped_column(BigInteger)
    events_batch: Mapped[int | None] = mapped_column(BigInteger)
    # Rows that came after younger ones had been scored: their stretch, and when the last of them was met.
    late_from: Mapped[datetime | None]
    late_until: Mapped[datetime | None]
    late_noted_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class ScoringCursor(Base):
    """How far the scorer has read the ingested batches, in commit order."""

    __tablename__ = "scoring_cursors"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    xid: Mapped[int] = mapped_column(BigInteger, default=0)
    batch_id: Mapped[int] = mapped_column(BigInteger, default=0)


class Label(Identified, Owned, Base):
    """What a finished work order taught: outcome, and the stretch of time that it is about."""

    __tablename__ = "labels"

    work_order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), unique=True)
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    episode_id: Mapped[UUID | None] = mapped_column(ForeignKey("episodes.id", ondelete="SET NULL"))
    finding_id: Mapped[UUID | None] = mapped_column(ForeignKey("findings.id", ondelete="SET NULL"))
    kind: Mapped[str] = mapped_column(Text)  # of the order: machine, sensor, connection or general
    origin: Mapped[str] = mapped_column(Text)  # of the order: a finding, or somebody's report
    outcome: Mapped[str] = mapped_column(Text)
    repair_code: Mapped[str | None] = mapped_column(Text)
    detector: Mapped[str | None] = mapped_column(Text)
    signature: Mapped[str | None] = mapped_column(Text)
    regime: Mapped[str | None] = mapped_column(Text)
    model_id: Mapped[str | None] = mapped_column(Text)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_at: Mapped[datetime]
