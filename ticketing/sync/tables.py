"""The log of operations that phones sent, with what became of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned

DECIDED = ("applied", "refused", "conflict")


class SyncOperation(Identified, Owned, Base):
    """One operation under its phone's own id; it belongs to the organisation of whoever did it.

    `happened_at` is its moment on the server's clock, `made_at` on the phone's. `held` is no decision: it waits for the
    phone to send it again. `seen_at`: a person looked at one that was not applied.
    """

    __tablename__ = "sync_operations"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    device: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID]
    work_order_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    base_version: Mapped[int | None]
    made_at: Mapped[datetime]
    clock_offset_ms: Mapped[int | None] = mapped_column(BigInteger)
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(Text)
    result: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'::jsonb"))
    seen_at: Mapped[datetime | None]
    seen_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (
        Index("ix_sync_operations_person", "person_id", "id"),
        Index("ix_sync_operations_subject", "subject_id", "id"),
        Index("ix_sync_operations_work_order", "work_order_id", "id"),
        Index("ix_sync_operations_open", "id", postgresql_where=text("state <> 'applied' AND seen_at IS NULL")),
    )
