"""Runs of imports and saved mappings: what was uploaded, what was found, what was stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from assets.base.db import Base, Identified, Owned

# uploaded: waits for somebody; waiting: for a worker; checked: a dry run ended without a fault; refused: faults, and
# nothing was stored; done: all is stored; failed: interrupted, by the server or by a row that cannot be stored after
# others were; its fault says how far it came.
STATES = ("uploaded", "waiting", "running", "checked", "refused", "done", "failed")
STARTABLE = frozenset({"uploaded", "checked", "refused", "failed"})


class ImportRun(Identified, Owned, Base):
    """One uploaded file on its way in. `content`: SHA-256 of the file in the file store.

    `columns`: [{index, heading, samples, field}]. `faults`: [{row, column, field, code, params}], the first 500.
    `progress_*` and counts are written while it runs.
    """

    __tablename__ = "import_runs"

    kind: Mapped[str] = mapped_column(Text)
    file_name: Mapped[str] = mapped_column(Text)
    content: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sheet: Mapped[str | None] = mapped_column(Text)
    sheets: Mapped[list[Any]] = mapped_column(default=list)
    heading_row: Mapped[int]
    columns: Mapped[list[Any]] = mapped_column(default=list)
    state: Mapped[str] = mapped_column(Text, default="uploaded")
    dry_run: Mapped[bool] = mapped_column(default=True)
    rows_total: Mapped[int | None]
    rows_done: Mapped[int] = mapped_column(default=0)
    inserted: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    faulty: Mapped[int] = mapped_column(default=0)
    fault_count: Mapped[int] = mapped_column(default=0)
    faults: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))

    __table_args__ = (
        Index("ix_import_runs_waiting", "created_at", postgresql_where=text("state IN ('waiting', 'running')")),
    )


class ImportMapping(Identified, Owned, Base):
    """A mapping kept by name. `columns`: heading -> field name, None for a column that is left out."""

    __tablename__ = "import_mappings"

    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    columns: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("organisation_id", "kind", "name"),)
