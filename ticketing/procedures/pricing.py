"""Where norms meet the catalogue and its prices: items by id or number, labour rates, what each costs on a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, literal, or_, select
from sqlalchemy.orm import Session

from assets.base.errors import Conflict, Invalid, NotFound
from assets.people import Organisation
from assets.stock.items import Part, catalogue_of
from assets.stock.prices import Price as PriceRow
from assets.stock.prices import PriceBook, check_currency, check_money
from assets.stock.tools import Tool
from ticketing.procedures.costing import Price, Prices, Rate, standard_cost
from ticketing.procedures.models import LabourRate
from ticketing.procedures.norms import BadNorm, Norms

MAX_RATES = 1000
MAX_BELOW = 500
MAX_BOOK_ROWS = 20_000


def resolved(session: Session, norms: dict[str, Any], organisation_id: UUID) -> dict[str, Any]:
    """Return checked norms with id, number, names and unit of every item. Raises BadNorm for one that is not there."""
    line = suppliers_of(session, organisation_id)
    rows = [*norms["parts"], *norms["tools"]]
    keys = {UUID(one["part_id"]) for one in rows if one["part_id"]}
    numbers = {one["number"] for one in rows if one["number"]}
    known = select(Part).where(
        Part.organisation_id.in_(line), or_(Part.id.in_(keys), Part.number.in_(numbers)), Part.active
    )
    found = session.scalars(known).all() if rows else []
    by_id = {str(part.id): part for part in found}
    # The nearer owner's item of this number counts.
    by_number = {part.number: part for part in sorted(found, key=lambda part: line.index(part.organisation_id))}
    kept = dict(norms)
    for what in ("parts", "tools"):
        kept[what] = [
            _named(what, at, one, by_id.get(one["part_id"] or "") or by_number.get(one["number"] or ""))
            for at, one in enumerate(norms[what])
        ]
        if len({one["part_id"] for one in kept[what]}) != len(kept[what]):
            raise BadNorm(f"an item stands twice in {what}", field="norms", what=what, index=0, problem="repeated")
    return kept


def _named(what: str, at: int, one: dict[str, Any], part: Part | None) -> dict[str, Any]:
    said = one["number"] or one["part_id"]
    if part is None:
        text = f"{what} {at + 1}: there is no item {said}"
        raise BadNorm(text, field="norms", what=what, index=at, problem="no_such_item", item=said)
    if (part.kind == "tool") != (what == "tools"):
        text = f"{what} {at + 1}: {part.number} is a {part.kind}"
        raise BadNorm(text, field="norms", what=what, index=at, problem="wrong_kind", item=part.number)
    names = {"number": part.number, "name_en": part.name_en, "name_zh": part.name_zh}
    return {**one, "part_id": str(part.id), **names, **({"unit": part.unit} if what == "parts" else {})}


def cost_of_norms(session: Session, norms: Norms, organisation_id: UUID, on: date) -> dict[str, Any] | None:
    """Return what norms cost on a day, None when there is nothing to count."""
    return standard_cost(norms, prices_on(session, norms, organisation_id, on)) if norms.any else None


def prices_on(session: Session, norms: Norms, organisation_id: UUID, on: date) -> Prices:
    """Return what is known of the prices of norms on a day, of their organisation and those above it."""
    line = suppliers_of(session, organisation_id)
    tools = _tool_prices(session, line, {one.part_id for one in norms.tools}, on, norms.currency)
    parts = part_prices(session, line, {one.part_id for one in norms.parts}, on)
    return Prices(on, rates_of(session, catalogue_of(session, organisation_id)), parts, tools)


def suppliers_of(session: Session, organisation_id: UUID) -> list[UUID]:
    """Return whose items work may name, the nearest last: depots and partners below, then from the root to itself."""
    below = select(Organisation.id).where(
        literal(organisation_id, Uuid()) == any_(Organisation.ancestors),
        Organisation.id != organisation_id,
        Organisation.kind != "customer",
    )
    found = session.scalars(below.order_by(Organisation.id).limit(MAX_BELOW)).all()
    return [*found, *catalogue_of(session, organisation_id)]


def rates_of(session: Session, line: Sequence[UUID]) -> list[Rate]:
    """Return the labour rates of organisations, from the root to the nearest."""
    rows = session.scalars(select(LabourRate).where(LabourRate.organisation_id.in_(line)).limit(MAX_RATES))
    return [
        Rate(
            one.skill, one.level, one.rate, one.currency, one.valid_from, one.valid_to, line.index(one.organisation_id)
        )
        for one in rows
    ]


def part_prices(session: Session, line: Sequence[UUID], parts: Iterable[UUID], on: date) -> dict[UUID, Price]:
    """Return everybody's price of items on a day, as `assets.stock.prices.quote` finds it; else their standard cost."""
    wanted = set(parts)
    found = _book_prices(session, line, PriceRow.part_id, wanted, on)
    rows = session.execute(
        select(Part.id, Part.standard_cost, Part.currency).where(
            Part.id.in_(wanted - found.keys()), Part.standard_cost.is_not(None)
        )
    )
    own = {key: Price(cost, currency) for key, cost, currency in rows if cost is not None and currency}
    return found | own


def _tool_prices(
    session: Session, line: Sequence[UUID], items: set[UUID], on: date, currency: str
) -> dict[UUID, Price]:
    """Return what an hour of a tool of each item costs: the mean of those in use, each at its book's or own rate."""
    if not items:
        return {}
    tools = session.scalars(
        select(Tool).where(Tool.part_id.in_(items), Tool.organisation_id.in_(line), Tool.retired_at.is_(None))
    ).all()
    booked = _book_prices(session, line, PriceRow.tool_id, {tool.id for tool in tools}, on)
    known: dict[UUID, list[Price]] = {}
    for tool in tools:
        own = Price(tool.hourly_rate, tool.currency) if tool.hourly_rate is not None and tool.currency else None
        price = booked.get(tool.id) or own
        if price is not None:
            known.setdefault(tool.part_id, []).append(price)
    found = {}
    for key, prices in known.items():
        fits = [one for one in prices if one.currency == currency] or prices[:1]
        amount = sum((one.amount for one in fits), Decimal(0)) / len(fits)
        found[key] = Price(amount, fits[0].currency, fits[0].book if len(fits) == 1 else "mean_of_tools")
    return found


def _book_prices(session: Session, line: Sequence[UUID], column: Any, wanted: set[UUID], on: date) -> dict[UUID, Price]:
    if not wanted:
        return {}
    rows = session.execute(
        select(PriceBook, column, PriceRow.price)
        .join(PriceRow, PriceRow.price_book_id == PriceBook.id)
        .where(
            PriceBook.organisation_id.in_(line),
            PriceBook.active,
            PriceBook.valid_from <= on,
            or_(PriceBook.valid_to.is_(None), PriceBook.valid_to >= on),
            PriceBook.customer_id.is_(None),
            PriceBook.coverage == "any",
            column.in_(wanted),
        )
        .limit(MAX_BOOK_ROWS)
    ).all()
    best: dict[UUID, tuple[Any, ...]] = {}
    found: dict[UUID, Price] = {}
    for book, key, amount in rows:
        rank = (book.priority, line.index(book.organisation_id), book.valid_from, book.id)
        if key not in best or rank > best[key]:
            best[key], found[key] = rank, Price(amount, book.currency, book.name)
    return found


def set_rate(
    session: Session,
    row: LabourRate,
    *,
    skill: str | None,
    level: int,
    rate: Decimal,
    currency: str,
    valid_from: date,
    valid_to: date | None,
    now: datetime,
) -> LabourRate:
    """Write a labour rate, new or changed. Raises Invalid, Conflict when there is one from the same day."""
    check_money(rate, "rate")
    check_currency(currency)
    if not 1 <= level <= 5:
        raise Invalid("level is from 1 to 5", field="level", least=1, most=5)
    if valid_to is not None and valid_to < valid_from:
        raise Invalid("a rate ends after it begins", field="valid_to")
    same = (
        LabourRate.organisation_id == row.organisation_id,
        LabourRate.skill.is_(None) if skill is None else LabourRate.skill == skill,
        LabourRate.level == level,
        LabourRate.currency == currency,
        LabourRate.valid_from == valid_from,
    )
    with session.no_autoflush:
        others = select(LabourRate.id).where(*same)
        if session.scalar(others.where(LabourRate.id != row.id) if row.id is not None else others) is not None:
            raise Conflict("there is a rate for this from that day already", skill=skill, valid_from=str(valid_from))
    row.skill, row.level, row.rate, row.currency = skill, level, rate, currency
    row.valid_from, row.valid_to = valid_from, valid_to
    if row in session:
        row.version += 1
    else:
        row.created_at = now
        session.add(row)
    session.flush()
    return row


def get_rate(session: Session, rate_id: UUID) -> LabourRate:
    """Return a labour rate. Raises NotFound."""
    row = session.get(LabourRate, rate_id)
    if row is None:
        raise NotFound("no such labour rate", kind="labour_rate")
    return row
