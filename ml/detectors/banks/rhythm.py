"""In which rows the metrics of many settled assets come: one that begins to come seldom must not stay among them."""

from __future__ import annotations

import numpy as np

from ml.detectors.banks.columns import Column, Columns, Slots, at
from ml.detectors.protocol import Bools
from ml.rhythms import LONG, STEADY, Ints, Rhythm, is_due

ROWS, STEPS = 250, 32_000  # are counted up to here


class RhythmBank:
    """What `Rhythm` counts, stacked: per metric how many rows ago it came, and its long or short steps in a row."""

    def __init__(self, metrics: tuple[str, ...]) -> None:
        self._metrics = metrics
        self._counts = False  # nothing is to be counted before a value was missing for the first time
        self._seen: tuple[Ints, Ints] | None = None
        self.columns = Columns({"since": Column("u1", (len(metrics),)), "run": Column("i2", (len(metrics),))})

    def put(self, slot: int, rhythm: Rhythm) -> None:
        """Take in an asset."""
        since, run = self.columns["since"][slot], self.columns["run"][slot]
        since[:], run[:] = 0, 0
        for j, metric in enumerate(self._metrics):
            if metric in rhythm.metrics:
                place = rhythm.metrics.index(metric)
                if rhythm.last[place] >= 0:
                    since[j] = min(rhythm.rows - 1 - int(rhythm.last[place]), ROWS)
                run[j] = min(int(rhythm.run[place]), STEPS)
        self._counts |= bool(since.any())

    def take(self, slot: int) -> Rhythm:
        """The inverse of `put`, after the rows since then."""
        since, run = (self.columns[name][slot].astype(np.int64) for name in ("since", "run"))
        rows = max(STEADY, int(since.max(initial=0)) + 1)
        return Rhythm(rows, self._metrics, rows - 1 - since, run)

    def look(self, slots: Slots, there: Bools | None) -> Bools | None:
        """In which rows a metric's rhythm may have shown; None: in none."""
        self._seen = None
        if there is None and not self._counts:
            return None
        since = self.columns["since"][slots].astype(np.int64)
        run = self.columns["run"][slots].astype(np.int64)
        known = np.ones(since.shape, dtype=bool) if there is None else there
        long = known & (since + 1 >= LONG)
        shorter = np.where(known, np.maximum(np.minimum(run, 0) - 1, -STEADY), run)
        run = np.where(long, np.minimum(np.maximum(run, 0) + 1, STEPS), shorter)
        self._seen = np.where(known, 0, np.minimum(since + 1, ROWS)), run
        return np.asarray((long & is_due(run)).any(axis=1)) if long.any() else None

    def keep(self, slots: Slots, rows: Slots | None) -> None:
        """Write what the last `look` made of these of its rows (None: all)."""
        if self._seen is None:
            return
        self._counts, where = True, at(slots, rows)
        for name, values in zip(("since", "run"), self._seen, strict=True):
            self.columns[name][where] = values if rows is None else values[rows]
