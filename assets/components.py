"""As installed: which part, by its serial number, was in which asset from when to when."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned

DEPTH = 20  # plant, area, line, unit, machine, part …: deeper is a mistake, and a loop would never end


class Component(Identified, Owned, Base):
    """A part was in an asset in [valid_from, valid_to): another asset, or an item known by number and serial.

    One asset, and one (item number, serial), is in one place at a time; a named place holds one part at a time. No
    foreign keys for parts, movements and work orders: parts of assets are known before and without any stock.
    """

    __tablename__ = "components"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    child_asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    part_id: Mapped[UUID | None]
    movement_id: Mapped[UUID | None]
    item_number: Mapped[str | None] = mapped_column(Text)
    serial: Mapped[str | None] = mapped_column(Text)
    lot: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    quantity: Mapped[float] = mapped_column(default=1.0)
    place: Mapped[str | None] = mapped_column(Text)
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    installed_work_order_id: Mapped[UUID | None]
    removed_work_order_id: Mapped[UUID | None]
    removed_reason: Mapped[str | None] = mapped_column(Text)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (
        Index("ix_components_asset", "asset_id", "valid_from"),
        Index("ix_components_child", "child_asset_id", "valid_from"),
        Index("ix_components_movement", "movement_id"),
        Index("ix_components_serial", "organisation_id", "serial"),
    )
