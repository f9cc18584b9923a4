"""An asset's own healthy wander by sensor and channel: begun from belief, learned a week behind, capped."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from ml.detectors.protocol import Floats, State

BELIEF_TICKS = 60.0  # half-days for which the belief counts
LAG_TICKS = 14  # what is happening now must not widen its own scale
CAP = 9.0  # mean squares beyond the belief that one half-day can add: an excursion is not the habit


@dataclass(slots=True)
class Wander:
    """`prior` [C, 2, m] mean squares; `step` gives the channels in healthy sigma and learns from them later."""

    prior: Floats
    old: Floats = field(default_factory=lambda: np.zeros(0))
    ripening: Floats = field(default_factory=lambda: np.zeros(0))
    young: Floats = field(default_factory=lambda: np.zeros(0))
    old_ticks: float = 0.0
    ripening_ticks: float = 0.0
    young_ticks: float = 0.0

    def __post_init__(self) -> None:
        if self.old.shape != self.prior.shape:
            self.old, self.ripening, self.young = (np.zeros_like(self.prior) for _ in range(3))

    def step(self, channels: Floats, muted: bool) -> Floats:
        z = channels / np.sqrt((BELIEF_TICKS * self.prior + self.old) / (BELIEF_TICKS + self.old_ticks))
        if not muted:
            self.young = self.young + np.minimum(channels**2, CAP * self.prior)
            self.young_ticks += 1
            if self.young_ticks >= LAG_TICKS:
                self.old, self.old_ticks = self.old + self.ripening, self.old_ticks + self.ripening_ticks
                self.ripening, self.ripening_ticks = self.young, self.young_ticks
                self.young, self.young_ticks = np.zeros_like(self.prior), 0.0
        return np.asarray(z)

    def state(self) -> State:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_state(cls, state: State) -> Wander:
        return cls(**state)
