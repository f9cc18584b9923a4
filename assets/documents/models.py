"""Tables of documents: what they are about, and each revision of their file."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned, Versioned

KINDS = ("manual", "drawing", "certificate", "photo", "report", "floor_plan", "other")


class Document(Identified, Owned, Versioned, Base):
    """A document of one asset, of all assets of a model, or of a site. `public`: shown on the customer's page."""

    __tablename__ = "documents"

    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    asset_model_id: Mapped[UUID | None] = mapped_column(ForeignKey("asset_models.id", ondelete="CASCADE"), index=True)
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    public: Mapped[bool] = mapped_column(default=False)
    latest: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]

    # At most one: the rows of a deleted site are gone with it, never left over as everybody's.
    __table_args__ = (CheckConstraint("num_nonnulls(asset_id, asset_model_id, site_id) <= 1", name="about_one"),)


class DocumentRevision(Identified, Owned, Base):
    """One revision of a document's file; `content` is its SHA-256, under which the file store has it."""

    __tablename__ = "document_revisions"

    document_id: Mapped[UUID] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    revision: Mapped[int]
    file_name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[str] = mapped_column(Text, index=True)
    thumbnail: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (UniqueConstraint("document_id", "revision"),)
