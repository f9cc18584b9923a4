"""The ledger's tables: lots and serials, movements with their entries, balances, and late movements that wait."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned
from assets.stock.words import MONEY, QUANTITY


class StockLot(Identified, Owned, Base):
    """A lot of an item, with the receipt that it first came by."""

    __tablename__ = "stock_lots"

    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"), index=True)
    lot: Mapped[str] = mapped_column(Text)
    expires_on: Mapped[date | None]
    movement_id: Mapped[UUID | None]
    unit_cost: Mapped[Decimal | None] = mapped_column(MONEY)
    currency: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("organisation_id", "part_id", "lot"), Index("ix_stock_lots_lot", "lot"))


class StockSerial(Identified, Owned, Base):
    """One piece of an item: its condition, its receipt, and the asset that it is in (no key: assets may go)."""

    __tablename__ = "stock_serials"

    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"), index=True)
    serial: Mapped[str] = mapped_column(Text)
    lot_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_lots.id"), index=True)
    condition: Mapped[str] = mapped_column(Text, default="good")
    asset_id: Mapped[UUID | None] = mapped_column(index=True)
    movement_id: Mapped[UUID | None]
    unit_cost: Mapped[Decimal | None] = mapped_column(MONEY)
    currency: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __table_args__ = (
        UniqueConstraint("organisation_id", "part_id", "serial"),
        Index("ix_stock_serials_serial", "serial", "id"),
    )
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class StockMovement(Identified, Owned, Base):
    """One thing that was done with stock; append-only. What it names in other rooms it names without keys.

    `occurred_at` is when it was done, `received_at` when the server heard of it.
    """

    __tablename__ = "stock_movements"

    kind: Mapped[str] = mapped_column(Text)
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    offline: Mapped[bool] = mapped_column(default=False)
    operation_id: Mapped[UUID | None]
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    by_id: Mapped[UUID | None] = mapped_column(index=True)
    work_order_id: Mapped[UUID | None] = mapped_column(index=True)
    work_order_number: Mapped[str | None] = mapped_column(Text)
    asset_id: Mapped[UUID | None] = mapped_column(index=True)
    reference_kind: Mapped[str | None] = mapped_column(Text)
    reference_id: Mapped[UUID | None] = mapped_column(index=True)
    reference_number: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("organisation_id", "operation_id"),
        Index("ix_stock_movements_kind", "kind", "id"),
        Index("ix_stock_movements_occurred", "occurred_at"),
    )


class StockEntry(Identified, Owned, Base):
    """One side of a movement; append-only. Per movement, item, lot and serial the entries sum to zero."""

    __tablename__ = "stock_entries"

    movement_id: Mapped[UUID] = mapped_column(ForeignKey("stock_movements.id"), index=True)
    line: Mapped[int]
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"))
    location_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id"))
    lot_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_lots.id"), index=True)
    serial_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_serials.id"), index=True)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    unit_cost: Mapped[Decimal | None] = mapped_column(MONEY)
    currency: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("quantity <> 0", name="moves"),
        CheckConstraint("serial_id IS NULL OR abs(quantity) = 1", name="one_serial"),
        Index("ix_stock_entries_part", "part_id", "movement_id"),
        Index("ix_stock_entries_location", "location_id", "movement_id"),
    )


class StockBalance(Identified, Owned, Base):
    """How much is where; written by the trigger on entries alone. `floored`: a shelf, which never goes below zero."""

    __tablename__ = "stock_balances"

    location_id: Mapped[UUID] = mapped_column(ForeignKey("stock_locations.id"))
    part_id: Mapped[UUID] = mapped_column(ForeignKey("parts.id"))
    lot_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_lots.id"), index=True)
    serial_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_serials.id"), index=True)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    floored: Mapped[bool]
    updated_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("location_id", "part_id", "lot_id", "serial_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("NOT floored OR quantity >= 0", name="floor"),
        CheckConstraint("NOT floored OR serial_id IS NULL OR quantity <= 1", name="one_serial"),
        Index("ix_stock_balances_part", "part_id", "id"),
    )


class StockConflict(Identified, Owned, Base):
    """A movement made offline that could not be booked when it arrived: it waits for a storekeeper, whole."""

    __tablename__ = "stock_conflicts"

    operation_id: Mapped[UUID]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    operation: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    by_id: Mapped[UUID | None]
    code: Mapped[str] = mapped_column(Text)
    params: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(Text, default="open")
    resolved_at: Mapped[datetime | None]
    resolved_by_id: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(Text)
    movement_id: Mapped[UUID | None] = mapped_column(ForeignKey("stock_movements.id"), index=True)

    __table_args__ = (
        UniqueConstraint("organisation_id", "operation_id"),
        Index("ix_stock_conflicts_open", "id", postgresql_where=text("state = 'open'")),
    )
