"""What a machine costs a year, and whether to go on repairing it or to replace it; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from assets.base.errors import Invalid

KINDS = ("labour", "travel", "parts", "expenses", "downtime")


@dataclass(frozen=True, slots=True)
class Cost:
    """One amount with the row that it comes from."""

    at: datetime
    kind: str
    amount: Decimal
    currency: str
    ref: str = ""


@dataclass(frozen=True, slots=True)
class YearCost:
    """A year of the calendar at the machine's site, with the rows that its amounts come from."""

    year: int
    currency: str
    total: Decimal
    by_kind: Mapping[str, Decimal]
    refs: tuple[str, ...] = field(default=())


def by_year(costs: Iterable[Cost], zone: ZoneInfo) -> list[YearCost]:
    """Return the costs by year and currency, oldest first; currencies are never added up."""
    found: dict[tuple[int, str], dict[str, Decimal]] = {}
    refs: dict[tuple[int, str], list[str]] = {}
    for cost in costs:
        if cost.kind not in KINDS:
            raise Invalid("no such kind of cost", field="kind", allowed=list(KINDS), value=cost.kind)
        key = (cost.at.astimezone(zone).year, cost.currency)
        kinds = found.setdefault(key, {})
        kinds[cost.kind] = kinds.get(cost.kind, Decimal(0)) + cost.amount
        refs.setdefault(key, []).append(cost.ref)
    return [
        YearCost(year, currency, sum(kinds.values(), Decimal(0)), kinds, tuple(dict.fromkeys(refs[(year, currency)])))
        for (year, currency), kinds in sorted(found.items())
    ]


@dataclass(frozen=True, slots=True)
class Choice:
    """Keep it or replace it. Amounts per year, in one currency.

    `keep`: what the next year is expected to cost; `replace`: the least yearly cost of a new one over its best life of
    `best_years`. Verdict: replace when keeping costs more; `unknown` with a reason otherwise.
    """

    verdict: str  # keep | replace | unknown
    keep: float | None
    replace: float | None
    growth: float | None
    best_years: int | None
    reason: str | None = None


def repair_or_replace(
    yearly: Sequence[float],
    price: float | None,
    *,
    scrap_value: float = 0.0,
    resale_loss: float = 0.0,
    interest: float = 0.05,
    expected_years: int = 15,
    first_year_cost: float | None = None,
) -> Choice:
    """Return whether the next year of the old machine costs more than a year of a new one.

    `yearly`: cost of whole years so far, oldest first. `resale_loss`: what the old one loses in value in a year when it
    is kept. A new machine is taken to begin at `first_year_cost` (else the cheapest year so far) and to grow as this
    one did; its yearly cost is the annuity of price, running cost and scrap value at the age where it is least
    (equivalent annual cost, the marginal test of replacement theory). Raises Invalid for what is out of range.
    """
    if not 0 <= interest < 1:
        raise Invalid("interest is a share from 0 to below 1", field="interest", value=interest)
    if not 1 <= expected_years <= 100:
        raise Invalid("years of life are from 1 to 100", field="expected_years", value=expected_years)
    if price is not None and not price > 0:
        raise Invalid("a price is above 0", field="price", value=price)
    if price is None:
        return Choice("unknown", None, None, None, None, "no_price")
    if len(yearly) < 2:
        return Choice("unknown", None, None, None, None, "too_few_years")
    growth, next_year = _growth(yearly)
    keep = next_year + resale_loss
    begin = first_year_cost if first_year_cost is not None else min(yearly)
    best_years, replace = _annuity(price, begin, growth, scrap_value, interest, expected_years)
    return Choice("replace" if keep > replace else "keep", keep, replace, growth, best_years)


def _growth(yearly: Sequence[float]) -> tuple[float, float]:
    """Return what the cost grows by in a year (straight line through all years, never below 0), and the next year."""
    n = len(yearly)
    middle, mean = (n - 1) / 2, math.fsum(yearly) / n
    over = math.fsum((place - middle) ** 2 for place in range(n))
    slope = math.fsum((place - middle) * (value - mean) for place, value in enumerate(yearly)) / over
    growth = max(slope, 0.0)
    return growth, max(mean + growth * (n - middle), 0.0)


def _annuity(price: float, begin: float, growth: float, scrap: float, interest: float, years: int) -> tuple[int, float]:
    best: tuple[int, float] | None = None
    running = 0.0
    for year in range(1, years + 1):
        running += (begin + growth * (year - 1)) / (1 + interest) ** year
        worth = price + running - scrap / (1 + interest) ** year
        annual = worth * (interest / (1 - (1 + interest) ** -year) if interest else 1 / year)
        if best is None or annual < best[1]:
            best = (year, annual)
    assert best is not None
    return best


def whole_years(begin: date, until: date) -> range:
    """Return the calendar years that were lived from their first to their last day."""
    first = begin.year if (begin.month, begin.day) == (1, 1) else begin.year + 1
    return range(first, until.year)
