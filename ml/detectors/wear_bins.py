"""Hourly means of one asset's readings, per operating mode, whatever the pace at which the readings come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml.detectors.protocol import Block, Floats, State
from ml.detectors.widening import widened

BIN_S = 3600.0
MAX_MODES = 12  # more are no modes but free text
OTHER = "?"


@dataclass(frozen=True, slots=True)
class Bins:
    """Hours in order of time: their last moment [n], the mean of each metric [n, m], the prevailing mode [n]."""

    t: Floats
    values: Floats
    modes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.t)


@dataclass(slots=True)
class _Sum:
    total: Floats
    count: Floats
    rows: int
    last_t: float


@dataclass(slots=True)
class Hours:
    """Sums of the hour that has not ended yet, per mode."""

    metrics: int = 0
    hour: float = -1.0
    open: dict[str, _Sum] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    pace: float = 0.0  # rows an hour lately

    def take(self, block: Block) -> Bins:
        """Add rows in order of time; return the hours that ended before the last row's hour."""
        n, m = block.values.shape
        if m != self.metrics:
            self.open, self.hour, self.metrics = {}, -1.0, m
        if block.modes is None and self._same_hour(block):
            return Bins(np.zeros(0), np.zeros((0, m)), ())
        # What comes late counts to the hour that is open: its own has been judged.
        hours, codes = np.maximum(np.floor(block.t / BIN_S), self.hour), self._codes(block)
        change = np.concatenate([[True], (hours[1:] != hours[:-1]) | (codes[1:] != codes[:-1])])
        starts = np.flatnonzero(change)
        finite = np.isfinite(block.values)
        totals = np.add.reduceat(np.where(finite, block.values, 0.0), starts, axis=0)
        counts = np.add.reduceat(finite.astype(float), starts, axis=0)
        rows = np.diff([*starts, n])
        ended: list[tuple[float, Floats, str]] = []
        for i, start in enumerate(starts.tolist()):
            if hours[start] != self.hour:
                ended += self._close()
                self.hour = float(hours[start])
            mode = self.known[codes[start]] if codes[start] >= 0 else OTHER
            last_t = float(block.t[start + rows[i] - 1])
            own = self.open.get(mode)
            if own is None:
                self.open[mode] = _Sum(totals[i], counts[i], int(rows[i]), last_t)
            else:
                last_t = max(own.last_t, last_t)
                self.open[mode] = _Sum(own.total + totals[i], own.count + counts[i], own.rows + int(rows[i]), last_t)
        return _bins(ended, m)

    def ended(self, mode: str, total: Floats, count: Floats, rows: int, last_t: float) -> Bins:
        """Close the hour with these sums of the mode, beside what is open of others."""
        self.open[mode] = _Sum(total, count, rows, last_t)
        return _bins(self._close(), len(total))

    def widen(self, at: Sequence[int], size: int) -> None:
        """Make room for new metrics; those known stand in columns `at` of `size`."""
        self.metrics = size
        for own in self.open.values():
            own.total, own.count = widened(own.total, at, size, 0.0), widened(own.count, at, size, 0.0)

    def now(self) -> float:
        """Rows an hour: lately, or more if the open hour has more already."""
        return max(self.pace, float(sum(each.rows for each in self.open.values())))

    def _same_hour(self, block: Block) -> bool:
        """Add the rows if they belong to the open hour of the only mode: most blocks do."""
        own = self.open.get("")
        if own is None or len(self.open) > 1 or block.t[-1] // BIN_S != self.hour or block.t[0] // BIN_S != self.hour:
            return False
        finite = np.isfinite(block.values)
        own.total = own.total + np.where(finite, block.values, 0.0).sum(axis=0)
        own.count = own.count + finite.sum(axis=0)
        own.rows, own.last_t = own.rows + len(block), float(block.t[-1])
        return True

    def _codes(self, block: Block) -> NDArray[np.int64]:
        """The mode of each row by its place in `known`; -1 where there is none that counts."""
        if block.modes is None:
            if not self.known:
                self.known.append("")
            return np.full(len(block), self.known.index("") if "" in self.known else -1)
        own = np.full(len(block.mode_names) + 1, -1)
        for code in np.unique(block.modes).tolist():
            if 0 <= code < len(block.mode_names):
                name = block.mode_names[code]
                if name not in self.known and len(self.known) < MAX_MODES:
                    self.known.append(name)
                own[code] = self.known.index(name) if name in self.known else -1
        codes = np.where((block.modes >= 0) & (block.modes < len(block.mode_names)), block.modes, -1)
        return np.asarray(own[codes])

    def _close(self) -> list[tuple[float, Floats, str]]:
        if not self.open:
            return []
        rows = sum(each.rows for each in self.open.values())
        self.pace += (rows - self.pace) * (0.1 if self.pace else 1.0)
        mode, own = max(self.open.items(), key=lambda item: (item[1].rows, item[0]))
        self.open = {}
        with np.errstate(invalid="ignore", divide="ignore"):
            return [(own.last_t, own.total / own.count, mode)]

    def state(self) -> State:
        sums = {
            k: {"total": s.total, "count": s.count, "rows": s.rows, "last_t": s.last_t} for k, s in self.open.items()
        }
        return {"metrics": self.metrics, "hour": self.hour, "open": sums, "known": list(self.known), "pace": self.pace}

    def restore(self, state: State) -> None:
        self.metrics, self.hour = int(state["metrics"]), float(state["hour"])
        self.known, self.pace = [str(name) for name in state["known"]], float(state["pace"])
        self.open = {k: _Sum(**each) for k, each in state["open"].items()}


def _bins(ended: list[tuple[float, Floats, str]], metrics: int) -> Bins:
    t = np.array([each[0] for each in ended])
    values = np.array([each[1] for each in ended]).reshape(len(ended), metrics)
    return Bins(t, values, tuple(each[2] for each in ended))
