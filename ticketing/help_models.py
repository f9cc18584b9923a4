"""Table of calls from the field: somebody needs help, or parts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Executed, Identified, Versioned


class HelpRequest(Identified, Executed, Versioned, Base):
    """Help or parts, asked for from a work order; `opened_at` is when it was asked, `received_at` when it arrived."""

    __tablename__ = "help_requests"

    work_order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    visit_id: Mapped[UUID | None] = mapped_column(ForeignKey("visits.id", ondelete="SET NULL"))
    what: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    lines: Mapped[list[Any]] = mapped_column(default=list, server_default=sql("'[]'::jsonb"))
    urgent: Mapped[bool] = mapped_column(default=False, server_default=sql("false"))
    state: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime]
    received_at: Mapped[datetime]
    opened_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    taken_at: Mapped[datetime | None]
    taken_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    done_at: Mapped[datetime | None]
    done_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    answer: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_help_requests_open", "state", "id", postgresql_where=sql("state IN ('open', 'taken')")),
    )
