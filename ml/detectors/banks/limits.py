"""Layer 1 for many assets of one model at once: their readings against the manufacturer's limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from maintenance.decisions import FindingFacts
from ml.detectors.banks.columns import Column, Columns, Slots, at
from ml.detectors.banks.protocol import Layout, Moment
from ml.detectors.protocol import Bools, Floats, State


class LimitsBank:
    """Limits are the slab's; an asset's own are only the last readings of metrics whose rate is limited."""

    def __init__(self, layout: Layout) -> None:
        self.metrics = layout.metrics
        own = [layout.setup.limits.get(metric) for metric in self.metrics]
        self._low = _levels([[of.low_low, of.low] if of else [] for of in own], max, -np.inf)
        self._high = _levels([[of.high_high, of.high] if of else [] for of in own], min, np.inf)
        self._limited = bool(np.isfinite([self._low, self._high]).any())
        self._rated = np.array([j for j, of in enumerate(own) if of and of.rate is not None], dtype=np.int64)
        self._rates = np.array([of.rate for of in own if of and of.rate is not None], dtype=float)
        shape = (len(self._rated),)
        self.columns = Columns({"t": Column("f8", shape, np.nan), "x": Column("f8", shape, np.nan)})
        self._seen = (np.zeros(0), np.zeros(0))

    def holds(self, state: State, moment: Moment) -> bool:
        return not state["current"] and not any(
            each["open"] or any(each["recent_t"]) for each in state["evidence"].values()
        )

    def put(self, slot: int, state: State, moment: Moment) -> State:
        for i, j in enumerate(self._rated):
            last = state["last"].get(self.metrics[j], (np.nan, np.nan))
            self.columns["t"][slot, i], self.columns["x"][slot, i] = last
        return {}

    def take(self, slot: int, rest: State, moment: Moment) -> State:
        last = {}
        for i, j in enumerate(self._rated):
            t, x = self.columns["t"][slot, i], self.columns["x"][slot, i]
            if np.isfinite(t):
                last[self.metrics[j]] = [float(t), float(x)]
        return {"evidence": {}, "current": {}, "last": last}

    def look(self, slots: Slots, t: Floats, dt: Floats, x: Floats, there: Bools | None) -> Bools:
        quiet = np.ones(len(x), dtype=bool)
        if self._limited:
            beyond = (x >= self._high) | (x <= self._low)
            if beyond.any():
                quiet &= ~beyond.any(axis=1)
        if len(self._rated):
            seen, last_t, last = x[:, self._rated], self.columns["t"][slots], self.columns["x"][slots]
            rate = (seen - last) / (t[:, None] - last_t)
            quiet &= ~(np.abs(rate) >= self._rates).any(axis=1)
            known = np.isfinite(seen)
            self._seen = (np.where(known, t[:, None], last_t), np.where(known, seen, last))
        return quiet

    def keep(self, slots: Slots, rows: Slots | None) -> list[tuple[int, FindingFacts]]:
        if len(self._rated):
            where = at(slots, rows)
            for name, values in zip(("t", "x"), self._seen, strict=True):
                self.columns[name][where] = values if rows is None else values[rows]
        return []


def _levels(sides: list[list[float | None]], nearest: Callable[[list[float]], float], none: float) -> Floats:
    """The level of each metric that a reading meets first."""
    told = [[level for level in side if level is not None] for side in sides]
    return np.array([nearest(levels) if levels else none for levels in told])
