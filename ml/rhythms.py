"""In which rows of an asset each metric comes: what comes seldom, in rows of its own, keeps a rhythm of its own.

Bursts of vibration beside a reading a second, or a second device that wakes each quarter of an hour: in the rows of the
others such metrics are always missing, and what counts rows (references, k of n, missing sensors) must count their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml.detectors.protocol import Bools, State

Ints = NDArray[np.int64]

LONG = 4  # rows from one telling to the next: a metric that comes in less than a quarter of the rows
SURE = 7  # such steps in a row; doubled each time that nothing came of it
STEADY = 28  # short steps in a row: beside such a metric others are seldom, else all come by turns
NEVER, BEFORE = -1, -2  # no row yet, and a row before those that are counted


@dataclass(slots=True)
class Rhythm:
    """Counts rows; per metric the row of its last telling, and how many long (or, negative, short) steps it made."""

    rows: int = 0
    metrics: tuple[str, ...] = ()
    last: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    run: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def told(self, metrics: Sequence[str]) -> Bools:
        """Which of these were ever told in rows counted here?"""
        known = {metric for metric, at in zip(self.metrics, self.last, strict=True) if at != NEVER}
        return np.array([metric in known for metric in metrics], dtype=bool)

    def take(self, metrics: tuple[str, ...], present: Bools) -> int:
        """Count rows [n, m], up to one at which a metric's rhythm may have shown; return how many."""
        own = self._places(metrics)
        if len(present) == 1 or present.all():
            if self._row(own, present[0]):
                return 1
            if (rest := len(present) - 1) > 0:
                self.run[own] = np.maximum(np.minimum(self.run[own], 0) - rest, -STEADY)
                self.rows += rest
                self.last[own] = self.rows - 1
            return len(present)
        stop = len(present)
        for place, column in zip(own.tolist(), present.T, strict=True):
            stop = min(stop, self._shows(place, np.flatnonzero(column[:stop])) + 1)
        for place, column in zip(own.tolist(), present.T, strict=True):
            told = np.flatnonzero(column[:stop])
            if len(told):
                runs = self._runs(place, told)
                self.run[place] = runs[-1] if len(runs) else self.run[place]
                self.last[place] = self.rows + told[-1]
        self.rows += stop
        return stop

    def seldom(self, metrics: Sequence[str], present: Bools) -> tuple[str, ...]:
        """Which of the metrics told in the last row [m] come so seldom that they are no part of the others' rows?"""
        if not len(self.run) or self.run.min() > -STEADY:
            return ()
        rare = {metric for metric, run in zip(self.metrics, self.run, strict=True) if run >= SURE}
        return tuple(metric for metric, there in zip(metrics, present, strict=True) if there and metric in rare)

    def know(self, metrics: tuple[str, ...]) -> None:
        """These were counted elsewhere, and come with the others from now on."""
        own = self._places(metrics)
        self.last[own], self.run[own] = BEFORE, 0

    def drop(self, metrics: Sequence[str]) -> None:
        """These are counted elsewhere from now on."""
        kept = np.array([metric not in metrics for metric in self.metrics], dtype=bool)
        self.metrics = tuple(metric for metric in self.metrics if metric not in metrics)
        self.last, self.run = self.last[kept], self.run[kept]

    def _places(self, metrics: tuple[str, ...]) -> Ints:
        new = [metric for metric in metrics if metric not in self.metrics]
        if new:
            self.metrics = (*self.metrics, *new)
            self.last = np.concatenate([self.last, np.full(len(new), NEVER)])
            self.run = np.concatenate([self.run, np.zeros(len(new), dtype=np.int64)])
        if metrics == self.metrics:
            return np.arange(len(metrics))
        return np.array([self.metrics.index(metric) for metric in metrics], dtype=np.int64)

    def _row(self, own: Ints, present: Bools) -> bool:
        """Count one row; return whether a rhythm may have shown."""
        last, run = self.last[own], self.run[own]
        stepped = present & (last >= 0)
        long = stepped & (self.rows - last >= LONG)
        shorter = np.where(stepped, np.maximum(np.minimum(run, 0) - 1, -STEADY), run)
        run = np.where(long, np.maximum(run, 0) + 1, shorter)
        self.last[own], self.run[own] = np.where(present, self.rows, last), run
        self.rows += 1
        return bool(is_due(run[long]).any())

    def _runs(self, place: int, told: Ints) -> Ints:
        """The count of long or short steps after each row at which the metric was told."""
        at, last = self.rows + told, int(self.last[place])
        if last < 0:
            if len(at) < 2:
                return np.zeros(0, dtype=np.int64)
            steps = np.diff(at)
        else:
            steps = np.diff(at, prepend=last)
        long, carried = steps >= LONG, int(self.run[place])
        index = np.arange(len(long))
        short_before = np.maximum.accumulate(np.where(long, -1, index))
        long_before = np.maximum.accumulate(np.where(long, index, -1))
        longs = index - short_before + np.where(short_before < 0, max(carried, 0), 0)
        shorts = index - long_before + np.where(long_before < 0, max(-carried, 0), 0)
        return np.asarray(np.where(long, longs, np.maximum(-shorts, -STEADY)))

    def _shows(self, place: int, told: Ints) -> int:
        """The first row at which the metric's rhythm may have shown; far away where it does not."""
        if not len(told):
            return 2**62
        runs = self._runs(place, told)
        due = np.flatnonzero(is_due(runs))
        return int(told[len(told) - len(runs) + due[0]]) if len(due) else 2**62

    def state(self) -> State:
        return {"rows": self.rows, "metrics": list(self.metrics), "last": self.last, "run": self.run}

    @classmethod
    def from_state(cls, state: State) -> Rhythm:
        return cls(int(state["rows"]), tuple(state["metrics"]), np.array(state["last"]), np.array(state["run"]))


def is_due(run: Ints) -> Bools:
    """SURE long steps, and each time twice as many: all metrics of a device that tells one at a time are seldom."""
    doubled = run // SURE
    return np.asarray((run >= SURE) & (run % SURE == 0) & ((doubled & (doubled - 1)) == 0))
