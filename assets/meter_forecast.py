"""When a meter will reach a value: a robust rate from its own history, and how wide of it the day may fall."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

FEWEST = 4  # readings at different moments
SHORTEST_DAYS = 1.0  # a day and its night: below that no rate is known
BINS = 60
FARTHEST_DAYS = 50 * 365.25
EVEN_SHARE = 0.05  # what ran evenly until now may still run this much faster or slower
MOST_PAIRS = 200  # readings whose slopes are compared pairwise

Point = tuple[float, float]  # days, total


@dataclass(frozen=True)
class Estimate:
    """Days after the last reading; `high` None: perhaps never, as far as the history tells."""

    days: float
    low: float
    high: float | None


@dataclass(frozen=True)
class Forecast:
    """An estimate, or the reason why there is none.

    Reasons: too_few_readings, too_short, no_movement, moves_away, reached, too_far. Rates are per day, with the same
    confidence as the estimate.
    """

    estimate: Estimate | None
    reason: str | None
    readings: int
    span_days: float
    rate: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None


def forecast_counter(points: Sequence[Point], target: float, confidence: float) -> Forecast:
    """Return when a counter's total reaches the target.

    The rates of equal stretches of the history are taken as a sample of those to come: Student's prediction interval of
    the mean rate over the stretches that are still needed, with fewer independent stretches where busy ones follow busy
    ones (lag-1 autocorrelation).
    """
    span = points[-1][0] - points[0][0] if points else 0.0
    refused = _refused(points, span)
    if refused is None and points[-1][1] >= target:
        refused = "reached"
    if refused is not None:
        return Forecast(None, refused, len(points), span)
    count = min(len(points) - 1, BINS)
    width = span / count
    rates = _without_outliers(_rates(points, count))
    mean = statistics.fmean(rates)
    if mean <= 0:
        return Forecast(None, "no_movement", len(points), span, 0.0)
    spread = max(statistics.stdev(rates), EVEN_SHARE * mean)
    follow = _following(rates)
    shrink = (1 - follow) / (1 + follow)
    known = max(count * shrink, 2.0)
    factor = student(confidence, known - 1) * spread

    def wide(days: float) -> float:
        """Half the width of the interval of the total after so many days."""
        return factor * math.sqrt(days * days / known + days * width / shrink)

    left = target - points[-1][1]
    middle = left / mean
    margin = factor / math.sqrt(known)
    rates_told = (mean, max(mean - margin, 0.0), mean + margin)
    if middle > FARTHEST_DAYS:
        return Forecast(None, "too_far", len(points), span, *rates_told)
    low = _when(lambda days: mean * days + wide(days), left)
    high = _when(lambda days: mean * days - wide(days), left)
    return Forecast(Estimate(middle, low or 0.0, high), None, len(points), span, *rates_told)


def forecast_gauge(points: Sequence[Point], target: float, confidence: float) -> Forecast:
    """Return when a gauge's level reaches the target: Theil and Sen's slope with its interval by Kendall's variance."""
    span = points[-1][0] - points[0][0] if points else 0.0
    refused = _refused(points, span)
    if refused is not None:
        return Forecast(None, refused, len(points), span)
    kept = points[:: math.ceil(len(points) / MOST_PAIRS)]
    slope, low, high = _sen(kept, confidence)
    if low <= 0 <= high:
        return Forecast(None, "no_movement", len(points), span, slope, low, high)
    middle_day = statistics.median(day for day, _ in kept)
    middle = statistics.median(level - slope * (day - middle_day) for day, level in kept)
    noise = 1.4826 * statistics.median(abs(level - middle - slope * (day - middle_day)) for day, level in kept)
    noise *= statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    last = points[-1][0] - middle_day
    left = target - middle
    if (left - slope * last) * slope < 0:
        return Forecast(None, "moves_away", len(points), span, slope, low, high)
    days = left / slope - last
    if days > FARTHEST_DAYS:
        return Forecast(None, "too_far", len(points), span, slope, low, high)
    soft = math.copysign(noise, slope)
    ends = [(left - soft) / rate - last for rate in (low, high)], [(left + soft) / rate - last for rate in (low, high)]
    latest = max(ends[1])
    estimate = Estimate(days, max(min(ends[0]), 0.0), latest if latest <= FARTHEST_DAYS * 4 else None)
    return Forecast(estimate, None, len(points), span, slope, low, high)


def student(confidence: float, freedom: float) -> float:
    """Return the two-sided quantile of Student's t (Cornish and Fisher's expansion; within 5 % from 2 degrees on)."""
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    v = max(freedom, 1.0)
    first = (z**3 + z) / (4 * v)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    return z + first + second + third


def _refused(points: Sequence[Point], span: float) -> str | None:
    if len(points) < FEWEST:
        return "too_few_readings"
    return "too_short" if span < SHORTEST_DAYS else None


def _rates(points: Sequence[Point], count: int) -> list[float]:
    """Return the mean rates of equal stretches, with the total between two readings on a straight line."""
    width = (points[-1][0] - points[0][0]) / count
    edges, at = [], 0
    for number in range(count + 1):
        day = points[0][0] + number * width if number < count else points[-1][0]
        while at < len(points) - 2 and points[at + 1][0] < day:
            at += 1
        (day0, total0), (day1, total1) = points[at], points[at + 1]
        edges.append(total0 + (total1 - total0) * (day - day0) / (day1 - day0))
    return [(late - early) / width for early, late in pairwise(edges)]


def _without_outliers(rates: Sequence[float]) -> list[float]:
    """Pull in what lies beyond five robust deviations; what mostly stands still has none, and stays.

    Where more than half of the rates are alike to the last digit, the mean deviation stands in for the median one.
    """
    middle = statistics.median(rates)
    away = [abs(rate - middle) for rate in rates]
    reach = 5 * 1.4826 * statistics.median(away)
    if reach == 0 and middle > 0:
        reach = 5 * 1.2533 * statistics.fmean(away)
    return [min(max(rate, middle - reach), middle + reach) for rate in rates] if reach > 0 else list(rates)


def _following(rates: Sequence[float]) -> float:
    """Return how much a busy stretch follows a busy one: lag-1 autocorrelation, from 0 to 0.9."""
    mean = statistics.fmean(rates)
    whole = sum((rate - mean) ** 2 for rate in rates)
    if whole <= 0 or len(rates) < 8:
        return 0.0
    return min(max(sum((a - mean) * (b - mean) for a, b in pairwise(rates)) / whole, 0.0), 0.9)


def _when(total: Callable[[float], float], left: float) -> float | None:
    """Return when the curve reaches what is left, None when it never does."""
    high = 1.0
    while total(high) < left:
        high *= 2
        if high > FARTHEST_DAYS * 4:
            return None
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if total(middle) >= left else (middle, high)
    return high


def _sen(points: Sequence[Point], confidence: float) -> tuple[float, float, float]:
    slopes = sorted(
        (late[1] - early[1]) / (late[0] - early[0])
        for number, early in enumerate(points)
        for late in points[number + 1 :]
        if late[0] > early[0]
    )
    count, pairs = len(points), len(slopes)
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    reach = statistics.NormalDist().inv_cdf(0.5 + confidence / 2) * deviation
    first = max(math.floor((pairs - reach) / 2), 0)
    last = min(math.ceil((pairs + reach) / 2), pairs - 1)
    return statistics.median(slopes), slopes[first], slopes[last]
