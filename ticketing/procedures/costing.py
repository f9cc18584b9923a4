"""What a version's norms cost: hours at labour rates, items at price books, tools at their rates; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from ticketing.procedures.norms import Norms

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Rate:
    """What an hour of a skill costs from a level on; `near`: how near its owner is, the greater the nearer."""

    skill: str | None
    level: int
    rate: Decimal
    currency: str
    since: date
    until: date | None = None
    near: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """What one of an item, or an hour of a tool, costs; `book`: the price book that says so, None for its own."""

    amount: Decimal
    currency: str
    book: str | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """Everything that a cost is counted from, as it holds on one day."""

    on: date
    rates: Sequence[Rate] = ()
    parts: Mapping[UUID, Price] | None = None
    tools: Mapping[UUID, Price] | None = None

    def hour(self, skill: str | None, level: int, currency: str) -> Rate | None:
        """Return the rate of an hour: of the skill before anybody's, the nearer owner, the higher level, the later."""
        fits = [
            one
            for one in self.rates
            if one.skill in (skill, None)
            and one.level <= level
            and one.currency == currency
            and one.since <= self.on
            and (one.until is None or one.until >= self.on)
        ]
        return max(fits, key=lambda one: (one.skill is not None, one.near, one.level, one.since), default=None)


def standard_cost(norms: Norms, prices: Prices) -> dict[str, Any]:
    """Return what norms cost on a day, in their currency: {labour, parts, tools, total, currency, on, complete, …}.

    `lines`: {kind, of, quantity, unit, price, amount, basis}, one for each norm. What has no price in that currency
    stands in `missing` ({kind, of, why: no_rate|no_price|other_currency}) and the sums are of the others. Each line is
    rounded to the cent, and the sums are sums of lines.
    """
    lines: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for each in norms.labour:
        rate = prices.hour(each.skill, each.level, norms.currency)
        if rate is None:
            missing.append({"kind": "labour", "of": each.skill, "why": "no_rate"})
            continue
        hours = Decimal(each.total) / 60
        lines.append(_line("labour", each.skill, hours, "h", rate.rate, "labour_rate"))
    rows = [("parts", one.part_id, one.number, one.quantity, prices.parts) for one in norms.parts]
    rows += [("tools", one.part_id, one.number, Decimal(one.minutes) / 60, prices.tools) for one in norms.tools]
    for kind, key, number, quantity, known in rows:
        price = (known or {}).get(key)
        if price is None or price.currency != norms.currency:
            missing.append({"kind": kind, "of": number, "why": "no_price" if price is None else "other_currency"})
            continue
        unit = "h" if kind == "tools" else str(norms.names.get(key, {}).get("unit") or "")
        lines.append(_line(kind, number, quantity, unit, price.amount, price.book or "own"))
    sums = {kind: _sum(lines, kind) for kind in ("labour", "parts", "tools")}
    return {
        **sums,
        "total": float(sum((Decimal(str(one["amount"])) for one in lines), Decimal(0))),
        "currency": norms.currency,
        "on": prices.on.isoformat(),
        "complete": not missing,
        "missing": missing,
        "lines": lines,
    }


def cents(amount: Decimal) -> Decimal:
    """Round to the cent, half away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def _line(kind: str, of: str | None, quantity: Decimal, unit: str, price: Decimal, basis: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "of": of,
        "quantity": round(float(quantity), 6),
        "unit": unit,
        "price": float(price),
        "amount": float(cents(quantity * price)),
        "basis": basis,
    }


def _sum(lines: Sequence[Mapping[str, Any]], kind: str) -> float:
    return float(sum((Decimal(str(one["amount"])) for one in lines if one["kind"] == kind), Decimal(0)))
