"""Tables of evidence: photos while they come and once they are whole, and signatures under reports."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Executed, Identified

STATES = ("waiting", "kept", "refused", "removed")
SUBJECTS = ("work_order", "visit", "case")


class Evidence(Identified, Executed, Base):
    """One photo. The id is its phone's own; `content` is the SHA-256 that the server counted, once all of it is there.

    What the phone says (time, place) stands beside what the file says of itself (exif_…); `differs` names what does
    not agree. `picture` and `thumbnail` are shrunk and know no place. Customers see it when it is `public`.
    """

    __tablename__ = "evidence"

    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID] = mapped_column(index=True)
    work_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    asset_id: Mapped[UUID | None] = mapped_column(index=True)
    run_id: Mapped[UUID | None]
    step_key: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    file_name: Mapped[str | None] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    received_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    declared_sha256: Mapped[str] = mapped_column(Text)
    content: Mapped[str | None] = mapped_column(Text, index=True)
    picture: Mapped[str | None] = mapped_column(Text, index=True)
    thumbnail: Mapped[str | None] = mapped_column(Text, index=True)
    media_type: Mapped[str | None] = mapped_column(Text)
    width: Mapped[int | None]
    height: Mapped[int | None]
    captured_at: Mapped[datetime]
    latitude_deg: Mapped[float | None]
    longitude_deg: Mapped[float | None]
    accuracy_m: Mapped[float | None]
    exif_captured_at: Mapped[str | None] = mapped_column(Text)  # as the camera wrote it: often without a zone
    exif_latitude_deg: Mapped[float | None]
    exif_longitude_deg: Mapped[float | None]
    differs: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'::jsonb"))
    caption: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    public: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    received_at: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(Text)
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    removed_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("received_bytes >= 0 AND received_bytes <= size_bytes", name="so_far"),
        Index("ix_evidence_waiting", "created_at", postgresql_where=text("state = 'waiting'")),
    )


class EvidenceChunk(Identified, Executed, Base):
    """A piece of a photo that is still coming; whichever machine it arrives at, the next one goes on from there."""

    __tablename__ = "evidence_chunks"

    evidence_id: Mapped[UUID] = mapped_column(ForeignKey("evidence.id", ondelete="CASCADE"))
    start: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (UniqueConstraint("evidence_id", "start"),)


class Signature(Identified, Executed, Base):
    """Who signed which content of which report; `picture` is the SHA-256 of the drawn name."""

    __tablename__ = "signatures"

    report_id: Mapped[UUID] = mapped_column(ForeignKey("reports.id", ondelete="CASCADE"), index=True)
    work_order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id", ondelete="CASCADE"), index=True)
    content_hash: Mapped[str] = mapped_column(Text)
    revision: Mapped[int]
    name: Mapped[str] = mapped_column(Text)
    picture: Mapped[str | None] = mapped_column(Text, index=True)
    signed_at: Mapped[datetime]
    received_at: Mapped[datetime]
    taken_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
