"""What machines cost: hours at their technicians' cost, travel, parts at cost, approved expenses, hours down."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.registry import Site
from assets.stock.usages import PartUsage
from maintenance.reliability.assembling import CORRECTIVE, FAILED
from maintenance.reliability.costs import Choice, Cost, YearCost, by_year, repair_or_replace, whole_years
from maintenance.reliability.lives import lived
from maintenance.reliability.loading import MAX_ROWS, Machine, parts
from ticketing.models import WorkOrder
from ticketing.order_models import WorkOrderLine
from ticketing.people.tables import TechnicianProfile

PRICE_FIELDS = ("replacement_price", "purchase_price")
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Spent:
    """One amount on a machine, and which order it was for: its origin and outcome."""

    cost: Cost
    work_order_id: UUID | None
    repaired: bool
    planned: bool


@dataclass(slots=True)
class Spending:
    """Amounts by machine; `left_out`: hours without a rate, parts without a cost, expenses not approved."""

    by_machine: dict[UUID, list[Spent]] = field(default_factory=lambda: defaultdict(list))
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Rates:
    """What an hour down costs, if anybody entered it."""

    downtime_per_hour: Decimal | None = None
    currency: str = "CNY"


def load_spending(
    session: Session, machines: Sequence[Machine], since: datetime, until: datetime, now: datetime, rates: Rates
) -> Spending:
    """Return what was spent on these machines in [since, until), as far as the actor sees it."""
    found = Spending()
    orders: dict[UUID, WorkOrder] = {}
    for part in parts(each.id for each in machines):
        query = select(WorkOrder).where(
            WorkOrder.asset_id.in_(part),
            ~WorkOrder.replayed,
            WorkOrder.opened_at < until,
            or_(WorkOrder.closed_at.is_(None), WorkOrder.closed_at >= since, WorkOrder.work_done_at >= since),
        )
        for order in _all(session, query.order_by(WorkOrder.id)):
            orders[order.id] = order
    _lines(session, orders, since, until, found)
    _parts(session, machines, orders, since, until, found)
    if rates.downtime_per_hour is not None:
        _downtime(machines, since, until, now, rates, found)
    return found


def _lines(
    session: Session, orders: Mapping[UUID, WorkOrder], since: datetime, until: datetime, found: Spending
) -> None:
    lines: list[WorkOrderLine] = []
    for part in parts(orders):
        query = select(WorkOrderLine).where(WorkOrderLine.work_order_id.in_(part), WorkOrderLine.state != "rejected")
        lines += _all(session, query.order_by(WorkOrderLine.id))
    people = {line.person_id for line in lines if line.person_id is not None}
    profiles: dict[UUID, TechnicianProfile] = {}
    for part in parts(people):
        rows = session.scalars(select(TechnicianProfile).where(TechnicianProfile.person_id.in_(part)))
        profiles |= {row.person_id: row for row in rows}
    for line in lines:
        order = orders[line.work_order_id]
        at = line.started_at or datetime.combine(line.day, time(12), UTC)
        if since <= at < until:
            _line(line, order, at, profiles.get(line.person_id) if line.person_id else None, found)


def _line(line: WorkOrderLine, order: WorkOrder, at: datetime, profile: Any, found: Spending) -> None:
    if line.kind == "expense":
        if line.state != "approved":
            found.left_out["not_approved"] += 1
        elif line.amount is not None:
            _add(found, order.asset_id, order, at, "expenses", line.amount, line.currency or "CNY", f"line:{line.id}")
        return
    kind = "labour" if line.kind == "labour" else "travel"
    if line.amount is not None:
        _add(found, order.asset_id, order, at, kind, line.amount, line.currency or "CNY", f"line:{line.id}")
        return
    rate = profile.cost_per_hour if profile is not None else None
    if profile is not None and line.category == "overtime" and profile.overtime_cost_per_hour is not None:
        rate = profile.overtime_cost_per_hour
    if rate is None or line.minutes is None:
        found.left_out["no_rate" if line.minutes is not None else "no_minutes"] += 1
        return
    amount = rate * line.minutes / 60
    _add(found, order.asset_id, order, at, kind, amount, profile.currency, f"line:{line.id}")


def _parts(
    session: Session,
    machines: Sequence[Machine],
    orders: Mapping[UUID, WorkOrder],
    since: datetime,
    until: datetime,
    found: Spending,
) -> None:
    """What an order used belongs to its machine; what was used without an order names the machine itself."""
    usages: dict[UUID, PartUsage] = {}
    for column, keys in ((PartUsage.work_order_id, list(orders)), (PartUsage.asset_id, [each.id for each in machines])):
        for part in parts(keys):
            query = select(PartUsage).where(
                column.in_(part), PartUsage.occurred_at >= since, PartUsage.occurred_at < until
            )
            for usage in _all(session, query.order_by(PartUsage.id)):
                usages[usage.id] = usage
    mine = {each.id for each in machines}
    for usage in usages.values():
        order = orders.get(usage.work_order_id) if usage.work_order_id is not None else None
        asset = order.asset_id if order is not None else usage.asset_id
        kept = usage.quantity - usage.returned
        if asset is None or asset not in mine or kept <= 0:
            continue
        if usage.unit_cost is None:
            found.left_out["no_cost"] += 1
            continue
        amount, currency = usage.unit_cost * kept, usage.cost_currency or "CNY"
        _add(found, asset, order, usage.occurred_at, "parts", amount, currency, f"usage:{usage.id}")


def _downtime(
    machines: Sequence[Machine], since: datetime, until: datetime, now: datetime, rates: Rates, found: Spending
) -> None:
    """Hours of failure by year (of UTC: a site's own differs by some hours), in the middle of it."""
    assert rates.downtime_per_hour is not None
    for machine in machines:
        begin = since
        while begin < min(until, now):
            end = min(_next_year(begin), until)
            hours = lived(machine.found.life, begin, end, now).failed_h
            if hours > 0:
                amount = rates.downtime_per_hour * Decimal(repr(hours))
                middle = begin + (end - begin) / 2
                _add(found, machine.id, None, middle, "downtime", amount, rates.currency, f"asset:{machine.id}")
            begin = end


def _next_year(at: datetime) -> datetime:
    return datetime(at.astimezone(UTC).year + 1, 1, 1, tzinfo=UTC)


def _add(
    found: Spending,
    asset: UUID,
    order: WorkOrder | None,
    at: datetime,
    kind: str,
    amount: Decimal,
    currency: str,
    ref: str,
) -> None:
    repaired = order is not None and order.origin in CORRECTIVE and order.outcome in FAILED
    planned = order is not None and (order.origin not in CORRECTIVE or order.outcome == "planned")
    cost = Cost(at, kind, amount.quantize(CENT), currency, ref)
    found.by_machine[asset].append(Spent(cost, order.id if order is not None else None, repaired, planned))


@dataclass(frozen=True, slots=True)
class Account:
    """A machine's years, in one currency each, and whether to keep it; `price` is what a new one costs."""

    machine: Machine
    years: tuple[YearCost, ...]
    choice: Choice
    price: float | None
    whole: tuple[int, ...]


def accounts(
    session: Session,
    machines: Sequence[Machine],
    spending: Spending,
    since: datetime,
    until: datetime,
    currency: str,
    **told: Any,
) -> list[Account]:
    """Return the machines that anything was spent on, dearest first; `told` goes to `repair_or_replace`.

    Only years of the span that the machine was in service from their first to their last day are weighed.
    """
    price_told = told.pop("price", None)
    zones = _zones(session, {each.site_id for each in machines if each.site_id is not None})
    found = []
    for machine in machines:
        spent = spending.by_machine.get(machine.id, [])
        zone = zones.get(machine.site_id, ZoneInfo("UTC")) if machine.site_id else ZoneInfo("UTC")
        years = by_year((each.cost for each in spent), zone)
        life = machine.found.life
        begin = max(life.begin, since).astimezone(zone)
        end = min(until, life.end or until).astimezone(zone)
        # A year that was begun counts for whole when its first day was.
        first = begin.date() if begin.time() == time(0) else begin.date() + timedelta(days=1)
        whole = tuple(whole_years(first, end.date()))
        by = {each.year: float(each.total) for each in years if each.currency == currency}
        price = price_told if price_told is not None else price_of(machine.custom)
        choice = repair_or_replace([by.get(year, 0.0) for year in whole], price, **told)
        if spent or price_told is not None:
            found.append(Account(machine, tuple(years), choice, price, whole))
    return sorted(found, key=lambda each: (-sum(float(year.total) for year in each.years), each.machine.name))


def price_of(custom: Mapping[str, Any]) -> float | None:
    """Return what a new one costs, from the machine's own fields."""
    for name in PRICE_FIELDS:
        try:
            price = float(custom[name])
        except (KeyError, TypeError, ValueError):
            continue
        if math.isfinite(price) and price > 0:
            return price
    return None


@dataclass(frozen=True, slots=True)
class Mean:
    """What one order costs on average, of how many."""

    value: float | None
    n: int


def order_costs(spending: Spending, currency: str) -> tuple[Mean, Mean]:
    """Return what a planned order and what the repair of a failure cost, each on average."""
    sums: dict[bool, dict[UUID, Decimal]] = {True: defaultdict(Decimal), False: defaultdict(Decimal)}
    for those in spending.by_machine.values():
        for each in those:
            if each.work_order_id is not None and each.cost.currency == currency and (each.planned or each.repaired):
                sums[each.planned][each.work_order_id] += each.cost.amount
    planned, repaired = (_mean(sums[key].values()) for key in (True, False))
    return planned, repaired


def _mean(values: Iterable[Decimal]) -> Mean:
    every = [float(value) for value in values]
    return Mean(math.fsum(every) / len(every) if every else None, len(every))


def zone_of(session: Session, machine: Machine) -> ZoneInfo:
    """Return the zone in which a machine's years are counted."""
    found = _zones(session, {machine.site_id}) if machine.site_id is not None else {}
    return found.get(machine.site_id, ZoneInfo("UTC")) if machine.site_id is not None else ZoneInfo("UTC")


def _zones(session: Session, sites: set[UUID]) -> dict[UUID, ZoneInfo]:
    found = {}
    for part in parts(sites):
        for key, name in session.execute(select(Site.id, Site.time_zone).where(Site.id.in_(part))):
            try:
                found[key] = ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                found[key] = ZoneInfo("UTC")
    return found


def _all(session: Session, query: Any) -> Sequence[Any]:
    rows = session.scalars(query.limit(MAX_ROWS + 1)).all()
    if len(rows) > MAX_ROWS:
        raise Invalid(f"more than {MAX_ROWS} rows: ask for less", field="from", limit=MAX_ROWS)
    return rows
