"""What excursions that healed by themselves teach: how far this asset goes while it is well, fading over months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.detectors import reference
from ml.detectors.protocol import Floats, State
from ml.detectors.widening import widened_or_none

TOLERANCE_FADES_S = 60 * 86400.0


@dataclass(slots=True)
class Tolerance:
    """`wider` [m] is how much wider each sensor's scale was at `since`; `dull` the same for all taken together."""

    wider: Floats | None = None
    since: float = 0.0
    dull: float = 1.0
    dull_since: float = 0.0

    def at(self, t: Floats, metrics: int) -> Floats:
        """How much wider each sensor's scale is [n, m], fading since the last excursion that healed by itself."""
        if self.wider is None:
            return np.ones((1, metrics))
        fading = np.exp(-(t - self.since) / TOLERANCE_FADES_S)[:, None]
        return np.asarray(1 + (self.wider - 1) * fading)

    def dull_at(self, t: Floats) -> Floats:
        """How far beyond the level harmless excursions of all sensors together went lately [n]."""
        return np.asarray(1 + (self.dull - 1) * np.exp(-(t - self.dull_since) / TOLERANCE_FADES_S))

    def widen(self, t: float, worst: Floats, peak: float, opens: float) -> None:
        """An excursion healed without anybody's help: its `worst` sigma [m], and its highest score beside the level."""
        if peak > opens:
            self.dull, self.dull_since = float(self.dull_at(np.array([t]))[0]) * peak / opens, t
        now = self.at(np.array([t]), len(worst))[0]
        wider = np.maximum(now, now * worst / reference.TAIL_SIGMA)
        self.wider = wider.astype(np.float32).astype(float)  # as a bank holds it
        self.since = t

    def move(self, at: Sequence[int], size: int) -> None:
        """The sensors known stand in columns `at` of `size`; of the others nothing is known."""
        self.wider = widened_or_none(self.wider, at, size, 1.0)

    def forget(self) -> None:
        """A repaired asset may have other habits."""
        self.wider, self.dull = None, 1.0

    def state(self) -> State:
        return {
            "tolerance": self.wider, "tolerance_since": self.since, "dull": self.dull, "dull_since": self.dull_since,
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: State) -> Tolerance:
        own = state["tolerance"], state["tolerance_since"]
        return cls(*own, state.get("dull", 1.0), state.get("dull_since", 0.0))
