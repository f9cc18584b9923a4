"""Keep the rollups true: what was stored, filled in or removed makes its stretch of time due to be computed anew.

Nothing is added up as it comes: a stretch is computed from what is stored, so the order of arrival, repeats and
crashes cannot make it wrong. Minutes come from the readings, every coarser level from the one below.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from assets.base.db import Database
from ingest.rollup_models import RollupCursor
from ingest.store.rollup_schema import LEVELS, Level
from ingest.store.rollup_write import Piece, compute_coarser, compute_minutes

NAME = "rollups"
BATCHES = 20_000  # stored batches looked at per transaction: some 50 ms
STREAMS = 64  # streams computed per transaction
ROWS = 2000  # rows of one stream per transaction, at least
VALUES = 500_000  # of all streams of a transaction: bounds memory to some 60 MB
HOLD = timedelta(seconds=15)  # a stretch is computed when it ended so long ago: most readings come within it
BUDGET_S = 4.0  # then the job gives its place back

_MARK = text("""
WITH batch AS (
  SELECT xid, id, stream_ids, t_min, t_max FROM ingest_batches
  WHERE (xid, id) > (:xid, :id) AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
  ORDER BY xid, id LIMIT :limit),
due AS (
  SELECT t.id AS stream_id,
         range_agg(tstzrange(date_bin('1 minute', b.t_min, 'epoch'),
                             date_bin('1 minute', b.t_max, 'epoch') + interval '1 minute')) AS stretches
  FROM batch b CROSS JOIN unnest(b.stream_ids) AS s(id) JOIN streams t ON t.id = s.id
  WHERE b.t_max IS NOT NULL GROUP BY t.id ORDER BY t.id),
marked AS (
  INSERT INTO rollup_due AS d (stream_id, due_1m, ready_at)
  SELECT stream_id, forewarn_bounded(stretches), lower(stretches) + interval '1 minute' + :hold FROM due
  ON CONFLICT (stream_id) DO UPDATE SET due_1m = forewarn_bounded(d.due_1m + excluded.due_1m),
    ready_at = least(d.ready_at, excluded.ready_at)
  WHERE NOT d.due_1m @> excluded.due_1m
  RETURNING 1),
late AS (
  UPDATE retention_progress p SET again_from = least(p.again_from, lower(d.stretches)) FROM due d
  WHERE p.stream_id = d.stream_id AND lower(d.stretches) < p.until AND p.slots <> '{}')
SELECT (SELECT count(*) FROM batch), (SELECT count(*) FROM marked), last.xid, last.id
FROM (SELECT xid, id FROM batch ORDER BY xid DESC, id DESC LIMIT 1) AS last
""")
_MARK_SPAN = text("""
INSERT INTO rollup_due AS d (stream_id, due_1m, ready_at)
SELECT t.id, tstzmultirange(tstzrange(date_bin('1 minute', CAST(:since AS timestamptz), 'epoch'),
                            date_bin('1 minute', CAST(:until AS timestamptz), 'epoch') + interval '1 minute')),
       CAST(:since AS timestamptz)
FROM streams t WHERE t.id = ANY(:streams)
ON CONFLICT (stream_id) DO UPDATE SET due_1m = forewarn_bounded(d.due_1m + excluded.due_1m),
  ready_at = least(d.ready_at, excluded.ready_at)
""")
_READY = text("""
SELECT stream_id, due_1m, due_15m, due_1h, due_1d, thin_raw, thin_1m, thin_15m, thin_1h FROM rollup_due
WHERE ready_at <= :now ORDER BY ready_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_SLOTS = text("""
SELECT stream_id, max(slot), coalesce(array_agg(slot) FILTER (WHERE kind = 'text'), '{}') FROM series
WHERE stream_id = ANY(:streams) GROUP BY stream_id
""")
# What was computed is due no more, but what is made of it is.
_DONE = """
UPDATE rollup_due d SET due_{level} = due_{level} - tstzmultirange(tstzrange(v.lo, v.hi)){above}
FROM unnest(CAST(:streams AS int[]), CAST(:los AS timestamptz[]), CAST(:his AS timestamptz[])) AS v(stream_id, lo, hi)
WHERE d.stream_id = v.stream_id
"""
_ABOVE = """, due_{level} = forewarn_bounded(due_{level} + tstzmultirange(tstzrange(
  date_bin('{seconds} s', v.lo, 'epoch'),
  date_bin('{seconds} s', v.hi - interval '1 microsecond', 'epoch') + interval '{seconds} s')))"""
_NEXT = text("""
UPDATE rollup_due SET ready_at = :hold + least(
  lower(due_1m) + interval '1 minute', lower(due_15m) + interval '15 minutes',
  lower(due_1h) + interval '1 hour', lower(due_1d) + interval '1 day')
WHERE stream_id = ANY(:streams)
""")


@dataclass(slots=True)
class Done:
    """What one run did."""

    batches: int = 0
    pieces: int = 0
    finished: bool = False


def run_rollups(database: Database, now: datetime, budget_s: float = BUDGET_S) -> Done:
    """Mark what is due and compute what has waited long enough, for `budget_s` at most; what is left stays due."""
    done = Done()
    deadline = time.monotonic() + budget_s
    while time.monotonic() < deadline:
        with database.as_service() as session:
            read = mark_due(session)
        done.batches += read
        if read < BATCHES:
            break
    while time.monotonic() < deadline:
        with database.as_service() as session:
            pieces = compute_ready(session, now)
        done.pieces += pieces
        if pieces == 0:
            done.finished = True
            break
    return done


def mark_due(session: Session) -> int:
    """Make due what batches stored since last time; return how many batches were read.

    Batches of transactions that are still open are left for the next time, and with them all later ones.
    """
    cursor = session.get(RollupCursor, NAME, with_for_update=True)
    if cursor is None:
        cursor = RollupCursor(name=NAME, xid=0, batch_id=0)
        session.add(cursor)
        session.flush()
    values = {"xid": cursor.xid, "id": cursor.batch_id, "limit": BATCHES, "hold": HOLD}
    row = session.execute(_MARK, values).one_or_none()
    if row is None:
        return 0
    cursor.xid, cursor.batch_id = row.xid, row.id
    return int(row[0])


def mark_span(session: Session, stream_ids: Sequence[int], since: datetime, until: datetime) -> None:
    """Make a stretch of these streams due, after readings of it were changed or removed by hand."""
    session.execute(_MARK_SPAN, {"streams": list(stream_ids), "since": since, "until": until})


def compute_ready(session: Session, now: datetime) -> int:
    """Compute the next stretch of each stream and level that is due; return how many there were."""
    claimed = session.execute(_READY, {"now": now, "limit": STREAMS}).all()
    if not claimed:
        return 0
    slots = {row[0]: row for row in session.execute(_SLOTS, {"streams": [row.stream_id for row in claimed]})}
    widths = {stream: row[1] for stream, row in slots.items()}
    claimed = _bounded(claimed, widths)
    rows = max(ROWS, VALUES // sum(widths.get(row.stream_id, 1) for row in claimed))
    texts = {stream: frozenset(row[2]) for stream, row in slots.items() if row[2]}
    count = 0
    for at, level in enumerate(LEVELS):
        pieces = [piece for row in claimed if (piece := _next_piece(row, at, level, now)) is not None]
        if not pieces:
            continue
        if at == 0:
            pieces = compute_minutes(session, pieces, texts, rows)
        else:
            pieces = compute_coarser(session, LEVELS[at - 1], level, pieces, ROWS)
        _finish(session, at, pieces)
        count += len(pieces)
    session.execute(_NEXT, {"streams": [row.stream_id for row in claimed], "hold": HOLD})
    return count or len(claimed)


def floor_to(moment: datetime, seconds: int) -> datetime:
    """Return the beginning of the bucket, of so many seconds since 1970 UTC, that holds the moment."""
    whole = int(np.floor(moment.timestamp() // seconds)) * seconds
    return datetime.fromtimestamp(whole, UTC)


def _bounded(claimed: Sequence[Any], widths: Mapping[int, int]) -> list[Any]:
    kept: list[Any] = []
    values = 0
    for row in claimed:
        values += ROWS * widths.get(row.stream_id, 1)
        if kept and values > VALUES:
            break
        kept.append(row)
    return kept


def _next_piece(row: Any, at: int, level: Level, now: datetime) -> Piece | None:
    stretches = row[1 + at]
    if not stretches:
        return None
    lo, hi = stretches[0].lower, min(stretches[0].upper, floor_to(now - HOLD, level.seconds))
    thin = row[5 + at]
    if hi <= lo:
        return None
    if thin is None or lo >= thin:
        return Piece(row.stream_id, lo, hi, is_thin=False)
    border = floor_to(thin + timedelta(seconds=level.seconds - 1), level.seconds)
    return Piece(row.stream_id, lo, min(hi, border), is_thin=True)


def _finish(session: Session, at: int, pieces: Sequence[Piece]) -> None:
    above = _ABOVE.format(level=LEVELS[at + 1].name, seconds=LEVELS[at + 1].seconds) if at + 1 < len(LEVELS) else ""
    values = {
        "streams": [piece.stream_id for piece in pieces],
        "los": [piece.lo for piece in pieces],
        "his": [piece.hi for piece in pieces],
    }
    session.execute(text(_DONE.format(level=LEVELS[at].name, above=above)), values)
