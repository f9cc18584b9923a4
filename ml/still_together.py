"""Several sensors of one device that all froze in the same moment: a gateway that repeats what it kept.

`data_quality` knows a frozen sensor by those beside it that move; where none moves the machine may have been switched
off. So each is judged by its own past as a lone one is, and all must have stopped together, in a state of the machine
in which they moved before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlalchemy.orm import Session

from ml.standing import HISTORY, LEAST_CHANGES, LEAST_RUN, TIMES, standing_since

MOST_NUMBERS = 20  # of a stream; those of more are not read
LEAST_FROZEN = 2  # numbers that used to change
AT_END = 2  # so many of them at least for each that stopped at an end of its range
LONG = HISTORY // (2 * TIMES)  # readings: what stood so long before is a set point
MOST_LOOKS = 30  # histories read in one turn, some ten milliseconds each
RECENT = 500

_STREAMS = """
SELECT t.id, t.latest_at, array_agg(r.id ORDER BY r.slot) AS ids, array_agg(r.slot ORDER BY r.slot) AS slots,
       array_agg(t.latest[r.slot] ORDER BY r.slot) AS latest, max(r.frozen_since) AS frozen_since,
       bool_and(r.frozen_since IS NOT NULL) AS is_frozen
FROM streams t JOIN series r ON r.stream_id = t.id AND r.kind = 'number'
WHERE t.fresh_at > :since AND t.latest_at IS NOT NULL
GROUP BY t.id HAVING count(*) BETWEEN 2 AND :most ORDER BY t.id
"""
_ROWS = "SELECT measured_at, values FROM samples WHERE stream_id = :id ORDER BY measured_at DESC LIMIT :most"
_OTHERS = "SELECT slot FROM series WHERE stream_id = :id AND kind <> 'number' ORDER BY slot"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Column:
    """One slot's past: where its last run begins, and its longest run before, both in rows."""

    is_state: bool  # it tells what the machine is doing rather than how it does
    is_frozen: bool
    is_doubtful: bool  # it used to change and rests where a machine rests that is switched off
    is_at_end: bool  # it stopped at an end of its range, as one of several may that were stopped by chance
    begin: int
    longest: int


def all_standing_since(numbers: Floats, others: Floats) -> int | None:
    """Return the row [n] from which all `numbers` [n, m] repeat themselves against their habit; None: not all, or
    their machine may rest. `others` [n, k] are its modes and switches; NaN is no reading."""
    columns = [_column(numbers[:, j], False) for j in range(numbers.shape[1])]
    columns += [_column(others[:, j], True) for j in range(others.shape[1])]
    frozen = [column for column in columns if column.is_frozen]
    if len(frozen) < LEAST_FROZEN or any(column.is_doubtful for column in columns):
        return None
    at_end = [column for column in columns if column.is_at_end]
    if AT_END * len(at_end) > len(frozen):
        return None
    begin = max(column.begin for column in (*frozen, *at_end))
    if any(column.begin > begin for column in columns):
        return None  # something moved since
    if any(begin - column.begin > column.longest for column in (*frozen, *at_end)):
        return None  # not in the same moment
    whole = np.hstack([numbers, others])
    states = [_filled(whole[:, j]) for j, column in enumerate(columns) if column.is_state]
    same = np.ones(begin, dtype=bool)
    for state in states:
        same &= state[:begin] == state[-1]
    moved = [_changes(whole[:begin, j], same) for j, column in enumerate(columns) if column.is_frozen]
    return begin if sum(count >= LEAST_CHANGES for count in moved) >= LEAST_FROZEN else None


def _column(values: Floats, is_state: bool) -> _Column:
    rows = np.flatnonzero(np.isfinite(values))
    x = values[rows]
    steps = np.flatnonzero(np.diff(x) != 0)
    if len(steps) == 0:
        return _Column(is_state, False, False, False, 0, 0)
    begin = int(rows[steps[-1] + 1])
    longest = int(np.diff(rows[np.concatenate([[0], steps + 1])]).max())
    sizes = np.diff(x)
    counts_up = bool((sizes >= 0).all()) and x[-1] > 1
    if is_state or counts_up or len(steps) < LEAST_CHANGES:
        return _Column(not counts_up, False, False, False, begin, longest)
    if standing_since(x) is not None:
        return _Column(False, True, False, False, begin, longest)
    waited = len(x) - (steps[-1] + 1) >= max(LEAST_RUN, TIMES * int(np.diff(steps, prepend=-1).max()))
    leapt = abs(sizes[steps[-1]]) >= np.abs(sizes).max()
    if waited and x[-1] != 0 and not leapt and not (sizes <= 0).all():
        return _Column(False, False, False, True, begin, longest)
    # What stands for no longer than it did before may be a set point, or is to be waited for.
    return _Column(False, False, bool(x[-1] == 0 or leapt or longest <= LONG), False, begin, longest)


def _filled(values: Floats) -> Floats:
    known = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), 0))
    return np.asarray(values[known])


def _changes(values: Floats, same: NDArray[np.bool_]) -> int:
    """How often it changed between readings in the machine's present state."""
    rows = np.flatnonzero(np.isfinite(values) & same)
    return int(np.count_nonzero(np.diff(values[rows])))


@dataclass(slots=True)
class _Watched:
    values: tuple[float | None, ...]
    since: datetime
    look_at: datetime


class StillTogether:
    """Marks streams all of whose numbers froze at once; remembers only whose past need not be read."""

    def __init__(self) -> None:
        self._watched: dict[int, _Watched] = {}

    def mark(self, session: Session, since: datetime) -> int:
        """Note at the series of streams with news after `since` that they froze, or move again; return how many of
        them changed."""
        changed = looks = 0
        seen: dict[int, _Watched] = {}
        for row in session.execute(text(_STREAMS), {"since": since, "most": MOST_NUMBERS}).all():
            if row.is_frozen:
                if _moves(session, row.id, row.slots, row.frozen_since):
                    changed += _write(session, row.ids, None)
                continue
            values = tuple(row.latest)
            known = self._watched.get(row.id)
            if known is None or known.values != values:
                known = _Watched(values, row.latest_at, row.latest_at)
            elif row.latest_at > known.look_at and looks < MOST_LOOKS:
                looks += 1
                begin = _frozen_since(session, row.id, row.slots)
                if begin is not None:
                    changed += _write(session, row.ids, begin)
                # Ever more rarely: what stands still for a day is not looked at each minute.
                known.look_at = row.latest_at + (row.latest_at - known.since) / 4
            seen[row.id] = known
        self._watched = seen
        return changed


def _frozen_since(session: Session, stream: int, slots: Sequence[int]) -> datetime | None:
    others = list(session.scalars(text(_OTHERS), {"id": stream}))
    times, table = _table(session, stream, [*slots, *others], HISTORY)
    begin = all_standing_since(table[:, : len(slots)], table[:, len(slots) :])
    return times[begin] if begin is not None else None


def _moves(session: Session, stream: int, slots: Sequence[int], since: datetime) -> bool:
    times, table = _table(session, stream, slots, RECENT)
    table = table[np.array([at >= since for at in times], dtype=bool)]
    return any(len(np.unique(column[np.isfinite(column)])) > 1 for column in table.T)


def _table(session: Session, stream: int, slots: Sequence[int], most: int) -> tuple[list[datetime], Floats]:
    """The newest rows in order of time, these slots alone; NaN where there is no reading."""
    rows = session.execute(text(_ROWS), {"id": stream, "most": most}).all()[::-1]
    table = np.full((len(rows), len(slots)), np.nan)
    for i, (_, values) in enumerate(rows):
        for j, slot in enumerate(slots):
            if slot <= len(values) and values[slot - 1] is not None:
                table[i, j] = values[slot - 1]
    return [at for at, _ in rows], table


def _write(session: Session, series: Sequence[int], since: datetime | None) -> int:
    session.execute(
        text("UPDATE series SET frozen_since = :since WHERE id = ANY(:ids)"), {"ids": series, "since": since}
    )
    return len(series)
