"""Operating regimes that nobody tells: clusters of what the machine is asked to do, where there are real ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ml.detectors.protocol import Floats, State

Labels = NDArray[np.int64]

# What people or a controller choose: by these a machine's regimes are told apart, never by weather or health.
_CHOSEN = re.compile(r"load|demand|command|setp|set_point|speed|rpm|throughput|feed_rate|production|duty|frequency_hz")
_NOT_CHOSEN = re.compile(r"wind_|ambient|outdoor|belt_speed|current|power|temperature|pressure|vibration")
MAX_GROUPS, MAX_REGIMES = 5, 8
LEAST_SHARE, LEAST_HOURS = 0.05, 12  # of the rows known: rarer is no regime yet
VALLEY = 0.25  # between two regimes there are at most so many rows as at the lesser of their peaks
MAX_POINTS = 120  # of sorted values, enough to see groups
PREFIX = "regime "


def is_chosen(metric: str) -> bool:
    """True for load, speed and the like: what the machine is asked to do, by the words of its name."""
    name = metric.lower()
    return _CHOSEN.search(name) is not None and _NOT_CHOSEN.search(name) is None


@dataclass(frozen=True, slots=True)
class HiddenModes:
    """Centres [k, c] of the regimes in units of `spread` [c], over the columns `inputs` of a row."""

    inputs: tuple[int, ...]
    spread: Floats
    centres: Floats

    def of(self, row: Floats) -> str:
        """The regime of a row [m]; "" where an input is missing."""
        own = row[list(self.inputs)] / self.spread
        if not np.isfinite(own).all():
            return ""
        return f"{PREFIX}{int(np.argmin(((self.centres - own) ** 2).sum(axis=1))) + 1}"

    def moved(self, at: Sequence[int]) -> HiddenModes:
        """The same of rows whose column j stands at `at[j]`."""
        return replace(self, inputs=tuple(at[j] for j in self.inputs))

    def state(self) -> State:
        return {"inputs": list(self.inputs), "spread": self.spread, "centres": self.centres}

    @classmethod
    def from_state(cls, state: State) -> HiddenModes:
        return cls(tuple(int(j) for j in state["inputs"]), state["spread"], state["centres"])


def find(metrics: Sequence[str], values: Floats) -> HiddenModes | None:
    """The regimes that rows [n, m] show: groups of each chosen metric that falls into groups, and their combinations.

    None where none does, or where there are too many combinations to be regimes.
    """
    inputs, labels = [], []
    for j in (j for j, name in enumerate(metrics) if is_chosen(name)):
        known = np.isfinite(values[:, j])
        found = _groups(values[known, j])
        if found is not None:
            label = np.full(len(values), -1)
            label[known] = found
            inputs.append(j)
            labels.append(label)
    if not inputs:
        return None
    label = np.stack(labels, axis=1)
    whole = (label >= 0).all(axis=1)
    x, label = values[whole][:, inputs], label[whole]
    combined, counts = np.unique(label, axis=0, return_counts=True)
    kept = combined[counts >= max(LEAST_HOURS, LEAST_SHARE * len(x))] if len(x) else combined
    if not 2 <= len(kept) <= MAX_REGIMES:
        return None
    spread = x.std(axis=0)
    centres = np.array([x[(label == each).all(axis=1)].mean(axis=0) for each in kept])
    return HiddenModes(tuple(inputs), spread, centres / spread)


def _groups(x: Floats) -> Labels | None:
    """Which of as many groups as can be told apart each value [n] belongs to; None where they are one."""
    spread = float(x.std()) if len(x) else 0.0
    if spread <= 1e-9 * (1 + float(np.abs(x).max(initial=0.0))):
        return None
    z = x / spread
    for limits in reversed(_limits(z)):
        label = np.searchsorted(limits, z)
        if _are_apart(z, label, len(limits) + 1):
            return label
    return None


def _limits(x: Floats) -> list[Floats]:
    """Between which values [n] the groups lie when there are 2, 3, … MAX_GROUPS of them with the least squares
    within: exact, by dynamic programming over some of the sorted values."""
    points = np.sort(x)
    points = points[np.linspace(0, len(points) - 1, min(len(points), MAX_POINTS)).astype(int)]
    n = len(points)
    ones, squares = (np.concatenate([[0.0], np.cumsum(points**power)]) for power in (1, 2))
    least = squares[1:] - ones[1:] ** 2 / np.arange(1, n + 1)  # of the first i + 1 points in one group
    begins: list[Labels] = []  # of the last group, when the i-th point ends it
    found: list[Floats] = []
    for _ in range(min(MAX_GROUPS, n) - 1):
        begin, best = np.zeros(n, dtype=np.int64), np.array(least)
        for last in range(1, n):
            first = np.arange(1, last + 1)
            within = squares[last + 1] - squares[first] - (ones[last + 1] - ones[first]) ** 2 / (last + 1 - first)
            total = least[first - 1] + within
            begin[last], best[last] = first[total.argmin()], total.min()
        begins.append(begin)
        least, end, cuts = best, n - 1, []
        for each in reversed(begins):
            cuts.append(max(int(each[end]), 1))
            end = cuts[-1] - 1
        found.append(np.array(sorted((points[cut - 1] + points[cut]) / 2 for cut in cuts)))
    return found


def _are_apart(x: Floats, label: Labels, groups: int) -> bool:
    """Has each group rows enough, and is there a valley between every two neighbours?

    A valley: halfway there are far fewer rows than around either end of the way from one centre to the next.
    """
    if np.bincount(label, minlength=groups).min() < max(LEAST_HOURS, LEAST_SHARE * len(x)):
        return False
    for one, other in pairwise(float(x[label == i].mean()) for i in range(groups)):
        at = (x - one) / max(other - one, 1e-12)
        ends = min((np.abs(at) < 1 / 6).sum(), (np.abs(at - 1) < 1 / 6).sum())
        if (np.abs(at - 0.5) < 1 / 6).sum() > VALLEY * ends:
            return False
    return True
