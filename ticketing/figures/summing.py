"""Sum up what counts: how many, mean, median, nine tenths, shares; by group and by period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import floor
from typing import Literal
from zoneinfo import ZoneInfo

from ticketing.figures.definitions import FIGURES, Counted

Period = Literal["none", "day", "week", "month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Summed:
    """A figure. `n`: how many counted; `left_out`: how many did not, by reason. Nothing counted: no value."""

    figure: str
    n: int
    value: float | None
    median: float | None
    p90: float | None
    numerator: float | None
    left_out: dict[str, int]


def summed(figure: str, counted: Iterable[Counted]) -> Summed:
    """Return the figure of some orders."""
    found = list(counted)
    values = sorted(each.value for each in found if each.value is not None)
    left_out = dict(Counter(each.why for each in found if each.value is None and each.why))
    kind = FIGURES[figure][0]
    n, total = len(values), sum(values)
    if kind == "sum":
        return Summed(figure, n, total, None, None, None, left_out)
    if not n:
        return Summed(figure, 0, None, None, None, 0.0 if kind == "share" else None, left_out)
    if kind == "share":
        return Summed(figure, n, 100.0 * total / n, None, None, total, left_out)
    return Summed(figure, n, total / n, quantile(values, 0.5), quantile(values, 0.9), None, left_out)


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of ordered values, straight between neighbours (type 7 of Hyndman and Fan)."""
    place = (len(ordered) - 1) * share
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def period_start(at: datetime, period: Period, zone: ZoneInfo) -> date | None:
    """Return the first day of the period that a moment falls into where the reader counts days."""
    day = at.astimezone(zone).date()
    if period == "none":
        return None
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    if period == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


def period_end(start: date, period: Period) -> date:
    """Return the first day after a period."""
    if period == "day":
        return start + timedelta(days=1)
    if period == "week":
        return start + timedelta(days=7)
    months = {"month": 1, "quarter": 3, "year": 12}[period]
    count = start.year * 12 + start.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)
