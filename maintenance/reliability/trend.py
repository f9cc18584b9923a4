"""Do a machine's failures come closer together? Laplace's test and the power law of Crow and AMSAA; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

FEWEST = 4


@dataclass(frozen=True, slots=True)
class Trend:
    """`growth` of the power law N(t) ~ t^growth: above 1 failures come faster. `p`: how likely without any trend."""

    score: float | None
    p: float | None
    growth: float | None
    verdict: str  # worse | better | none | too_few
    n: int


def trend(machines: Sequence[tuple[float, Sequence[float]]], level: float = 0.05) -> Trend:
    """Return the trend of machines together; each is (hours seen, hours from its beginning at which it failed).

    Laplace's test, pooled: without a trend, the moments of failure lie evenly over the time seen.
    """
    n = sum(len(moments) for _, moments in machines)
    if n < FEWEST:
        return Trend(None, None, None, "too_few", n)
    total = math.fsum(sum(moments) for _, moments in machines)
    expected = math.fsum(len(moments) * hours / 2 for hours, moments in machines)
    variance = math.fsum(len(moments) * hours**2 / 12 for hours, moments in machines)
    score = (total - expected) / math.sqrt(variance)
    p = float(2 * stats.norm.sf(abs(score)))
    logs = math.fsum(math.log(hours / max(moment, 1e-9)) for hours, moments in machines for moment in moments)
    verdict = "none" if p >= level else "worse" if score > 0 else "better"
    return Trend(score, p, n / logs if logs > 0 else None, verdict, n)
