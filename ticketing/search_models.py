"""The table of what cases, requests and work orders are found by."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class WorkSearchEntry(Identified, Owned, Base):
    """What a case, request or work order is found by, folded; kept by triggers. Each message of a thread has its own.

    The id is that of the row it was made from, `subject_id` what is found. An internal note (`inside`) belongs to the
    desk's organisation, so that customers have no entry with its words. Reached through functions of the service alone,
    as `search_entries` is.
    """

    __tablename__ = "work_search_entries"

    kind: Mapped[str] = mapped_column(Text)  # case, request or work_order
    subject_id: Mapped[UUID] = mapped_column(index=True)
    inside: Mapped[bool]
    number: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    grams: Mapped[list[str]] = mapped_column(ARRAY(Text))

    __table_args__ = (
        Index("ix_work_search_entries_newest", "kind", "subject_id"),
        Index("ix_work_search_entries_number", "number", postgresql_ops={"number": "text_pattern_ops"}),
        Index("ix_work_search_entries_grams", "grams", postgresql_using="gin"),
        Index(
            "ix_work_search_entries_words", "words", postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}
        ),
    )
