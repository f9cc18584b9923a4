"""What a weekly series will go on like: level times season with its spread, the seasonal-naive one beside it; pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

SEASON = 52  # weeks
LEVEL_WEEKS = 52  # the level is the mean of so many last weeks
NEAR = 3  # weeks to each side that tell of a week's season too
SHRINK = 2.0  # so many weeks of no season are added to what was seen of it
LEAST = 8  # weeks of history, below which nothing is said
INTERVAL = 0.8  # share of weeks that the interval is to hold
HORIZON = 13  # weeks ahead that each origin of a back-test is asked for
ORIGIN_STEP = 4
TESTED = 52  # weeks at the end of the history over which origins roll
LEAST_ORIGINS = 3


@dataclass(frozen=True, slots=True)
class Ahead:
    """The mean and the variance of one week, and the probability that nothing comes at all."""

    mean: float
    variance: float
    nothing: float = 0.0


Method = Callable[[Sequence[float], int], list[Ahead]]


def seasonal(history: Sequence[float], horizon: int) -> list[Ahead]:
    """Return level x season: the mean of the last weeks without their season, times the season of each week ahead.

    The spread is the dispersion of what was seen around it (variance over mean), and what the level may be off by.
    """
    values = np.asarray(history, dtype=float)
    n = len(values)
    if n == 0:
        return [Ahead(0.0, 0.0)] * horizon
    index = _season(values)
    places = np.arange(n) % SEASON
    last = slice(max(0, n - LEVEL_WEEKS), n)
    shape = index[places[last]]
    level = float(values[last].sum() / shape.sum()) if shape.sum() > 0 else 0.0
    if level <= 0:
        return [Ahead(0.0, 0.0)] * horizon
    overall = float(values.mean())
    fitted = np.maximum(overall * index[places], 1e-9)
    free = 1 + (SEASON / (2 * NEAR + 1) if n >= SEASON else 0)  # what was fitted to the same weeks
    spread = float(((values - fitted) ** 2 / fitted).sum() / max(1.0, n - free))
    off = spread * level / len(shape)  # variance of the level
    means = [level * float(index[(n + step) % SEASON]) for step in range(horizon)]
    quiet = _quiet(values)
    return [
        Ahead(mean, spread * mean + off * (mean / level) ** 2, quiet ** (mean / max(overall, 1e-9))) for mean in means
    ]


def _quiet(values: np.ndarray) -> float:
    """Return the share of weeks in which nothing came; none of them does not mean that there never is one."""
    count = int((values <= 0).sum())
    return (count + 0.5) / (len(values) + 1) if count else 0.0


def _season(values: np.ndarray) -> np.ndarray:
    """Return the factor of each week of the year: its mean and its neighbours' over all, drawn towards 1."""
    overall = values.mean()
    index = np.ones(SEASON)
    if len(values) < SEASON or overall <= 0:
        return index
    places = np.arange(len(values)) % SEASON
    sums = np.bincount(places, weights=values, minlength=SEASON)
    counts = np.bincount(places, minlength=SEASON).astype(float)
    near_sums = sum(np.roll(sums, step) for step in range(-NEAR, NEAR + 1))
    near_counts = sum(np.roll(counts, step) for step in range(-NEAR, NEAR + 1))
    return np.asarray((near_sums / overall + SHRINK) / (near_counts + SHRINK))


def naive(history: Sequence[float], horizon: int) -> list[Ahead]:
    """Return what was a year before; the spread is what that was off by in the past."""
    n = len(history)
    if n < SEASON:
        raise ValueError("less than a year")
    values = np.asarray(history, dtype=float)
    errors = values[SEASON:] - values[:-SEASON]
    variance = float((errors**2).mean()) if len(errors) else float(values.var())
    quiet = _quiet(values)
    return [Ahead(float(values[n - SEASON + step % SEASON]), variance, quiet) for step in range(horizon)]


def quantile(mean: float, variance: float, share: float, nothing: float = 0.0) -> float:
    """Return a quantile of the distribution of `quantiles`."""
    return float(quantiles([mean], [variance], share, [nothing])[0])


def quantiles(
    means: Sequence[float], variances: Sequence[float], share: float, nothings: Sequence[float] | None = None
) -> np.ndarray:
    """Return a quantile for each mean and variance: hours and parts are never negative.

    Nothing at all has its own probability; what comes otherwise follows a gamma distribution, so that mean and variance
    of the whole are as told.
    """
    mean, variance = np.asarray(means, dtype=float), np.asarray(variances, dtype=float)
    zero = np.clip(np.zeros_like(mean) if nothings is None else np.asarray(nothings, dtype=float), 0.0, 0.999)
    some = mean / (1 - zero)
    spread = (variance + mean**2) / (1 - zero) - some**2
    # A variance that leaves no room for so much of nothing: then without it.
    plain = spread <= 1e-9 * np.maximum(some, 1.0) ** 2
    zero, some, spread = np.where(plain, 0.0, zero), np.where(plain, mean, some), np.where(plain, variance, spread)
    flat = (mean <= 0) | (variance <= 1e-9 * np.maximum(mean, 1.0) ** 2)
    safe_mean, safe_spread = np.where(flat, 1.0, some), np.where(flat, 1.0, spread)
    left = np.clip((share - zero) / (1 - zero), 0.0, 1.0)
    found = stats.gamma.ppf(left, safe_mean**2 / safe_spread, scale=safe_spread / safe_mean)
    # What is expected to be nothing with a spread (a year ago nothing happened): half a normal distribution.
    above = np.sqrt(np.maximum(variance, 0.0)) * stats.norm.ppf(max(share, 0.5))
    return np.where(flat, np.where(mean <= 0, above, mean), np.nan_to_num(found))


@dataclass(frozen=True, slots=True)
class Figures:
    """How a method did on the past. `mase` below 1: better than the year before was inside what was known then."""

    mae: float
    wape: float | None
    mase: float | None
    coverage: float


@dataclass(frozen=True, slots=True)
class BackTest:
    """Both methods on the same weeks. `reason` says why there is none: too_short or nothing."""

    weeks: int
    origins: int = 0
    n: int = 0
    model: Figures | None = None
    naive: Figures | None = None
    reason: str | None = None

    @property
    def chosen(self) -> str:
        """Return the method to use: the naive one only where it did better."""
        if self.model is None or self.naive is None:
            return "seasonal"
        return "naive" if self.naive.mae < self.model.mae else "seasonal"


def back_test(history: Sequence[float], model: Method = seasonal, rival: Method = naive) -> BackTest:
    """Let both methods forecast from origins in the past, each knowing only what came before, and compare.

    Origins lie 4 weeks apart over the last year, each is asked for up to 13 weeks; a year must lie before each.
    """
    n = len(history)
    if n < LEAST:
        return BackTest(n, reason="too_short")
    if not any(history):
        return BackTest(n, reason="nothing")
    first = max(SEASON + 1, n - TESTED)
    origins = [origin for origin in range(first, n, ORIGIN_STEP) if n - origin >= ORIGIN_STEP]
    if len(origins) < LEAST_ORIGINS:
        return BackTest(n, reason="too_short")
    rows: dict[str, list[tuple[float, float, float, float, float]]] = {"model": [], "naive": []}
    for origin in origins:
        known = list(history[:origin])
        horizon = min(HORIZON, n - origin)
        scale = _scale(known)
        for name, method in (("model", model), ("naive", rival)):
            for step, ahead in enumerate(method(known, horizon)):
                rows[name].append((history[origin + step], ahead.mean, ahead.variance, scale, ahead.nothing))
    return BackTest(n, len(origins), len(rows["model"]), _figures(rows["model"]), _figures(rows["naive"]))


def _scale(known: Sequence[float]) -> float:
    return float(np.mean([abs(known[at] - known[at - SEASON]) for at in range(SEASON, len(known))]))


def _figures(rows: Sequence[tuple[float, float, float, float, float]]) -> Figures:
    errors = [abs(real - mean) for real, mean, *_ in rows]
    total = math.fsum(abs(real) for real, *_ in rows)
    scale = math.fsum(row[3] for row in rows)
    means, variances, nothings = ([row[place] for row in rows] for place in (1, 2, 4))
    low = quantiles(means, variances, (1 - INTERVAL) / 2, nothings)
    high = quantiles(means, variances, (1 + INTERVAL) / 2, nothings)
    low = np.where(np.asarray(means) <= 0, 0.0, low)
    inside = sum(bool(at <= row[0] <= to) for at, to, row in zip(low - 1e-9, high + 1e-9, rows, strict=True))
    return Figures(
        mae=math.fsum(errors) / len(rows),
        wape=math.fsum(errors) / total if total > 0 else None,
        mase=math.fsum(errors) / scale if scale > 0 else None,
        coverage=inside / len(rows),
    )


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a series will go on like. `method`: seasonal | naive | none; `proven`: the back-test was possible."""

    ahead: list[Ahead]
    method: str
    test: BackTest

    @property
    def proven(self) -> bool:
        """Return whether figures on the past say how good it is."""
        return self.test.model is not None


def outlook(history: Sequence[float], horizon: int) -> Outlook:
    """Return the better of both methods; below a few weeks of history nothing is said."""
    test = back_test(history)
    if len(history) < LEAST or test.reason == "nothing":
        return Outlook([Ahead(0.0, 0.0)] * horizon, "none", test)
    method = naive if test.chosen == "naive" else seasonal
    return Outlook(method(history, horizon), test.chosen, test)
