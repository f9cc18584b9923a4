"""What the residual detector keeps for one regime: learning memory, reference, smoothed residuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from ml.detectors import dynamics, plain, reference
from ml.detectors.dynamics import Dynamics, Track
from ml.detectors.protocol import Bools, Floats
from ml.detectors.reference import Reference
from ml.detectors.widening import widened, widened_or_none

FAST_MIN_S = 3.0
CHUNK_ROWS = 60  # the reference may only change at these boundaries, so that blocks can be cut anywhere
LEARN_ROWS = 60
MOVED_SIGMA = 2.0  # a smaller offset after a repair is the usual wander, not a new normal
MAX_ROWS = 4096  # of learning memory; beyond it every second row goes, of many variables every second chunk


@dataclass(slots=True)
class Regime:
    """`known` is None while learning; `settled` once the reference is frozen for good."""

    prior: Floats | None = None
    times: list[Floats] = field(default_factory=list)
    rows: list[Floats] = field(default_factory=list)
    kept: int = 0
    next_fit: int = LEARN_ROWS
    settled: bool = False
    known: Reference | None = None
    fast: Floats | None = None
    slow: Floats | None = None
    chunk_t: list[Floats] = field(default_factory=list)
    chunk_x: list[Floats] = field(default_factory=list)
    chunk_n: int = 0
    chunk_worst: float = 0.0
    last_t: float = 0.0
    revision: int = 0
    recentring: list[Floats] | None = None  # residuals seen since a repair, until there are enough
    settles_until: float = 0.0  # a repaired machine is on its way back: nothing is learned from the way
    dynamics: Dynamics | None = None  # of many variables: replaces the residuals' score
    track: Track | None = None
    vouched: bool = False  # somebody said that what was learned from is healthy
    chunk_loud: int = 0  # alarmed rows in the chunk, where dynamics count them
    standing: list[Floats] = field(default_factory=list)  # raw rows beside `recentring`
    habits: Floats | None = None  # of the dynamics' statistics on this asset's own quiet rows
    chunk_told: list[Floats] = field(default_factory=list)
    late: list[str] = field(default_factory=list)  # metrics that no reference knows: they came later, or not yet
    waiting: list[str] = field(default_factory=list)  # those of them that were told since it was frozen

    def start_over(self) -> None:
        """A new start: the centre is learned again, the scale so far stays as what is believed."""
        if self.known is not None:
            own = self.known.own_scale()
            self.prior = own if self.prior is None else np.where(np.isfinite(own), own, self.prior)
        self.known = None
        self.learn_together(None)
        self.pause()
        self.recentring, self.standing = None, []
        self.times, self.rows, self.kept = [], [], 0
        self.forget_chunk()
        self.next_fit, self.settled, self.vouched = LEARN_ROWS, False, False
        self.late, self.waiting = [], []

    def forget_chunk(self) -> None:
        self.chunk_t, self.chunk_x, self.chunk_n, self.chunk_worst, self.chunk_loud = [], [], 0, 0.0, 0
        self.chunk_told = []

    def pause(self) -> None:
        """Smoothing begins anew: what came before is not just before."""
        self.fast = self.slow = self.track = None

    def let_go(self, metrics: Sequence[str], columns: Bools) -> None:
        """Metrics [m] that come no more: their last levels are none of now, and they wait for nothing."""
        self.track = None
        gone = {metric for metric, is_gone in zip(metrics, columns, strict=True) if is_gone}
        self.late += [metric for metric in self.waiting if metric in gone]  # they may come back
        self.waiting = [metric for metric in self.waiting if metric not in gone]
        if self.fast is not None and self.slow is not None:
            self.fast, self.slow = np.where(columns, 0.0, self.fast), np.where(columns, 0.0, self.slow)

    def widen(self, at: Sequence[int], size: int, new: Sequence[str]) -> None:
        """Make room for new metrics; those known stand in columns `at` of `size`. What is known stays what it is."""
        self.prior = widened_or_none(self.prior, at, size, np.nan)
        self.rows, self.chunk_x, self.standing = (
            [widened(part, at, size, np.nan) for part in parts] for parts in (self.rows, self.chunk_x, self.standing)
        )
        if self.recentring is not None:
            self.recentring = [widened(part, at, size, np.nan) for part in self.recentring]
        self.known = None if self.known is None else self.known.widened(at, size)
        self.fast, self.slow = (widened_or_none(level, at, size, 0.0) for level in (self.fast, self.slow))
        self.late = [*self.late, *new]

    def note_late(self, metrics: Sequence[str], told: Bools) -> None:
        """Which metrics [m] the reference does not know because they came late, or are not told [m] at all so far."""
        usable = cast(Reference, self.known).usable
        self.late = [
            metric for j, metric in enumerate(metrics) if not usable[j] and (metric in self.late or not told[j])
        ]
        self.waiting = []

    def note_waiting(self, metrics: Sequence[str], values: Floats) -> None:
        """Late metrics that are told now, when all is learned, wait until somebody says that normal is another."""
        told = {metric for metric in self.late if np.isfinite(values[:, metrics.index(metric)]).any()}
        self.waiting += sorted(told)
        self.late = [metric for metric in self.late if metric not in told]

    def adopt(self, known: Reference, learned: Dynamics | None, own: Floats) -> None:
        """Take over what peers showed; the centre is the asset's own, as far as its rows `own` [n, m] tell."""
        offset = np.nan_to_num(_column_median(known.residual(np.zeros(len(own)), own))) if len(own) else known.offset
        moved = np.abs(offset) > MOVED_SIGMA * known.scale[1]
        self.known = replace(known, offset=known.offset + np.where(moved, offset, 0.0))
        self.learn_together(dynamics.at_home(learned, own) if learned is not None else None)
        if self.dynamics is not None and len(own):
            self.habits = dynamics.practised(None, dynamics.advance(self.dynamics, None, own)[1])
        self.revision += 1
        self.pause()

    def room(self) -> int:
        """Rows until the next moment at which anything may be learned, wherever blocks are cut."""
        if self.known is None:
            return LEARN_ROWS - self.kept % LEARN_ROWS
        if self.recentring is not None:
            return max(1, LEARN_ROWS - sum(map(len, self.recentring)))
        return CHUNK_ROWS - self.chunk_n

    def learn_together(self, learned: Dynamics | None) -> None:
        self.dynamics, self.habits, self.chunk_told = learned, None, []

    def remember(self, t: Floats, values: Floats) -> None:
        """Keep rows to learn from; thinned by half when memory is full, so that the span keeps growing."""
        self.times.append(np.array(t))
        self.rows.append(np.array(values))
        self.kept += len(t)
        if self.kept > MAX_ROWS:
            times, rows = np.concatenate(self.times), np.concatenate(self.rows)
            # Lagged models need neighbours; the others are better off with half of every stretch.
            run = CHUNK_ROWS if rows.shape[1] >= dynamics.MIN_METRICS else 1
            left = np.flatnonzero(np.arange(len(rows)) // run % 2 == 0)
            times, rows = times[left], rows[left]
            self.times, self.rows, self.kept = [times], [rows], len(times)
            self.next_fit = min(self.next_fit, MAX_ROWS - CHUNK_ROWS)

    def smooth(self, r: Floats, dt: Floats) -> tuple[Floats, Floats]:
        """Fast and slow averages of the residuals r [n, m], in time; missing ones keep the last value."""
        known = cast(Reference, self.known)
        present = np.isfinite(r)
        r = np.nan_to_num(r)
        fast_steps = 1 - np.exp(-dt / np.maximum(reference.FAST_ROWS * dt, FAST_MIN_S))
        slow_steps = 1 - np.exp(-np.minimum(dt / (reference.SLOW_ROWS * known.dt), 2 / reference.SLOW_ROWS))
        fast = self.fast if self.fast is not None else np.zeros(r.shape[1])
        slow = self.slow if self.slow is not None else np.zeros(r.shape[1])
        fasts, slows = np.empty_like(r), np.empty_like(r)
        for i in range(len(r)):
            fast = fast + fast_steps[i] * present[i] * (r[i] - fast)
            slow = slow + slow_steps[i] * present[i] * (r[i] - slow)
            fasts[i], slows[i] = fast, slow
        self.fast, self.slow = fast, slow
        return fasts, slows

    def recentre(self, t: Floats, values: Floats) -> None:
        """After a repair the relations stay; offsets are learned anew from LEARN_ROWS rows where they moved."""
        known, waiting = cast(Reference, self.known), cast(list[Floats], self.recentring)
        at_rest = t >= self.settles_until
        waiting.append(known.residual(t[at_rest], values[at_rest]))
        self.standing += [np.array(values[at_rest])] if self.dynamics is not None else []
        if sum(map(len, waiting)) >= LEARN_ROWS:
            offset = np.nan_to_num(_column_median(np.concatenate(waiting)))
            offset = np.where(np.abs(offset) > MOVED_SIGMA * known.scale[1], offset, 0.0)
            self.known = replace(known, offset=known.offset + offset)
            if self.dynamics is not None:
                self.learn_together(dynamics.at_home(self.dynamics, np.concatenate(self.standing)))
            self.recentring, self.standing = None, []
            self.pause()
            self.revision += 1

    def to_plain(self) -> dict[str, Any]:
        return {
            "prior": self.prior,
            "times": _joined(self.times),
            "rows": _joined(self.rows),
            "kept": self.kept,
            "next_fit": self.next_fit,
            "settled": self.settled,
            "known": plain.reference_to_plain(self.known),
            "fast": self.fast,
            "slow": self.slow,
            "chunk_t": _joined(self.chunk_t),
            "chunk_x": _joined(self.chunk_x),
            "chunk_n": self.chunk_n,
            "chunk_worst": self.chunk_worst,
            "last_t": self.last_t,
            "revision": self.revision,
            "settles_until": self.settles_until,
            "recentring": None if self.recentring is None else list(self.recentring),
            "dynamics": None if self.dynamics is None else self.dynamics.to_plain(),
            "track": None if self.track is None else self.track.to_plain(),
            "chunk_loud": self.chunk_loud,
            "vouched": self.vouched,
            "standing": list(self.standing),
            "habits": self.habits,
            "chunk_told": _joined(self.chunk_told),
            "late": list(self.late),
            "waiting": list(self.waiting),
        }

    @classmethod
    def from_plain(cls, stored: dict[str, Any]) -> Regime:
        values = dict(stored)
        for name in ("times", "rows", "chunk_t", "chunk_x", "chunk_told"):
            values[name] = [] if values.get(name) is None else [values[name]]
        values["known"] = plain.reference_from_plain(values["known"])
        if values.get("dynamics") is not None:
            values["dynamics"] = Dynamics(**values["dynamics"])
        if values.get("track") is not None:
            values["track"] = Track(**values["track"])
        return cls(**values)


def _joined(parts: list[Floats]) -> Floats | None:
    return np.concatenate(parts) if parts else None


def _column_median(values: Floats) -> Floats:
    known = np.isfinite(values).any(axis=0)
    out = np.zeros(values.shape[1])
    out[known] = np.nanmedian(values[:, known], axis=0)
    return out
