"""How long to wait before connecting again, so that thousands of agents do not come back at the same moment."""

from __future__ import annotations

import random
from dataclasses import dataclass

LEAST_S = 0.05
_MOST_DOUBLINGS = 16


@dataclass(slots=True)
class Backoff:
    """Exponential with full jitter. Only a connection that lasted begins anew: one that is made and then ended by the
    broker counts as a failure, else an agent that is thrown out would come back at once, for ever."""

    base_s: float
    most_s: float
    stable_s: float
    failures: int = 0

    def ended(self, lasted_s: float) -> None:
        """Note that a connection, or the attempt at one, has ended after so long."""
        self.failures = 0 if lasted_s > self.stable_s else self.failures + 1

    def delay_s(self, chance: random.Random | None = None) -> float:
        """Return how long to wait now."""
        ceiling_s = min(self.most_s, self.base_s * 2 ** min(self.failures, _MOST_DOUBLINGS))
        return (chance or random).uniform(LEAST_S, max(LEAST_S, ceiling_s))
