"""Tables of what is searched, and of saved filters."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned


class SearchEntry(Owned, Base):
    """What an asset is found by, folded; kept by triggers of the database. `grams`: pieces of one and two characters.

    Reached through `forewarn_search_assets` alone: an operator of the index is not leakproof, so that below row
    policies it would be asked after them, for every row.
    """

    __tablename__ = "search_entries"

    asset_id: Mapped[UUID] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    serial: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    grams: Mapped[list[str]] = mapped_column(ARRAY(Text))

    __table_args__ = (
        Index("ix_search_entries_serial", "serial", postgresql_ops={"serial": "text_pattern_ops"}),
        Index("ix_search_entries_name", "name", postgresql_ops={"name": "text_pattern_ops"}),
        Index("ix_search_entries_grams", "grams", postgresql_using="gin"),
        Index("ix_search_entries_words", "words", postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}),
    )


class SavedFilter(Identified, Owned, Base):
    """A list page's filters under a name; one person's own, or (shared) everybody's in the organisation."""

    __tablename__ = "saved_filters"

    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    page: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    query: Mapped[dict[str, Any]] = mapped_column(default=dict)
    shared: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
