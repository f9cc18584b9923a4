"""Tables of the rollups: figures per stream and stretch of time, what has yet to be computed, how long is kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Double, ForeignKey, Index, Integer, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

import ingest.models  # noqa: F401  the streams that these tables refer to by name
from assets.base.db import Base, Identified, Owned

_NONE_DUE = text("'{}'")


class _Figures:
    """The figures of a stream's slots within one stretch of time that begins at `bucket` (UTC).

    Position = slot. `counts` are the good and uncertain readings; the figures are theirs, or of the bad ones where
    there are no others; `bads` counts the bad ones, None when there are none. Texts have counts and lasts only.
    No foreign key: it would lock the stream's row, which ingest updates all the time.
    """

    stream_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    counts: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    bads: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    mins: Mapped[list[float | None]] = mapped_column(ARRAY(Double))
    maxs: Mapped[list[float | None]] = mapped_column(ARRAY(Double))
    sums: Mapped[list[float | None]] = mapped_column(ARRAY(Double))
    lasts: Mapped[list[float | None]] = mapped_column(ARRAY(Double))


class MinuteRollup(_Figures, Base):
    """One minute."""

    __tablename__ = "rollups_1m"


class QuarterRollup(_Figures, Base):
    """A quarter of an hour."""

    __tablename__ = "rollups_15m"


class HourRollup(_Figures, Base):
    """One hour."""

    __tablename__ = "rollups_1h"


class DayRollup(_Figures, Base):
    """One day, UTC."""

    __tablename__ = "rollups_1d"


class RollupDue(Base):
    """Which stretches of a stream's time have to be computed (again) at each level, and what retention removed.

    `thin_…`: before this moment readings of that level may be missing, so that what is computed from them must not
    replace fuller figures.
    """

    __tablename__ = "rollup_due"

    stream_id: Mapped[int] = mapped_column(
        ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    due_1m: Mapped[list[Range[datetime]]] = mapped_column(TSTZMULTIRANGE, server_default=_NONE_DUE)
    due_15m: Mapped[list[Range[datetime]]] = mapped_column(TSTZMULTIRANGE, server_default=_NONE_DUE)
    due_1h: Mapped[list[Range[datetime]]] = mapped_column(TSTZMULTIRANGE, server_default=_NONE_DUE)
    due_1d: Mapped[list[Range[datetime]]] = mapped_column(TSTZMULTIRANGE, server_default=_NONE_DUE)
    ready_at: Mapped[datetime | None]  # when the first of these may be computed
    thin_raw: Mapped[datetime | None]
    thin_1m: Mapped[datetime | None]
    thin_15m: Mapped[datetime | None]
    thin_1h: Mapped[datetime | None]
    thin_1d: Mapped[datetime | None]

    # Room on the page: these rows change with every stretch, mostly without touching the index.
    __table_args__ = (Index("ix_rollup_due_ready_at", "ready_at"), {"postgresql_with": {"fillfactor": 50}})


class RollupCursor(Base):
    """Up to where the queue of stored batches was read."""

    __tablename__ = "rollup_cursors"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    xid: Mapped[int] = mapped_column(BigInteger)
    batch_id: Mapped[int] = mapped_column(BigInteger)


class RetentionPolicy(Identified, Owned, Base):
    """How long the metrics of one class are kept, in days; None: for ever.

    The first policy of an organisation (by `position`) that matches a metric counts, then those of its ancestors, the
    nearest first, then the defaults. `metric` is a pattern with * and ?, `kind` one of number, boolean, text.
    """

    __tablename__ = "retention_policies"

    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    metric: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str | None] = mapped_column(Text)
    raw_days: Mapped[int | None] = mapped_column(Integer)
    minute_days: Mapped[int | None] = mapped_column(Integer)
    quarter_days: Mapped[int | None] = mapped_column(Integer)
    hour_days: Mapped[int | None] = mapped_column(Integer)
    day_days: Mapped[int | None] = mapped_column(Integer)


class RetentionProgress(Base):
    """Up to when these slots of a stream's readings were forgotten; no slots: whole rows.

    `again_from`: readings older than that came late, and go in the next run.
    """

    __tablename__ = "retention_progress"

    stream_id: Mapped[int] = mapped_column(
        ForeignKey("streams.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    slots: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger), primary_key=True)
    until: Mapped[datetime]
    again_from: Mapped[datetime | None]
