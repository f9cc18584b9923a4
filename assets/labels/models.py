"""Tables of labels: each printed code, what it is attached to, and the keys that sign codes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class Label(Identified, Owned, Base):
    """A printed code: free until somebody attaches it to an asset; a revoked one leads nowhere."""

    __tablename__ = "printed_labels"

    code: Mapped[str] = mapped_column(Text, unique=True)
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    bound_at: Mapped[datetime | None]
    bound_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(Text)


class LabelKey(Identified, Base):
    """A secret that signs codes; all of them are tried, the newest signs."""

    __tablename__ = "label_keys"

    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
