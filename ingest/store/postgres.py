"""The store on PostgreSQL and on both editions of TimescaleDB: COPY what is new, merge what may be a repeat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from psycopg import errors

from ingest.store.base import Connection, Repeats, Row
from ingest.store.blocks import PlacedBlock
from ingest.store.rows import COLUMNS, HEADER, TRAILER, copy_blocks

_COPY = f"COPY {{}} ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
# A plain device that repeats itself would make every direct COPY fail: its streams are merged for so many groups.
_MERGE_NEXT = 20

_STAGING = "CREATE TEMPORARY TABLE IF NOT EXISTS samples_staging (LIKE samples) ON COMMIT DELETE ROWS"
# What RETURNING leaves out added nothing. Counted here and not by looking before: another worker may be storing the
# same moments at the same time, and then this waits for it.
_MERGE = f"""
WITH done AS (
  INSERT INTO samples ({COLUMNS}) SELECT {COLUMNS} FROM samples_staging
  ON CONFLICT (stream_id, measured_at) DO UPDATE SET
    values = forewarn_fill(samples.values, excluded.values),
    quality = forewarn_fill_quality(samples.values, samples.quality, excluded.quality,
                                    greatest(cardinality(samples.values), cardinality(excluded.values)))
  WHERE forewarn_fill(samples.values, excluded.values) IS DISTINCT FROM samples.values
  RETURNING stream_id, measured_at)
SELECT g.batch_id, count(*) FROM samples_staging g LEFT JOIN done d USING (stream_id, measured_at)
WHERE d.stream_id IS NULL GROUP BY g.batch_id
"""
# OFFSET 0 keeps this a look-up by key for each row: a hash join would read whole partitions.
_CONFLICTS = """
SELECT g.batch_id, count(*) FILTER (WHERE forewarn_conflicts(s.values, g.values)), array_agg(DISTINCT g.stream_id)
FROM samples_staging g CROSS JOIN LATERAL (
  SELECT s.values, s.batch_id FROM samples s
  WHERE s.stream_id = g.stream_id AND s.measured_at = g.measured_at AND s.measured_at BETWEEN %s AND %s OFFSET 0) s
WHERE s.batch_id <> g.batch_id GROUP BY g.batch_id
"""


class PostgresStore:
    """One per writer: it remembers which streams repeat themselves."""

    def __init__(self) -> None:
        self._doubtful: dict[int, int] = {}  # stream -> for how many groups more it is merged

    def insert(self, connection: Connection, rows: Sequence[Row], blocks: Sequence[PlacedBlock] = ()) -> Repeats:
        """Store rows and blocks within the caller's transaction; see `Store`."""
        repeats = Repeats()
        doubtful: list[Row] = []
        fresh, fresh_blocks = rows, blocks
        if self._doubtful:
            doubted = self._doubtful.keys()
            doubtful = [row for row in rows if row.stream_id in doubted]
            doubtful += [row for block in blocks if block.stream_id in doubted for row in block.rows()]
            fresh = [row for row in rows if row.stream_id not in doubted]
            fresh_blocks = [block for block in blocks if block.stream_id not in doubted]
            self._doubtful = {stream: left - 1 for stream, left in self._doubtful.items() if left > 1}
        if fresh or fresh_blocks:
            try:
                with connection.transaction():  # a savepoint
                    _copy(connection, "samples", fresh, fresh_blocks)
            except errors.UniqueViolation:
                doubtful += fresh
                doubtful += [row for block in fresh_blocks for row in block.rows()]
        if doubtful:
            self._merge(connection, doubtful, repeats)
        return repeats

    def _merge(self, connection: Connection, rows: Sequence[Row], repeats: Repeats) -> None:
        distinct = merge_rows(rows, repeats)
        if len(distinct) < len(rows):
            self._doubt(_repeated_streams(rows))
        connection.execute(_STAGING)
        connection.execute("TRUNCATE samples_staging")
        _copy(connection, "samples_staging", distinct)
        times = [row.t_us for row in distinct]
        span = (_moment(min(times)), _moment(max(times)))
        for batch_id, repeated in connection.execute(_MERGE):
            repeats.count(batch_id, repeated=repeated, conflicting=0)
        for batch_id, conflicting, streams in connection.execute(_CONFLICTS, span):
            repeats.count(batch_id, repeated=0, conflicting=conflicting)
            self._doubt(streams)

    def _doubt(self, streams: Iterable[int]) -> None:
        self._doubtful.update(dict.fromkeys(streams, _MERGE_NEXT))


def _repeated_streams(rows: Sequence[Row]) -> set[int]:
    seen: set[tuple[int, int]] = set()
    repeated: set[int] = set()
    for row in rows:
        if row[:2] in seen:
            repeated.add(row.stream_id)
        seen.add(row[:2])
    return repeated


def merge_rows(rows: Sequence[Row], repeats: Repeats) -> list[Row]:
    """Return one row per (stream, moment) in the order of the first; the first value of each slot stays."""
    if len({row[:2] for row in rows}) == len(rows):  # the usual case, cheaply
        return list(rows)
    kept: dict[tuple[int, int], Row] = {}
    for row in rows:
        key = (row.stream_id, row.t_us)
        known = kept.setdefault(key, row)
        if known is not row:
            kept[key] = _fill(known, row, repeats)
    return list(kept.values())


def _fill(kept: Row, new: Row, repeats: Repeats) -> Row:
    width = max(len(kept.values), len(new.values))
    old_values = kept.values + [None] * (width - len(kept.values))
    new_values = new.values + [None] * (width - len(new.values))
    values = [old if old is not None else fresh for old, fresh in zip(old_values, new_values, strict=True)]
    pairs = zip(old_values, new_values, strict=True)
    differ = any(old is not None and fresh is not None and old != fresh for old, fresh in pairs)
    repeats.count(new.batch_id, repeated=int(values == old_values), conflicting=int(differ))
    return kept._replace(values=values, quality=_fill_quality(old_values, kept.quality, new.quality, width))


def _fill_quality(
    kept_values: list[float | None], kept: list[int] | None, new: list[int] | None, width: int
) -> list[int] | None:
    if kept is None and new is None:
        return None
    old = (kept or []) + [0] * width
    fresh = (new or []) + [0] * width
    return [fresh[i] if kept_values[i] is None else old[i] for i in range(width)]


def _copy(connection: Connection, table: str, rows: Sequence[Row], blocks: Sequence[PlacedBlock] = ()) -> None:
    with connection.cursor() as cursor, cursor.copy(_COPY.format(table)) as copy:
        copy.write(HEADER)
        for data in copy_blocks(rows, blocks):
            copy.write(data)
        copy.write(TRAILER)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(t_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=t_us)
