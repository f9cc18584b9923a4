"""Weibull fit of lives with what still runs (censored) and what was seen only from some age on; pure, scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, optimize, stats

from assets.base.errors import Invalid

FEWEST = 3  # failures; fewer say nothing about a shape
CONFIDENCE = 0.95
_LOG_SHAPE = (math.log(0.05), math.log(50.0))

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Spell:
    """One life of a machine or part, in hours of its age: seen from `entry`, until it failed or was last seen."""

    age: float
    failed: bool
    entry: float = 0.0
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Weibull:
    """F(t) = 1 - exp(-(t / scale)^shape); scale in hours. Intervals by likelihood ratio for the shape, else by Fisher.

    `pattern`: early (shape surely below 1), wear_out (surely above 1), random (cannot be told from 1).
    """

    shape: float
    shape_low: float
    shape_high: float
    scale: float
    scale_low: float
    scale_high: float
    mean: float
    b10: float
    failures: int
    censored: int
    pattern: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit, or the reason why there is none: too_few_failures, all_equal, no_maximum."""

    weibull: Weibull | None
    reason: str | None
    failures: int
    censored: int


def fit(spells: Sequence[Spell], confidence: float = CONFIDENCE) -> Fit:
    """Return the fit of greatest likelihood. Raises Invalid for an age that is not after its entry."""
    for spell in spells:
        if not (math.isfinite(spell.age) and 0 <= spell.entry < spell.age):
            raise Invalid("an age has to be finite and after its entry", field="age", ref=spell.ref, value=spell.age)
    ages = np.array([spell.age for spell in spells], float)
    entries = np.array([spell.entry for spell in spells], float)
    failed = np.array([spell.failed for spell in spells], bool)
    failures = int(failed.sum())
    censored = len(spells) - failures
    if failures < FEWEST:
        return Fit(None, "too_few_failures", failures, censored)
    if censored == 0 and not entries.any() and np.ptp(ages) <= 1e-9 * ages.max():
        return Fit(None, "all_equal", failures, censored)
    unit = float(np.exp(np.log(ages[failed]).mean()))
    ages, entries = ages / unit, entries / unit

    def profile(log_shape: float) -> float:
        return -_profile(log_shape, ages, entries, failed)

    found = optimize.minimize_scalar(profile, bounds=_LOG_SHAPE, method="bounded", options={"xatol": 1e-10})
    best = float(found.x)
    if not found.success or min(best - _LOG_SHAPE[0], _LOG_SHAPE[1] - best) < 1e-3:
        return Fit(None, "no_maximum", failures, censored)
    top = -float(found.fun)
    return Fit(_described(best, top, ages, entries, failed, unit, confidence), None, failures, censored)


def _described(
    log_shape: float, top: float, ages: Array, entries: Array, failed: Flags, unit: float, confidence: float
) -> Weibull:
    drop = float(stats.chi2.ppf(confidence, 1)) / 2
    low = _root(log_shape, _LOG_SHAPE[0], top - drop, ages, entries, failed)
    high = _root(log_shape, _LOG_SHAPE[1], top - drop, ages, entries, failed)
    shape = math.exp(log_shape)
    scale = _scale(log_shape, ages, entries, failed) * unit
    reach = float(stats.norm.ppf((1 + confidence) / 2)) * _scale_error(log_shape, ages, entries, failed)
    shape_low, shape_high = math.exp(low), math.exp(high)
    pattern = "wear_out" if shape_low > 1 else "early" if shape_high < 1 else "random"
    return Weibull(
        shape=shape,
        shape_low=shape_low,
        shape_high=shape_high,
        scale=scale,
        scale_low=scale * math.exp(-reach),
        scale_high=scale * math.exp(min(reach, 50.0)),
        mean=scale * math.gamma(1 + 1 / shape),
        b10=quantile(shape, scale, 0.1),
        failures=int(failed.sum()),
        censored=int((~failed).sum()),
        pattern=pattern,
        confidence=confidence,
    )


def survival(shape: float, scale: float, age: float) -> float:
    """Return the share that is still alive at an age."""
    return math.exp(-((age / scale) ** shape)) if age > 0 else 1.0


def quantile(shape: float, scale: float, share: float) -> float:
    """Return the age by which a share has failed."""
    return float(scale * (-math.log1p(-share)) ** (1 / shape))


def expected_age(shape: float, scale: float, until: float) -> float:
    """Return the mean hours that one lives when it is renewed at an age at the latest."""
    value, _ = integrate.quad(lambda age: survival(shape, scale, age), 0.0, until, limit=200)
    return float(value)


def _hazards(shape: float, ages: Array, entries: Array) -> float:
    return float((ages**shape - np.where(entries > 0, entries, 0.0) ** shape).sum())


def _scale(log_shape: float, ages: Array, entries: Array, failed: Flags) -> float:
    """Scale of greatest likelihood for a shape: in closed form, late entries included."""
    shape = math.exp(log_shape)
    return float((_hazards(shape, ages, entries) / failed.sum()) ** (1 / shape))


def _profile(log_shape: float, ages: Array, entries: Array, failed: Flags) -> float:
    shape = math.exp(log_shape)
    count = float(failed.sum())
    with np.errstate(over="ignore"):
        total = _hazards(shape, ages, entries)
    if not math.isfinite(total) or total <= 0:
        return -1e300
    logs = float(np.log(ages[failed]).sum())
    return count * math.log(shape) + (shape - 1) * logs - count * math.log(total / count) - count


def _root(best: float, edge: float, level: float, ages: Array, entries: Array, failed: Flags) -> float:
    def above(log_shape: float) -> float:
        return _profile(log_shape, ages, entries, failed) - level

    if above(edge) > 0:
        return edge
    return float(optimize.brentq(above, best, edge, xtol=1e-10))


def _scale_error(log_shape: float, ages: Array, entries: Array, failed: Flags) -> float:
    """Standard error of log scale from the observed information, by differences."""
    log_scale = math.log(_scale(log_shape, ages, entries, failed))

    def likelihood(at: tuple[float, float]) -> float:
        shape, scale = math.exp(at[0]), math.exp(at[1])
        dead = failed
        density = np.log(shape / scale) + (shape - 1) * (np.log(ages[dead]) - at[1])
        return float(density.sum()) - _hazards(shape, ages / scale, entries / scale)

    step = 1e-4
    place = (log_shape, log_scale)

    def second(i: int, j: int) -> float:
        total = 0.0
        for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            moved = list(place)
            moved[i] += a * step
            moved[j] += b * step
            total += a * b * likelihood((moved[0], moved[1]))
        return -total / (4 * step * step)

    information = np.array([[second(0, 0), second(0, 1)], [second(1, 0), second(1, 1)]])
    try:
        variance = float(np.linalg.inv(information)[1, 1])
    except np.linalg.LinAlgError:
        return math.inf
    return math.sqrt(variance) if variance > 0 else math.inf
