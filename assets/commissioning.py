"""The commissioning checklist: what an asset model asks for before its assets go into service, and what was found."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class CommissioningAnswer(Identified, Owned, Base):
    """The newest answer to one point of the checklist; earlier ones stand on the timeline."""

    __tablename__ = "commissioning_answers"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Text)
    ok: Mapped[bool]
    value: Mapped[dict[str, Any] | None]  # {"value": number or text}
    note: Mapped[str | None] = mapped_column(Text)
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("asset_id", "key"),)
