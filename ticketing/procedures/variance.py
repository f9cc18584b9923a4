"""What an order took against what its procedures say that it takes; nothing here touches the database.

Difference = actual − norm, percent = difference ÷ norm. Of a difference in cost, `quantity` is what more or less of it
would have cost at the standard price, (actual − norm) × standard price, and `price` is the rest. Travel stands apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from ticketing.procedures.costing import cents
from ticketing.procedures.norms import Norms

STATES = ("as_planned", "more", "less", "not_used", "extra")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Taken:
    """So much of an item, or minutes of a tool; `cost` None where nobody knows it."""

    part_id: UUID
    number: str
    name_en: str
    name_zh: str
    amount: Decimal
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Worked:
    """Minutes of work that one line says; `cost` None where nobody said what an hour of this person costs."""

    person_id: UUID | None
    minutes: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Actual:
    """What an order took. `other_currency`: amounts in another currency than the norm's, which are left out."""

    work: Sequence[Worked] = ()
    travel_minutes: int = 0
    travel_cost: Decimal = _ZERO
    parts: Sequence[Taken] = ()
    tools: Sequence[Taken] = ()
    other_currency: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One norm beside what was taken of it. Costs are None where the norm or what was taken has none."""

    kind: str
    of: str | None
    name_en: str
    name_zh: str
    planned: float
    actual: float
    state: str
    standard: Decimal | None
    cost: Decimal | None
    quantity: Decimal | None
    price: Decimal | None
    part_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Variance:
    """An order against its norm; `cost` is None unless every norm and everything taken has a price in `currency`."""

    norm_minutes: int
    minutes: int
    travel_minutes: int
    travel_cost: Decimal
    rows: tuple[Row, ...]
    currency: str
    standard: Decimal | None
    cost: Decimal | None
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def difference(self) -> Decimal | None:
        """What it cost more than the norm."""
        return None if self.cost is None or self.standard is None else self.cost - self.standard

    def counted(self, kind: str) -> dict[str, int]:
        """How many norms of a kind were taken as planned, more, less, not at all, and how many things were extra."""
        return {state: sum(one.kind == kind and one.state == state for one in self.rows) for state in STATES}


def compare(norms: Norms, standard: Mapping[str, Any] | None, actual: Actual) -> Variance:
    """Compare what was taken with norms and with what these cost when the order got them (`costing.standard_cost`)."""
    prices = _prices(standard, norms.currency)
    rows = []
    if norms.labour or actual.work:
        rows.append(_labour(norms, standard, actual))
    rows += _items("parts", {one.part_id: one.quantity for one in norms.parts}, norms, actual.parts, prices)
    rows += _items("tools", {one.part_id: Decimal(one.minutes) for one in norms.tools}, norms, actual.tools, prices)
    left: dict[str, int] = {}
    if standard is None or not standard["complete"] or standard["currency"] != norms.currency:
        left["standard"] = 1
    for row in rows:
        if row.cost is None and row.actual > 0:
            left[row.kind] = left.get(row.kind, 0) + 1
    if actual.other_currency:
        left["other_currency"] = actual.other_currency
    whole = not left
    return Variance(
        norms.minutes,
        sum(one.minutes for one in actual.work),
        actual.travel_minutes,
        cents(actual.travel_cost),
        tuple(rows),
        norms.currency,
        sum((one.standard for one in rows if one.standard is not None), _ZERO) if "standard" not in left else None,
        sum((one.cost for one in rows if one.cost is not None), _ZERO) if whole else None,
        left,
    )


@dataclass(frozen=True, slots=True)
class Summed:
    """Several orders together; `n_cost`: of how many the cost is known on both sides, which `standard` and `cost` sum.

    `ratio` = Σ minutes ÷ Σ norm minutes of the `n_labour` orders that have a norm of labour and minutes written down.
    """

    n: int
    n_labour: int
    norm_minutes: int
    minutes: int
    ratio: float | None
    travel_minutes: int
    parts: Mapping[str, int]
    tools: Mapping[str, int]
    n_cost: int
    standard: Decimal
    cost: Decimal
    currency: str | None

    @property
    def cost_ratio(self) -> float | None:
        """Σ cost ÷ Σ standard cost."""
        return float(self.cost / self.standard) if self.standard else None


def summed(variances: Iterable[Variance], currency: str | None = None) -> Summed:
    """Sum orders; costs in one currency, by default that of the first one that has any."""
    every = list(variances)
    labour = [one for one in every if one.norm_minutes and one.minutes]
    norm, taken = sum(one.norm_minutes for one in labour), sum(one.minutes for one in labour)
    known = [one for one in every if one.difference is not None]
    chosen = currency or (known[0].currency if known else None)
    priced = [one for one in known if one.currency == chosen]
    return Summed(
        len(every),
        len(labour),
        norm,
        taken,
        taken / norm if norm else None,
        sum(one.travel_minutes for one in every),
        {state: sum(one.counted("parts")[state] for one in every) for state in STATES},
        {state: sum(one.counted("tools")[state] for one in every) for state in STATES},
        len(priced),
        sum((one.standard for one in priced if one.standard is not None), _ZERO),
        sum((one.cost for one in priced if one.cost is not None), _ZERO),
        chosen,
    )


def combined_cost(costs: Sequence[Mapping[str, Any] | None], currency: str) -> dict[str, Any] | None:
    """Return the standard cost of several procedures together; incomplete when one is, or is in another currency."""
    known = [one for one in costs if one is not None]
    if not known:
        return None
    same = [one for one in known if one["currency"] == currency]
    lines = [line for one in same for line in one["lines"]]
    return {
        "currency": currency,
        "complete": len(same) == len(costs) and all(one["complete"] for one in same),
        "lines": lines,
        "on": max((one["on"] for one in same), default=None),
        "total": float(sum((Decimal(str(one["amount"])) for one in lines), _ZERO)),
    }


def _prices(standard: Mapping[str, Any] | None, currency: str) -> dict[tuple[str, str], Decimal]:
    if standard is None or standard["currency"] != currency:
        return {}
    return {(one["kind"], one["of"]): Decimal(str(one["price"])) for one in standard["lines"] if one["of"]}


def _labour(norms: Norms, standard: Mapping[str, Any] | None, actual: Actual) -> Row:
    """People are not told apart by skill: lines of work do not say in which capacity. An hour is at the mean rate."""
    planned, taken = norms.minutes, sum(one.minutes for one in actual.work)
    lines = [one for one in (standard or {}).get("lines", ()) if one["kind"] == "labour"]
    same = standard is not None and standard["currency"] == norms.currency
    cost_of_norm = sum((Decimal(str(one["amount"])) for one in lines), _ZERO) if lines and same else None
    minute = cost_of_norm / planned if cost_of_norm is not None and planned else None
    # Whose hour has no price of its own worked at the standard one.
    costs = [one.cost if one.cost is not None else (minute * one.minutes if minute else None) for one in actual.work]
    known = [one for one in costs if one is not None]
    cost = sum(known, _ZERO) if len(known) == len(costs) else None
    return _row("labour", None, ("", ""), Decimal(planned), Decimal(taken), cost_of_norm, minute, cost)


def _items(
    kind: str,
    planned: Mapping[UUID, Decimal],
    norms: Norms,
    taken: Sequence[Taken],
    prices: Mapping[tuple[str, str], Decimal],
) -> list[Row]:
    rows = []
    used = {one.part_id: one for one in taken}
    unit = Decimal(60) if kind == "tools" else Decimal(1)  # tools are priced by the hour
    for key in [*planned, *(each for each in used if each not in planned)]:
        one, name = used.get(key), norms.names.get(key, {})
        number = str(name.get("number") or (one.number if one else ""))
        names = (
            str(name.get("name_en") or (one.name_en if one else "")),
            str(name.get("name_zh") or (one.name_zh if one else "")),
        )
        price = prices.get((kind, number))
        each_price = price / unit if price is not None else None
        norm, amount = planned.get(key, _ZERO), one.amount if one else _ZERO
        standard = cents(norm * each_price) if each_price is not None else (_ZERO if not norm else None)
        cost = one.cost if one else _ZERO
        if cost is None and each_price is not None:
            cost = cents(amount * each_price)
        rows.append(_row(kind, number, names, norm, amount, standard, each_price, cost, key))
    return rows


def _row(
    kind: str,
    of: str | None,
    names: tuple[str, str],
    planned: Decimal,
    taken: Decimal,
    standard: Decimal | None,
    price: Decimal | None,
    cost: Decimal | None,
    key: UUID | None = None,
) -> Row:
    kept = cents(cost) if cost is not None else None
    by_quantity = by_price = None
    if standard is not None and kept is not None:
        # What nobody planned has no standard price: all of it is quantity.
        by_quantity = cents((taken - planned) * price) if price is not None else kept - standard
        by_price = kept - standard - by_quantity
    state = _state(planned, taken)
    return Row(kind, of, *names, float(planned), float(taken), state, standard, kept, by_quantity, by_price, key)


def _state(planned: Decimal, taken: Decimal) -> str:
    if not planned:
        return "extra"
    if not taken:
        return "not_used"
    return "as_planned" if taken == planned else "more" if taken > planned else "less"
