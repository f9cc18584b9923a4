"""MTBF, MTTR and availability with their intervals, from the lives of one or many machines; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import stats

from maintenance.reliability.lives import Lived

CONFIDENCE = 0.95

# Figure -> its formula in the words of its parts.
FORMULAS: dict[str, str] = {
    "mtbf": "hours up / failures",
    "mttr_clock": "sum(up again - down) / failures",
    "mttr_work": "sum(hours of work on the repair) / repairs",
    "availability": "hours up / hours observed",
    "availability_inherent": "(hours observed - hours failed) / hours observed",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """A figure with its interval. `value` None where no failure was seen; `low` is then a bound from below.

    `high` None: it may be any length.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reliability:
    """What a group of machines did in a period; hours of all of them together."""

    machines: int
    exposed_h: float
    observed_h: float
    up_h: float
    failed_h: float
    planned_h: float
    failures: int
    open_failures: int
    carried_in: int
    mtbf: Rate
    mttr_clock: Rate
    availability: float | None
    availability_inherent: float | None


def reliability(lives: Iterable[Lived], confidence: float = CONFIDENCE) -> Reliability:
    """Return the figures of some machines together: their hours and failures are summed, never their means."""
    found = [life for life in lives if life.exposed_h > 0]
    up = sum(life.up_h for life in found)
    observed = sum(life.observed_h for life in found)
    failed = sum(life.failed_h for life in found)
    failures = [failure for life in found for failure in life.failures]
    return Reliability(
        machines=len(found),
        exposed_h=sum(life.exposed_h for life in found),
        observed_h=observed,
        up_h=up,
        failed_h=failed,
        planned_h=sum(life.planned_h for life in found),
        failures=len(failures),
        open_failures=sum(not failure.restored for failure in failures),
        carried_in=sum(life.carried_in for life in found),
        mtbf=mtbf(up, len(failures), confidence),
        mttr_clock=mean_time([failure.hours for failure in failures], confidence),
        availability=up / observed if observed > 0 else None,
        availability_inherent=(observed - failed) / observed if observed > 0 else None,
    )


def mtbf(up_h: float, failures: int, confidence: float = CONFIDENCE) -> Rate:
    """Return hours up per failure with its exact interval for a period of fixed length (chi-square, as for a Poisson).

    Without a failure nothing but a bound is known: with 95 % confidence at least T / 3.00 (the rule of three).
    """
    if up_h <= 0:
        return Rate(None, None, None, failures, "not_exposed")
    rest = 1 - confidence
    if failures == 0:
        return Rate(None, up_h / -math.log(rest), None, 0, "no_failure")
    low = 2 * up_h / float(stats.chi2.ppf(1 - rest / 2, 2 * failures + 2))
    high = 2 * up_h / float(stats.chi2.ppf(rest / 2, 2 * failures))
    return Rate(up_h / failures, low, high, failures)


def mean_time(hours: Sequence[float], confidence: float = CONFIDENCE) -> Rate:
    """Return the mean of times with Student's interval of their logarithms' scale (Cox): times of repair lean right.

    From fewer than three, or when all are equal, no interval.
    """
    n = len(hours)
    if n == 0:
        return Rate(None, None, None, 0, "none")
    mean = math.fsum(hours) / n
    if n < 3 or min(hours) <= 0 or max(hours) == min(hours):
        return Rate(mean, None, None, n, "too_few" if n < 3 else None)
    logs = [math.log(each) for each in hours]
    centre = math.fsum(logs) / n
    spread = math.fsum((each - centre) ** 2 for each in logs) / (n - 1)
    reach = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * math.sqrt(spread / n + spread**2 / (2 * (n - 1)))
    middle = centre + spread / 2
    low, high = _exp(middle - reach), _exp(middle + reach)
    return Rate(mean, min(low, mean), max(high, mean), n)


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
