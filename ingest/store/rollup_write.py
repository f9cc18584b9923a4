"""Compute stretches of rollups: minutes from readings, every other level from the one below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from ingest.store.columns import COPIED, Columns, read_columns
from ingest.store.figures import Figures, summarise
from ingest.store.figures_copy import HEADER, TRAILER, figure_blocks
from ingest.store.rollup_schema import LEVELS, Level

MINUTE_US = 60_000_000
_FIGURES = "counts, bads, mins, maxs, sums, lasts"
_COLUMNS = f"stream_id, bucket, {_FIGURES}"


class Piece(NamedTuple):
    """A stretch of a stream's time to be computed at one level, both ends on bucket borders.

    `is_thin`: what it is computed from may have been forgotten there, so fuller figures that are known stay.
    """

    stream_id: int
    lo: datetime
    hi: datetime
    is_thin: bool


# The outer bounds let the planner leave whole partitions out; LATERAL makes it go by key for each stream.
_ROWS = f"""
COPY (SELECT s.* FROM unnest(%(streams)s::int[], %(los)s::timestamptz[], %(his)s::timestamptz[]) AS w(stream, lo, hi)
      CROSS JOIN LATERAL (
        SELECT {COPIED} FROM samples
        WHERE stream_id = w.stream AND measured_at >= w.lo AND measured_at < w.hi
          AND measured_at >= %(first)s::timestamptz AND measured_at < %(last)s::timestamptz
        ORDER BY measured_at LIMIT %(limit)s) AS s) TO STDOUT (FORMAT BINARY)
"""
_DELETE = """
DELETE FROM {table} r
USING unnest(CAST(:streams AS int[]), CAST(:los AS timestamptz[]), CAST(:his AS timestamptz[])) AS w(stream, lo, hi)
WHERE r.stream_id = w.stream AND r.bucket >= w.lo AND r.bucket < w.hi
"""
# Where readings were forgotten the fuller of two figures is the truer one, slot by slot.
_KEEP_FULLER = """
ON CONFLICT (stream_id, bucket) DO UPDATE SET (counts, bads, mins, maxs, sums, lasts) = (
  SELECT array_agg(CASE WHEN newer THEN nc ELSE coalesce(oc, 0) END ORDER BY i),
         array_agg(CASE WHEN newer THEN coalesce(nb, 0) ELSE coalesce(ob, 0) END ORDER BY i),
         array_agg(CASE WHEN newer THEN nmn ELSE omn END ORDER BY i),
         array_agg(CASE WHEN newer THEN nmx ELSE omx END ORDER BY i),
         array_agg(CASE WHEN newer THEN ns ELSE os END ORDER BY i),
         array_agg(CASE WHEN newer THEN nl ELSE ol END ORDER BY i)
  FROM (SELECT *, coalesce(nc, 0) + coalesce(nb, 0) >= coalesce(oc, 0) + coalesce(ob, 0) AND nc IS NOT NULL AS newer
        FROM unnest(r.counts, r.bads, r.mins, r.maxs, r.sums, r.lasts,
                    excluded.counts, excluded.bads, excluded.mins, excluded.maxs, excluded.sums, excluded.lasts)
             WITH ORDINALITY AS u(oc, ob, omn, omx, os, ol, nc, nb, nmn, nmx, ns, nl, i)) AS pairs)
"""
_INSERT_ONE = f"INSERT INTO {LEVELS[0].table} AS r ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) {_KEEP_FULLER}"
# Good readings make the figures; bad ones only where there are no good ones, as when they were computed first.
_COARSER = f"""
INSERT INTO {{table}} AS r ({_COLUMNS})
SELECT w.stream, f.*
FROM unnest(CAST(:streams AS int[]), CAST(:los AS timestamptz[]), CAST(:his AS timestamptz[])) AS w(stream, lo, hi)
CROSS JOIN LATERAL (
  SELECT bucket, array_agg(c ORDER BY i), CASE WHEN sum(b) > 0 THEN array_agg(b ORDER BY i) END,
         array_agg(mn ORDER BY i), array_agg(mx ORDER BY i), array_agg(su ORDER BY i), array_agg(la ORDER BY i)
  FROM (SELECT date_bin('{{seconds}} s', below.bucket, 'epoch') AS bucket, u.i,
               sum(u.c)::int AS c, sum(coalesce(u.b, 0))::int AS b,
               coalesce(min(u.mn) FILTER (WHERE u.c > 0), min(u.mn)) AS mn,
               coalesce(max(u.mx) FILTER (WHERE u.c > 0), max(u.mx)) AS mx,
               coalesce(sum(u.su) FILTER (WHERE u.c > 0), sum(u.su)) AS su,
               coalesce((array_agg(u.la ORDER BY below.bucket DESC) FILTER (WHERE u.c > 0 AND u.la IS NOT NULL))[1],
                        (array_agg(u.la ORDER BY below.bucket DESC) FILTER (WHERE u.la IS NOT NULL))[1]) AS la
        FROM {{below}} below
        CROSS JOIN unnest(below.counts, below.bads, below.mins, below.maxs, below.sums, below.lasts)
                   WITH ORDINALITY AS u(c, b, mn, mx, su, la, i)
        WHERE below.stream_id = w.stream AND below.bucket >= w.lo AND below.bucket < w.hi
        GROUP BY 1, 2) AS slots
  GROUP BY bucket) AS f
{_KEEP_FULLER}
"""
_CUT = """
SELECT w.at, cut.bucket
FROM unnest(CAST(:streams AS int[]), CAST(:los AS timestamptz[]), CAST(:his AS timestamptz[]))
     WITH ORDINALITY AS w(stream, lo, hi, at)
CROSS JOIN LATERAL (
  SELECT date_bin('{seconds} s', bucket, 'epoch') AS bucket FROM {below}
  WHERE stream_id = w.stream AND bucket >= w.lo AND bucket < w.hi ORDER BY bucket OFFSET :rows LIMIT 1) AS cut
"""


def compute_minutes(
    session: Session, pieces: Sequence[Piece], texts: Mapping[int, frozenset[int]], limit: int
) -> list[Piece]:
    """Compute minutes from readings, at most `limit` rows of a piece unless one minute has more.

    Return the pieces as far as they were computed. Needs the service role.
    """
    rows = _read(session, pieces, limit)
    done, kept, more = [], [], []
    for piece in pieces:
        mine = rows.stream == piece.stream_id
        finished, keep = _as_far_as_read(piece, rows, mine, limit)
        if finished.hi > finished.lo:
            kept.append(keep)
        else:  # its first minute alone has more rows than the limit
            first = _moment(int(rows.t_us[mine][0]) // MINUTE_US * MINUTE_US)
            finished = piece._replace(hi=first + timedelta(minutes=1))
            more.append(_read(session, [finished], None))
        done.append(finished)
    _delete(session, LEVELS[0], done)
    thin = {piece.stream_id for piece in done if piece.is_thin}
    if kept:
        _write(session, summarise(rows.take(np.logical_or.reduce(kept)), MINUTE_US, texts), thin)
    for each in more:
        _write(session, summarise(each, MINUTE_US, texts), thin)
    return done


def compute_coarser(session: Session, below: Level, level: Level, pieces: Sequence[Piece], limit: int) -> list[Piece]:
    """Compute one level from the one below, at most about `limit` rows of a piece; return what was computed."""
    statement = text(_CUT.format(below=below.table, seconds=level.seconds))
    cuts = {at - 1: cut for at, cut in session.execute(statement, {**_bounds(pieces), "rows": limit})}
    one = timedelta(seconds=level.seconds)  # at least: a bucket may have more rows below it than the limit
    done = [
        piece._replace(hi=max(cuts[at], piece.lo + one)) if at in cuts else piece for at, piece in enumerate(pieces)
    ]
    _delete(session, level, done)
    insert = _COARSER.format(table=level.table, below=below.table, seconds=level.seconds)
    session.execute(text(insert), _bounds(done))
    return done


def _as_far_as_read(
    piece: Piece, rows: Columns, mine: NDArray[np.bool_], limit: int
) -> tuple[Piece, NDArray[np.bool_]]:
    """A piece that was cut by the limit ends before its last minute, which may have more rows."""
    if int(mine.sum()) < limit:
        return piece, mine
    end_us = int(rows.t_us[mine][-1]) // MINUTE_US * MINUTE_US
    first_us = int(rows.t_us[mine][0]) // MINUTE_US * MINUTE_US
    end = _moment(end_us) if end_us > first_us else piece.lo
    return piece._replace(hi=end), mine & (rows.t_us < end_us)


def _read(session: Session, pieces: Sequence[Piece], limit: int | None) -> Columns:
    values = _bounds(pieces) | {
        "first": min(piece.lo for piece in pieces),
        "last": max(piece.hi for piece in pieces),
        "limit": limit,
    }
    with _driver(session).cursor() as cursor, cursor.copy(_ROWS, values) as copy:
        return read_columns(b"".join(map(bytes, copy)))


def _delete(session: Session, level: Level, pieces: Iterable[Piece]) -> None:
    whole = [piece for piece in pieces if not piece.is_thin]
    if whole:
        session.execute(text(_DELETE.format(table=level.table)), _bounds(whole))


def _bounds(pieces: Sequence[Piece]) -> dict[str, Any]:
    return {
        "streams": [piece.stream_id for piece in pieces],
        "los": [piece.lo for piece in pieces],
        "his": [piece.hi for piece in pieces],
    }


def _write(session: Session, figures: Figures, thin: set[int]) -> None:
    is_thin = np.isin(figures.stream, sorted(thin))
    with _driver(session).cursor() as cursor:
        with cursor.copy(f"COPY {LEVELS[0].table} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(HEADER)
            for block in figure_blocks(figures.take(~is_thin)):
                copy.write(block)
            copy.write(TRAILER)
        if is_thin.any():
            cursor.executemany(_INSERT_ONE, _as_rows(figures.take(is_thin)))


def _as_rows(figures: Figures) -> list[tuple[Any, ...]]:
    bads: list[list[int] | None] = [row if any(row) else None for row in figures.bads.tolist()]
    columns = (
        figures.stream.tolist(),
        [_moment(t) for t in figures.bucket_us.tolist()],
        figures.counts.tolist(),
        bads,
        *(_or_none(each) for each in (figures.mins, figures.maxs, figures.sums, figures.lasts)),
    )
    return list(zip(*columns, strict=True))


def _or_none(values: NDArray[np.float64]) -> list[list[float | None]]:
    missing = np.isnan(values)
    if not missing.any():
        plain: list[list[float | None]] = values.tolist()
        return plain
    boxed = values.astype(object)
    boxed[missing] = None
    some: list[list[float | None]] = boxed.tolist()
    return some


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(t_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=t_us)


def _driver(session: Session) -> Any:
    return session.connection().connection.driver_connection
