"""A stretch of one metric of an asset: from the rollups where they are true, from the readings where they are not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.conversion import Conversion, conversion
from assets.base.db import APP_ROLE
from assets.base.errors import Invalid
from ingest.store.read import Source, samples_table, sources_of
from ingest.store.rollup_schema import LEVELS
from ingest.store.spans import Known, Part, Span, after, parts_of, widen

MAX_POINTS = 5000
# With fewer readings in the stretch, buckets of a few minutes come from them, at exactly the wanted width.
RAW_ROWS = 50_000
RAW_BUCKET_S = 240.0
QUEUE_ROWS = 100_000  # of ingest's queue beyond the rollups: 50 ms. With more the worker is far behind, see `_unread`
WIDTHS_US = (1, *(level.seconds * 1_000_000 for level in LEVELS))
Resolution = Literal["raw", "1m", "15m", "1h", "1d"]
_RESOLUTIONS: tuple[Resolution, ...] = ("raw", "1m", "15m", "1h", "1d")
SAME = Conversion(1.0, 0.0)
_NEVER = -(1 << 62)
_EVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket; `t` is its beginning.

    Figures are those of the good and uncertain readings, `count` of them, or of the bad ones where there are no
    others. `bad` counts the bad ones. Of a text metric all figures are the last one's code.
    """

    t: datetime
    min: float
    max: float
    mean: float
    count: int
    last: float
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A downsampled stretch of one metric; a text metric has the names of its codes in `states`.

    `resolution` is what the buckets are made of: readings ("raw") or rollups of that size.
    """

    metric: str
    unit: str | None
    kind: str
    states: tuple[str, ...]
    bucket_s: float
    resolution: Resolution
    points: list[Point]


@dataclass(slots=True)
class _Sum:
    """What is known of one bucket, from several parts."""

    good: int
    bad: int
    low: float
    high: float
    total: float
    last: float
    last_at: datetime

    def add(self, other: _Sum) -> None:
        """Good readings make the figures; bad ones only where there are no others."""
        good, bad = self.good + other.good, self.bad + other.bad
        if bool(self.good) == bool(other.good):
            newer = other if other.last_at >= self.last_at else self
            self.low, self.high = min(self.low, other.low), max(self.high, other.high)
            self.total += other.total
            self.last, self.last_at = newer.last, newer.last_at
        elif other.good:
            self.low, self.high, self.total = other.low, other.high, other.total
            self.last, self.last_at = other.last, other.last_at
        self.good, self.bad = good, bad

    def convert(self, to: Conversion) -> None:
        """Express the figures in another unit."""
        self.low, self.high, self.last = to(self.low), to(self.high), to(self.last)
        self.total = self.total * to.factor + to.offset * (self.good or self.bad)


_RAW = """
SELECT date_bin(make_interval(secs => :bucket), measured_at, :origin),
       count(*) FILTER (WHERE NOT bad), count(*) FILTER (WHERE bad),
       coalesce(min(v) FILTER (WHERE NOT bad), min(v)), coalesce(max(v) FILTER (WHERE NOT bad), max(v)),
       coalesce(sum(least(greatest(v, -1e290), 1e290)) FILTER (WHERE NOT bad), sum(least(greatest(v, -1e290), 1e290))),
       (array_agg(v ORDER BY bad, measured_at DESC))[1], max(measured_at)
FROM unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[])) AS w(lo, hi)
CROSS JOIN LATERAL (
  SELECT measured_at, s.values[CAST(:slot AS int)] AS v, coalesce(s.quality[CAST(:slot AS int)], 0) = 2 AS bad
  FROM {table} s WHERE s.stream_id = :stream AND s.measured_at >= w.lo AND s.measured_at < w.hi OFFSET 0) AS s
WHERE v IS NOT NULL GROUP BY 1
"""
_ROLLED = """
SELECT date_bin(make_interval(secs => :bucket), bucket, :origin), sum(c), sum(b),
       coalesce(min(mn) FILTER (WHERE c > 0), min(mn)), coalesce(max(mx) FILTER (WHERE c > 0), max(mx)),
       coalesce(sum(su) FILTER (WHERE c > 0), sum(su)), (array_agg(la ORDER BY c > 0 DESC, bucket DESC))[1], max(bucket)
FROM unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[])) AS w(lo, hi)
CROSS JOIN LATERAL (
  SELECT bucket, s.counts[CAST(:slot AS int)] AS c, coalesce(s.bads[CAST(:slot AS int)], 0) AS b,
         s.mins[CAST(:slot AS int)] AS mn, s.maxs[CAST(:slot AS int)] AS mx, s.sums[CAST(:slot AS int)] AS su,
         s.lasts[CAST(:slot AS int)] AS la
  FROM {table} s WHERE s.stream_id = :stream AND s.bucket >= w.lo AND s.bucket < w.hi OFFSET 0) AS s
WHERE c + b > 0 GROUP BY 1
"""
_FEW = """
SELECT count(*) FROM (
  SELECT FROM {table} WHERE stream_id = :stream AND measured_at >= :since AND measured_at < :until LIMIT :limit) AS few
"""
_DUE = """
SELECT due_1m, due_15m, due_1h, due_1d, thin_raw, thin_1m, thin_15m, thin_1h, thin_1d
FROM {table} WHERE stream_id = :stream
"""
_FORGOTTEN = "SELECT max(until) FROM {table} WHERE stream_id = :stream AND (slots = '{{}}' OR :slot = ANY (slots))"
_UNREAD = """
SELECT count(*), min(received_at), array_agg(t_min) FILTER (WHERE mine), array_agg(t_max) FILTER (WHERE mine)
FROM (SELECT received_at, t_min, t_max, t_max IS NOT NULL AND :stream = ANY (stream_ids) AS mine FROM ingest_batches
      WHERE (xid, id) > (coalesce((SELECT xid FROM rollup_cursors WHERE name = 'rollups'), 0),
                         coalesce((SELECT batch_id FROM rollup_cursors WHERE name = 'rollups'), 0))
      ORDER BY xid, id LIMIT :limit) AS unread
"""


def read_stretch(
    session: Session,
    asset_id: UUID,
    metric: str,
    since: datetime,
    until: datetime,
    points: int,
    *,
    unit: str | None = None,
    difference: bool = False,
) -> Stretch | None:
    """Return a metric between two times in at most `points` buckets; None when the asset never had it.

    In `unit` (a UCUM code), else in that of its newest device: what an earlier one measured in another is converted,
    and left out when it measured something else. `difference`: the values are differences, so that 20 °C are 36 °F.
    Raises Invalid when the metric cannot be expressed in `unit`.

    Minimum and maximum are those of the readings themselves, so that no spike is lost. Buckets made of rollups lie on
    whole multiples of theirs, so the first may begin before `since`; nothing before `since` is counted in it.
    """
    sources = sources_of(session, asset_id, metric)
    if not sources:
        return None
    newest = sources[-1]
    target = _target(newest, unit)
    sources = [each for each in sources if _conversion(each, target, difference) is not None]
    spans = [(source, max(since, source.since or since), min(until, source.until or until)) for source in sources]
    spans = [(source, begin, end) for source, begin, end in spans if begin < end]
    level, bucket_us = _choose(session, spans, since, until, max(1, min(points, MAX_POINTS)))
    origin = since if level == 0 else datetime(1970, 1, 1, tzinfo=UTC)
    sums: dict[datetime, _Sum] = {}
    for source, begin, end in spans:
        parts = parts_of(_known(session, source), level, _us(begin), _us(end))
        to = _conversion(source, target, difference)
        for t, each in _read(session, source, parts, bucket_us, origin):
            if to is not None and to != SAME:
                each.convert(to)
            if t in sums:
                sums[t].add(each)
            else:
                sums[t] = each
    made = [_point(t, sums[t], newest.kind) for t in sorted(sums)]
    resolution = _RESOLUTIONS[level]
    return Stretch(metric, target, newest.kind, tuple(newest.states), bucket_us / 1e6, resolution, made)


def _target(newest: Source, unit: str | None) -> str | None:
    if unit is None:
        return newest.unit
    if newest.unit is None or newest.kind != "number":
        raise Invalid("this metric has no unit", field="unit")
    if conversion(newest.unit, unit) is None:
        raise Invalid(f"{newest.unit} cannot become {unit}", field="unit", unit=newest.unit)
    return unit


def _conversion(source: Source, target: str | None, difference: bool) -> Conversion | None:
    """Values without a unit are taken to be in the one that is asked for."""
    if source.unit is None or target is None or source.kind != "number":
        return SAME
    return conversion(source.unit, target, difference=difference)


def count_readings(session: Session, asset_id: UUID, metrics: Sequence[str], since: datetime, until: datetime) -> int:
    """Return how many readings of these metrics (none named: of all) there are, mostly from the coarsest rollups."""
    count, level = 0, len(WIDTHS_US) - 1
    origin = datetime(1970, 1, 1, tzinfo=UTC)
    for source in sources_of(session, asset_id, None):
        begin, end = max(since, source.since or since), min(until, source.until or until)
        if begin < end and (not metrics or source.metric in metrics):
            parts = parts_of(_known(session, source), level, _us(begin), _us(end))
            found = _read(session, source, parts, 3660 * WIDTHS_US[-1], origin)
            count += sum(each.good + each.bad for _, each in found)
    return count


def _choose(
    session: Session, spans: Sequence[tuple[Source, datetime, datetime]], since: datetime, until: datetime, points: int
) -> tuple[int, int]:
    """Return the coarsest level that gives so many points, and the length of a bucket in microseconds."""
    begin, end = _us(since), _us(until)
    wanted = max((end - begin) / points, 1000.0)
    level = max(at for at, width in enumerate(WIDTHS_US) if width <= wanted)
    if level == 1 and wanted < RAW_BUCKET_S * 1e6 and _has_few(session, spans):
        level = 0
    if level == 0:
        return 0, math.ceil(wanted)
    width = WIDTHS_US[level]
    times = math.ceil(wanted / width)
    while (end - 1) // (times * width) - begin // (times * width) >= points:
        times += 1
    return level, times * width


def _has_few(session: Session, spans: Sequence[tuple[Source, datetime, datetime]]) -> bool:
    left, statement = RAW_ROWS, text(_FEW.format(table=samples_table(session)))
    for source, begin, end in spans:
        values = {"stream": source.stream_id, "since": begin, "until": end, "limit": left}
        left -= session.scalars(statement, values).one()
        if left <= 0:
            return False
    return True


def _known(session: Session, source: Source) -> Known:
    """Return what is true of the source's rollups: in this order, so that what is computed meanwhile only helps."""
    prefix = "stream_" if _is_application(session) else ""
    values = {"stream": source.stream_id, "slot": source.slot}
    unread = _unread(session, source.stream_id)
    row = session.execute(text(_DUE.format(table=f"{prefix}rollup_due")), values).one_or_none()
    forgotten = session.scalar(text(_FORGOTTEN.format(table=f"{prefix}retention_progress")), values)
    stretches: Sequence[Any] = row[:4] if row else ((), (), (), ())
    thin = [_us(each) if each else _NEVER for each in (row[4:] if row else (None,) * 5)]
    due: list[list[Span]] = [[]]
    for at, found in enumerate(stretches):
        mine = [(_us(each.lower), _us(each.upper)) for each in found] + (unread if at == 0 else [])
        due.append(widen(due[at], WIDTHS_US[at + 1]) + widen(after(mine, thin[at]), WIDTHS_US[at + 1]))
    return Known(WIDTHS_US, due, [_us(forgotten) if forgotten else _NEVER, *thin[1:]])


def _unread(session: Session, stream_id: int) -> list[Span]:
    """Return the times of batches that the rollups have not read yet.

    When too many wait, the worker has been away: then all since the first of them counts as unread, and an hour more.
    """
    count, first, begins, ends = session.execute(text(_UNREAD), {"stream": stream_id, "limit": QUEUE_ROWS}).one()
    minute = WIDTHS_US[1]
    spans = widen([(_us(b), _us(e) + 1) for b, e in zip(begins or (), ends or (), strict=True)], minute)
    if count >= QUEUE_ROWS:
        spans += widen([(_us(first - timedelta(hours=1)), _EVER)], minute)
    return spans


def _read(
    session: Session, source: Source, parts: Iterable[Part], bucket_us: int, origin: datetime
) -> Iterable[tuple[datetime, _Sum]]:
    by_level: dict[int, list[Part]] = {}
    for part in parts:
        by_level.setdefault(part.level, []).append(part)
    for level, mine in sorted(by_level.items(), reverse=True):
        statement, table = (_RAW, samples_table(session)) if level == 0 else (_ROLLED, _table(session, level))
        values = {
            "bucket": bucket_us / 1e6,
            "origin": origin,
            "stream": source.stream_id,
            "slot": source.slot,
            "begins": [_moment(part.begin) for part in mine],
            "ends": [_moment(part.end) for part in mine],
        }
        for t, good, bad, low, high, total, last, last_at in session.execute(
            text(statement.format(table=table)), values
        ):
            low, high, total = (last if each is None else each for each in (low, high, total))  # texts
            yield t, _Sum(int(good), int(bad), low, high, total, last, last_at)


def _table(session: Session, level: int) -> str:
    return LEVELS[level - 1].view if _is_application(session) else LEVELS[level - 1].table


def _is_application(session: Session) -> bool:
    """The application role reads through views that hide other organisations' streams."""
    return bool(session.scalar(text("SELECT current_user")) == APP_ROLE)


def _point(t: datetime, found: _Sum, kind: str) -> Point:
    if kind == "text":
        return Point(t, found.last, found.last, found.last, found.good or found.bad, found.last, found.bad)
    count = found.good or found.bad
    mean = min(max(found.total / count, found.low), found.high)  # sums are rounded
    return Point(t, found.low, found.high, mean, count, found.last, found.bad)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(t_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=min(t_us, _LAST_US))


_LAST_US = 253_370_764_800_000_000  # the year 9999
