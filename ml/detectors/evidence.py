"""Turn a score over time into the beginning and end of evidence: k of n rows to open, a lower level to clear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.detectors.protocol import Floats, State


@dataclass(frozen=True, slots=True)
class Change:
    """Evidence began (`opened`) or ended at row `row` of the block; `first_at` is when it could first be seen."""

    opened: bool
    row: int
    first_at: float
    last_at: float


class Evidence:
    """One signal's memory between blocks. Rows without a score (NaN) count neither way."""

    def __init__(self, k: int = 2, n: int = 3, quiet_rows: int = 5) -> None:
        if not 1 <= k <= n:
            raise ValueError(f"k of n needs 1 <= k <= n, not {k} of {n}")
        self.k, self.n, self.quiet_rows = k, n, quiet_rows
        self.open = False
        self.first_at = self.last_at = 0.0
        self._recent_t: list[float] = []  # the last n scored rows: their times (0.0 when below the opening level)
        self._quiet = 0

    def update(self, t: Floats, score: Floats, opens: float, clears: float) -> list[Change]:
        """Return the changes in these rows in order."""
        rows = np.flatnonzero(np.isfinite(score))
        if len(rows) == 0:
            return []
        above, below = score[rows] >= opens, score[rows] < clears
        times = np.concatenate([self._recent_t, np.where(above, t[rows], 0.0)])
        carried = len(self._recent_t)
        hits = np.convolve(times > 0, np.ones(self.n))[carried : carried + len(rows)]
        quiet = _run_lengths(below, self._quiet)
        changes: list[Change] = []
        at = 0
        while at < len(rows):
            wanted = quiet[at:] >= self.quiet_rows if self.open else hits[at:] >= self.k
            step = int(np.argmax(wanted))
            if not wanted[step]:
                break
            at += step
            changes.append(self._change(int(rows[at]), times[max(0, carried + at - self.n + 1) : carried + at + 1]))
            at += 1
        if self.open and above.any():
            self.last_at = max(self.last_at, float(t[rows[np.flatnonzero(above)[-1]]]))
        self._recent_t = times[-(self.n - 1) :].tolist() if self.n > 1 else []
        self._quiet = int(quiet[-1])
        return _with_ends(changes, t, rows, above)

    def _change(self, row: int, window: Floats) -> Change:
        self.open = not self.open
        if self.open:
            seen = window[window > 0]
            self.first_at, self.last_at = float(seen[0]), float(seen[-1])
        return Change(self.open, row, self.first_at, self.last_at)

    def rests(self) -> bool:
        """Is there nothing to remember? Rows below the level that opens would change nothing then."""
        return not self.open and not any(self._recent_t)

    def cut(self) -> None:
        """Forget what came before: a gap, or another reference."""
        self.open, self._recent_t, self._quiet = False, [], 0

    def state(self) -> State:
        return {
            "open": self.open,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "recent_t": list(self._recent_t),
            "quiet": self._quiet,
        }

    def restore(self, state: State) -> None:
        self.open = bool(state["open"])
        self.first_at, self.last_at = float(state["first_at"]), float(state["last_at"])
        self._recent_t = [float(v) for v in state["recent_t"]]
        self._quiet = int(state["quiet"])


def _run_lengths(
    flags: np.ndarray[tuple[int], np.dtype[np.bool_]], carried: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many rows in a row the flag has been true, up to and with each row."""
    index = np.arange(len(flags))
    last_false = np.maximum.accumulate(np.where(flags, -1, index))
    return np.where(flags, index - last_false + np.where(last_false < 0, carried, 0), 0)


def _with_ends(changes: list[Change], t: Floats, rows: np.ndarray, above: np.ndarray) -> list[Change]:
    """Give each clearing the time of the last row above the level before it."""
    high = t[rows[above]]
    ended = []
    for change in changes:
        last = change.last_at
        if not change.opened and len(high):
            before = high[high <= t[change.row]]
            last = max(last, float(before[-1])) if len(before) else last
        ended.append(Change(change.opened, change.row, change.first_at, last))
    return ended
