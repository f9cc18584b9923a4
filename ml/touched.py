"""Which assets the batches of a round have readings of, and from when to when."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

SMALL_LAG = timedelta(seconds=10)  # devices of one asset differ by so much; what they are late by is not gone over

# A stream measures whatever it is bound to at the time of the data.
_BOUND = text(
    "SELECT DISTINCT t.id, b.asset_id FROM streams t"
    " JOIN asset_bindings b ON b.device_id = t.device_id AND b.channel = t.channel WHERE t.id = ANY(:streams)"
)


class Span(NamedTuple):
    """A batch: from when to when its rows are, how many were stored, and which it is."""

    begin: datetime
    end: datetime
    rows: int
    batch: int


class Touched(NamedTuple):
    """Rows of an asset that came: from when to when, and whether they are a replay.

    `slowest` is how far the slowest of its devices has come: the others wait for it a little. `spans` are its
    batches.
    """

    since: datetime
    until: datetime
    replayed: bool
    slowest: datetime
    spans: frozenset[Span] = frozenset()

    def joined(self, other: Touched) -> Touched:
        """Both together."""
        replayed = self.replayed or other.replayed
        slowest = min(self.slowest, other.slowest)
        since, until = min(self.since, other.since), max(self.until, other.until)
        return Touched(since, until, replayed, slowest, self.spans | other.spans)

    def late_since(self, watermark: datetime, scored: Collection[datetime]) -> datetime | None:
        """Since when batches are older than this, but for those of which every row was `scored` all the same."""
        moments = sorted(scored)
        late = [span for span in self.spans if span.begin <= watermark]
        return min((span.begin for span in late if not _all_scored(span, late, moments)), default=None)

    def ready_until(self) -> datetime:
        """Return up to when to score now."""
        return self.until if self.replayed else max(self.slowest, self.until - SMALL_LAG)


def _all_scored(span: Span, late: Sequence[Span], moments: Sequence[datetime]) -> bool:
    """Are as many moments of its stretch scored as there are rows in the batches that touch it?"""
    rows = sum(other.rows for other in late if other.begin <= span.end and other.end >= span.begin)
    return bisect_right(moments, span.end) - bisect_left(moments, span.begin) >= rows


def touched_by(session: Session, batches: Iterable[Any]) -> dict[UUID, Touched]:
    """Return for each asset from when to when it has rows, and whether these are a replay."""
    streams: dict[int, Touched] = {}
    spans: dict[int, set[Span]] = {}
    for batch in batches:
        for stream in batch.stream_ids if batch.t_max else ():
            new = Touched(batch.t_min, batch.t_max, batch.lane == "replay", batch.t_max)
            both = new.joined(streams.get(stream, new))
            streams[stream] = both._replace(slowest=both.until)
            spans.setdefault(stream, set()).add(Span(batch.t_min, batch.t_max, batch.stored, batch.id))
    streams = {stream: each._replace(spans=frozenset(spans[stream])) for stream, each in streams.items()}
    assets: dict[UUID, Touched] = {}
    for stream, asset_id in session.execute(_BOUND, {"streams": list(streams)}):
        assets[asset_id] = streams[stream].joined(assets.get(asset_id, streams[stream]))
    return assets
