"""Tables that hang on a work order: who helps, what it waits for, and what it took."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Numeric, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned


class WorkOrderPerson(Identified, Owned, Base):
    """Somebody who helps the assignee; everybody has visits and hours of their own."""

    __tablename__ = "work_order_people"

    work_order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    added_at: Mapped[datetime]
    added_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (UniqueConstraint("work_order_id", "person_id"),)


class WorkOrderBlock(Identified, Owned, Base):
    """`blocked_id` begins only when the work of `blocking_id` is done; no circle, `ticketing.order_blocks` sees to it.

    `cleared_at` says since when it is done. Whoever carries the blocked order out reads it here, for they may not see
    the other order.
    """

    __tablename__ = "work_order_blocks"

    blocked_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    blocking_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    cleared_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("blocked_id", "blocking_id"),
        CheckConstraint("blocked_id <> blocking_id", name="not_itself"),
    )


class WorkOrderLine(Identified, Versioned, Owned, Base):
    """Labour, travel or an expense of one person; parts and tools are lines of the stock ledger.

    `source` is `visit` for what was counted from a visit's own times, `person` for what somebody wrote down.
    """

    __tablename__ = "work_order_lines"

    work_order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("visits.id", ondelete="SET NULL"), index=True)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    day: Mapped[date] = mapped_column(index=True)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    minutes: Mapped[int | None]
    kilometres: Mapped[Decimal | None] = mapped_column(Numeric(9, 2))
    amount: Mapped[Decimal | None] = mapped_column(Numeric(14, 2))
    currency: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    evidence_ids: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))
    state: Mapped[str] = mapped_column(Text, default="recorded")
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    decision_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
