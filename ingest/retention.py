"""Forget readings and rollups that no policy keeps any longer, never before the rollups have them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from assets.base.db import Database
from ingest.retention_rules import Keep, StreamPlan, choose, plan
from ingest.rollup_models import RetentionPolicy
from ingest.rollups import BATCHES, mark_due
from ingest.store.rollup_schema import LEVELS
from ingest.store.schema import drop_before

log = logging.getLogger(__name__)

ROWS = 20_000  # deleted or changed per transaction: a second at most
BUDGET_S = 600.0
# What came just now is left for the next time: the rollups may not have heard of it.
SETTLED = timedelta(hours=1)
NEWEST_BATCHES = 500_000
_LONG_AGO = datetime(2, 1, 1, tzinfo=UTC)
_LOCK_TIMEOUT = "5s"  # dropping a partition waits for its readers, and others behind it

_METRICS = text("""
SELECT t.id, o.ancestors, r.slot, r.metric, r.kind FROM streams t JOIN organisations o ON o.id = t.organisation_id
JOIN series r ON r.stream_id = t.id ORDER BY t.id, r.slot
""")
# Until when everything at or below a level is computed; before it what the level is made of may go.
_COVERED = text("""
SELECT least(lower(due_1m)), least(lower(due_1m), lower(due_15m)), least(lower(due_1m), lower(due_15m), lower(due_1h)),
       least(lower(due_1m), lower(due_15m), lower(due_1h), lower(due_1d)) FROM rollup_due
WHERE stream_id = :stream FOR UPDATE
""")
_FRESH = text("""
SELECT min(t_min) FROM (SELECT t_min, received_at FROM ingest_batches ORDER BY xid DESC, id DESC LIMIT :limit) AS newest
WHERE received_at > :settled
""")
_BORDER = """
SELECT {time} FROM {table} WHERE stream_id = :stream AND {time} >= :since AND {time} < :until
ORDER BY {time} OFFSET :rows LIMIT 1
"""
_EMPTY_ROWS = text("""
DELETE FROM samples WHERE stream_id = :stream AND measured_at >= :since AND measured_at < :until
AND received_at < :settled AND forewarn_forget(values, CAST(:slots AS smallint[])) IS NULL
""")
_EMPTY_SLOTS = text("""
UPDATE samples SET values = forewarn_forget(values, CAST(:slots AS smallint[]))
WHERE stream_id = :stream AND measured_at >= :since AND measured_at < :until AND received_at < :settled
AND forewarn_forget(values, CAST(:slots AS smallint[])) IS DISTINCT FROM values
""")
_THIN = """
UPDATE rollup_due SET thin_{level} = greatest(thin_{level}, CAST(:until AS timestamptz))
WHERE stream_id = ANY(:streams)
"""
_PROGRESS = text("""
INSERT INTO retention_progress AS p (stream_id, slots, until)
SELECT stream, CAST(:slots AS smallint[]), :until FROM unnest(CAST(:streams AS int[])) AS stream
ON CONFLICT (stream_id, slots) DO UPDATE SET until = greatest(p.until, excluded.until),
  again_from = CASE WHEN excluded.until < p.until THEN excluded.until END
""")
_DONE_BEFORE = text("""
SELECT least(again_from, until) FROM retention_progress
WHERE stream_id = :stream AND slots = CAST(:slots AS smallint[])
""")


@dataclass(slots=True)
class Forgotten:
    """What one run removed."""

    partitions: int = 0
    rows: int = 0
    slots: int = 0
    rollups: int = 0


def apply_retention(database: Database, now: datetime, budget_s: float = BUDGET_S) -> Forgotten:
    """Forget what no policy keeps; what does not fit into the time is left for the next run."""
    forgotten = Forgotten()
    deadline = time.monotonic() + budget_s
    while True:  # deletions must not be ahead of what is known to be due
        with database.as_service() as session:
            if mark_due(session) < BATCHES:
                break
    plans = _plans(database, now)
    forgotten.partitions = _drop_partitions(database, plans, now)
    for each in plans:
        if time.monotonic() > deadline:
            log.info("retention goes on next time, from stream %d", each.stream_id)
            break
        _Removal(database, each, now, deadline).run(forgotten)
    return forgotten


def _plans(database: Database, now: datetime) -> list[StreamPlan]:
    policies: dict[UUID, list[RetentionPolicy]] = {}
    keeps: dict[int, dict[int, Keep]] = {}
    with database.as_service() as session:
        for policy in session.scalars(select(RetentionPolicy).order_by(RetentionPolicy.position, RetentionPolicy.id)):
            policies.setdefault(policy.organisation_id, []).append(policy)
        for stream, ancestors, slot, metric, kind in session.execute(_METRICS.execution_options(yield_per=5000)):
            keeps.setdefault(stream, {})[slot] = choose(policies, ancestors, metric, kind)
    return [plan(stream, mine, now) for stream, mine in keeps.items()]


def _drop_partitions(database: Database, plans: Sequence[StreamPlan], now: datetime) -> int:
    """Whole months (or chunks) that nobody wants any more go at once, which costs nothing."""
    cuts = [each.raw for each in plans]
    if not cuts or None in cuts:
        return 0
    cut = min(each for each in cuts if each is not None)
    with database.as_service() as session:
        due = session.scalar(text("SELECT min(lower(due_1m)) FROM rollup_due"))
        fresh = session.scalar(_FRESH, {"limit": NEWEST_BATCHES, "settled": now - SETTLED})
        cut = min(each for each in (cut, due, fresh) if each is not None)
        if not _has_rows_before(session, cut):
            return 0
        # Readers turn to the rollups first; should dropping fail, the readings are only not looked at.
        _note(session, [each.stream_id for each in plans], (), cut)
    try:
        with database.as_owner() as session:
            session.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            return drop_before(session, cut)
    except OperationalError as error:
        log.warning("partitions before %s could not be dropped now: %s", cut, error.orig)
        return 0


def _has_rows_before(session: Session, cut: datetime) -> bool:
    statement = text("SELECT EXISTS (SELECT FROM samples WHERE measured_at < :cut)")
    return bool(session.scalar(statement, {"cut": cut}))


class _Removal:
    """Removes what is too old of one stream, in transactions of bounded size, until it is done or time is up."""

    def __init__(self, database: Database, each: StreamPlan, now: datetime, deadline: float) -> None:
        self._database, self._plan, self._deadline = database, each, deadline
        self._names: dict[str, Any] = {"stream": each.stream_id, "settled": now - SETTLED, "rows": ROWS}

    def run(self, forgotten: Forgotten) -> None:
        """Remove whole rows, then slots, then rollups."""
        if self._plan.raw is not None:
            forgotten.rows += self._rows(self._plan.raw)
        for slots, cut in self._plan.slots:
            if self._plan.raw is None or cut > self._plan.raw:
                forgotten.slots += self._slots(slots, cut)
        for at, cut_rollups in enumerate(self._plan.rollups):
            if cut_rollups is not None:
                forgotten.rollups += self._rollups(at, cut_rollups)

    def _rows(self, cut: datetime) -> int:
        delete = text(
            "DELETE FROM samples WHERE stream_id = :stream AND measured_at < :until AND received_at < :settled"
        )

        def remove(session: Session, until: datetime) -> int:
            gone: Any = session.execute(delete, self._names | {"until": until})
            if gone.rowcount:
                _note(session, [self._plan.stream_id], (), until)
            return int(gone.rowcount)

        return self._each_piece("samples", "measured_at", 0, cut, remove)

    def _rollups(self, at: int, cut: datetime) -> int:
        level = LEVELS[at]
        delete = text(f"DELETE FROM {level.table} WHERE stream_id = :stream AND bucket < :until")

        def remove(session: Session, until: datetime) -> int:
            gone: Any = session.execute(delete, self._names | {"until": until})
            if gone.rowcount:
                _thin(session, [self._plan.stream_id], level.name, until)
            return int(gone.rowcount)

        return self._each_piece(level.table, "bucket", min(at + 1, len(LEVELS) - 1), cut, remove)

    def _slots(self, slots: Sequence[int], cut: datetime) -> int:
        names = self._names | {"slots": list(slots)}
        with self._database.as_service() as session:
            begin = session.scalar(_DONE_BEFORE, names) or _LONG_AGO

        def remove(session: Session, until: datetime) -> int:
            nonlocal begin
            span = names | {"since": begin, "until": until}
            removed: Any = session.execute(_EMPTY_ROWS, span)
            emptied: Any = session.execute(_EMPTY_SLOTS, span)
            _note(session, [self._plan.stream_id], slots, until)
            begin = until
            return int(removed.rowcount + emptied.rowcount)

        return self._each_piece("samples", "measured_at", 0, cut, remove, begin) if begin < cut else 0

    def _each_piece(
        self,
        table: str,
        column: str,
        at: int,
        cut: datetime,
        remove: Callable[[Session, datetime], int],
        since: datetime | None = None,
    ) -> int:
        """Call `remove` up to one border after the other, as far as what is above is computed."""
        removed, begin = 0, since or _LONG_AGO
        statement = text(_BORDER.format(table=table, time=column))
        while time.monotonic() < self._deadline:
            with self._database.as_service() as session:
                until = _covered(session, self._plan.stream_id, at, cut)
                if until is None or until <= begin:
                    return removed
                border = session.scalar(statement, self._names | {"since": begin, "until": until})
                removed += remove(session, border or until)
                if border is None:
                    return removed
                begin = border
        return removed


def _covered(session: Session, stream_id: int, at: int, cut: datetime) -> datetime | None:
    """Return up to when a level may go: `cut`, or where the first stretch begins that is still to be computed."""
    row = session.execute(_COVERED, {"stream": stream_id}).one_or_none()
    if row is None:  # nothing of it was ever due: no rollup knows it
        return None
    return cut if row[at] is None else min(cut, row[at])


def _note(session: Session, stream_ids: Sequence[int], slots: Sequence[int], until: datetime) -> None:
    session.execute(_PROGRESS, {"streams": list(stream_ids), "slots": list(slots), "until": until})
    _thin(session, stream_ids, "raw", until)


def _thin(session: Session, stream_ids: Sequence[int], level: str, until: datetime) -> None:
    session.execute(text(_THIN.format(level=level)), {"streams": list(stream_ids), "until": until})
