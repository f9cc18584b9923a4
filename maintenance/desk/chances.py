"""How likely a machine is to fail while one waits: by a risk curve, a remaining life's interval, a Weibull; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist
from typing import Any

from maintenance.reliability.weibull import Weibull, survival

DAY_S = 86_400.0
SURE = 1 - 1e-6  # an estimate that lies behind us for sure says nothing about what is ahead
FORMULAS = {
    "risk_curve": "p = 1 - exp(-H(wait)), H between its points on a straight line",
    "life_interval": "p = (F(since + wait) - F(since)) / (1 - F(since)), F log-normal through life and its interval",
    "weibull": "p = 1 - R(age + wait) / R(age), R(t) = exp(-(t / scale)^shape)",
}


@dataclass(frozen=True, slots=True)
class Chance:
    """Probability of failing within the wait, where it comes from, and what it was computed of."""

    p: float
    source: str
    inputs: Mapping[str, Any]
    low: float | None = None
    high: float | None = None

    @property
    def formula(self) -> str:
        return FORMULAS[self.source]


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no estimate, and why."""

    reason: str
    params: Mapping[str, Any] = field(default_factory=dict)


def from_curve(points: Sequence[Sequence[float]], since_s: float, wait_s: float) -> Chance | Unknown:
    """Return the chance by [[seconds, probability], …], calibrated at a moment `since_s` ago.

    Between points the cumulated hazard runs straight; beyond the last one nobody knows.
    """
    known = _hazards(points)
    if len(known) < 2:
        return Unknown("no_risk")
    begin, end = max(since_s, 0.0), max(since_s, 0.0) + wait_s
    if end > known[-1][0]:
        return Unknown("beyond_risk", {"days": round((known[-1][0] - begin) / DAY_S, 1)})
    p = -math.expm1(-(_at(known, end) - _at(known, begin)))
    told = {"points": [list(each) for each in points], "since_days": begin / DAY_S, "wait_days": wait_s / DAY_S}
    return Chance(min(max(p, 0.0), 1.0), "risk_curve", told)


def from_interval(
    life_s: float | None,
    low_s: float | None,
    high_s: float | None,
    coverage: float | None,
    since_s: float,
    wait_s: float,
) -> Chance | Unknown:
    """Return the chance by an estimate of remaining life with its interval, made `since_s` ago.

    Log-normal with the estimate as its median; below and above it as wide as the interval says on that side.
    """
    if life_s is None or life_s <= 0 or not coverage or not 0 < coverage < 1:
        return Unknown("no_life")
    z = NormalDist().inv_cdf((1 + coverage) / 2)
    below = math.log(life_s / low_s) / z if low_s is not None and 0 < low_s < life_s else None
    above = math.log(high_s / life_s) / z if high_s is not None and high_s > life_s else None
    if below is None and above is None:
        return Unknown("no_interval")
    narrow, wide = below or above or 0.0, above or below or 0.0
    begin = max(since_s, 0.0)
    passed = _share(begin, life_s, narrow, wide)
    if passed >= SURE:
        return Unknown("outlived", {"days": round((begin - life_s) / DAY_S, 1)})
    p = (_share(begin + wait_s, life_s, narrow, wide) - passed) / (1 - passed)
    told = {
        "life_days": life_s / DAY_S,
        "low_days": None if low_s is None else low_s / DAY_S,
        "high_days": None if high_s is None else high_s / DAY_S,
        "coverage": coverage,
        "since_days": begin / DAY_S,
        "wait_days": wait_s / DAY_S,
    }
    return Chance(min(max(p, 0.0), 1.0), "life_interval", told)


def from_weibull(life: Weibull, age_h: float, wait_s: float) -> Chance | Unknown:
    """Return the chance by the life curve of machines of this kind and the hours since it was renewed."""
    if not math.isfinite(age_h) or age_h < 0:
        return Unknown("no_age")
    wait_h = wait_s / 3600
    values = [
        _fails(life.shape, scale, age_h, wait_h) for scale in (life.scale, life.scale_high, max(life.scale_low, 1e-9))
    ]
    told = {
        "shape": life.shape,
        "scale_hours": life.scale,
        "scale_low_hours": life.scale_low,
        "scale_high_hours": life.scale_high,
        "failures": life.failures,
        "censored": life.censored,
        "age_hours": age_h,
        "wait_days": wait_s / DAY_S,
    }
    return Chance(values[0], "weibull", told, low=values[1], high=values[2])


def first_known(answers: Sequence[Chance | Unknown]) -> Chance | Unknown:
    """Return the first that is known, else the reason of the first; there is at least one."""
    return next((each for each in answers if isinstance(each, Chance)), answers[0])


def _hazards(points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Cumulated hazard by seconds, from nothing at 0; a curve that falls is taken to stay."""
    found = [(0.0, 0.0)]
    for seconds, p in sorted((float(each[0]), float(each[1])) for each in points if len(each) == 2):
        if seconds > found[-1][0] and 0 <= p <= 1:
            found.append((seconds, max(-math.log1p(-min(p, SURE)), found[-1][1])))
    return found


def _at(known: Sequence[tuple[float, float]], seconds: float) -> float:
    for (before, low), (after, high) in pairwise(known):
        if seconds <= after:
            return low + (high - low) * (seconds - before) / (after - before)
    return known[-1][1]


def _share(seconds: float, median: float, below: float, above: float) -> float:
    if seconds <= 0:
        return 0.0
    far = math.log(seconds / median)
    return NormalDist().cdf(far / (below if far < 0 else above))


def _fails(shape: float, scale: float, age_h: float, wait_h: float) -> float:
    """1 - R(age + wait) / R(age), by hazards: both survivals may be too small for a quotient."""
    if not math.isfinite(scale):
        return 0.0
    try:
        gone = ((age_h + wait_h) / scale) ** shape - (age_h / scale) ** shape
    except OverflowError:
        return 1.0
    return 1 - survival(1.0, 1.0, gone)
