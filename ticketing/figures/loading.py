"""Load the work orders of a period with all that figures ask of them: events, visits, clocks, whose they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.db import service_rights
from assets.base.errors import Invalid
from assets.base.events import Event
from assets.registry import Asset, Site
from ticketing.figures.definitions import UNNAMED, ClockFacts, Order
from ticketing.figures.facts import replay
from ticketing.models import Request, Visit, WorkOrder
from ticketing.sla.marks import ORDER_KINDS, REQUEST_KINDS, VISIT_KINDS, Happened
from ticketing.sla.tables import SlaClock

MAX_ORDERS = 20_000  # replayed for one answer: some seconds; more is asked for by shorter periods
CHUNK = 2_000  # ids in one question
_KINDS = ORDER_KINDS | REQUEST_KINDS | VISIT_KINDS


@dataclass(frozen=True, slots=True)
class Scope:
    """Which orders: those that were alive between two moments, narrowed."""

    since: datetime
    until: datetime
    team_id: UUID | None = None
    technician_id: UUID | None = None
    customer_id: UUID | None = None
    model_id: UUID | None = None
    site_id: UUID | None = None
    service_type_id: UUID | None = None
    priority: str | None = None


def load_orders(session: Session, scope: Scope, repeat_days: int, now: datetime) -> tuple[list[Order], list[Order]]:
    """Return the orders of a scope that the actor sees, and those on the same assets that might be the same failure.

    The caller is the actor: what they do not see is not counted. Raises Invalid when there are too many.
    """
    chosen = session.scalars(_chosen(scope).limit(MAX_ORDERS + 1)).all()
    if len(chosen) > MAX_ORDERS:
        raise Invalid(f"more than {MAX_ORDERS} orders: ask for a shorter period", field="from", limit=MAX_ORDERS)
    assets = {order.asset_id for order in chosen}
    reach = timedelta(days=repeat_days)
    known = {order.id for order in chosen}
    others: list[WorkOrder] = []
    for part in _parts(assets):
        same = select(WorkOrder).where(
            WorkOrder.asset_id.in_(part),
            WorkOrder.opened_at >= scope.since - reach,
            WorkOrder.opened_at <= scope.until + reach,
            ~WorkOrder.replayed,
        )
        left = MAX_ORDERS - len(others)
        newest = session.scalars(same.order_by(WorkOrder.id.desc()).limit(left + len(chosen)))
        others += [order for order in newest if order.id not in known][:left]
        if left <= 0:
            break
    session.flush()
    with service_rights(session):  # events of before somebody was called in count too
        found = _orders(session, [*chosen, *others], now)
    mine = [found[order.id] for order in chosen]
    if scope.technician_id is not None:
        mine = [order for order in mine if scope.technician_id in order.people]
    return mine, list(found.values())


def _chosen(scope: Scope) -> Any:
    query: Any = (
        select(WorkOrder)
        .outerjoin(Asset, Asset.id == WorkOrder.asset_id)
        .where(
            WorkOrder.opened_at < scope.until,
            ~WorkOrder.replayed,
            or_(
                WorkOrder.closed_at.is_(None),
                WorkOrder.closed_at >= scope.since,
                WorkOrder.work_done_at >= scope.since,
            ),
        )
        .order_by(WorkOrder.id)
    )
    for column, value in (
        (WorkOrder.team_id, scope.team_id),
        (Asset.customer_id, scope.customer_id),
        (Asset.asset_model_id, scope.model_id),
        (WorkOrder.site_id, scope.site_id),
        (WorkOrder.service_type_id, scope.service_type_id),
        (WorkOrder.priority, scope.priority),
    ):
        if value is not None:
            query = query.where(column == value)
    return query


def _orders(session: Session, rows: Sequence[WorkOrder], now: datetime) -> dict[UUID, Order]:
    keys = [row.id for row in rows]
    technicians: dict[UUID, dict[UUID, UUID]] = defaultdict(dict)
    visit_of: dict[UUID, UUID] = {}
    for part in _parts(keys):
        visits = select(Visit.id, Visit.work_order_id, Visit.technician_id).where(Visit.work_order_id.in_(part))
        for visit, order, technician in session.execute(visits):
            visit_of[visit] = order
            if technician is not None:
                technicians[order][visit] = technician
    events = _events(session, rows, visit_of)
    places = _places(session, {row.asset_id for row in rows})
    clocks = _clocks(session, rows, now)
    return {
        row.id: _order(row, events.get(row.id, []), technicians.get(row.id, {}), places, clocks.get(row.id, []))
        for row in rows
    }


def _order(
    row: WorkOrder,
    events: Iterable[Happened],
    technicians: Mapping[UUID, UUID],
    places: Mapping[UUID, tuple[UUID | None, UUID | None, ZoneInfo]],
    clocks: Sequence[ClockFacts],
) -> Order:
    customer, model, zone = places.get(row.asset_id, (None, None, ZoneInfo("UTC")))
    return Order(
        id=row.id,
        number=row.number,
        origin=row.origin,
        priority=row.priority,
        outcome=row.outcome,
        asset_id=row.asset_id,
        modes=modes_of(row),
        time_zone=zone,
        facts=replay(row.id, events),
        minutes=row.duration_minutes,
        team_id=row.team_id,
        assignee_id=row.assignee_id,
        customer_id=customer,
        model_id=model,
        site_id=row.site_id,
        technicians=technicians,
        clocks=clocks,
    )


def modes_of(row: WorkOrder) -> frozenset[str]:
    """Return the failure modes that an order is about: what whoever was there said, else what was noticed.

    What has no code is known by the key of its alarm.
    """
    if row.failure_mode:
        return frozenset({row.failure_mode})
    if row.outcome == "wrong_mode":
        return frozenset()  # what was noticed was not it, and nobody said what was
    noticed = [each for each in (row.noticed or {}).get("failure_modes") or [] if isinstance(each, dict)]
    named = {str(each["code"]) if each.get("code") else UNNAMED + str(each.get("key") or "") for each in noticed}
    return frozenset(named - {UNNAMED})


def owners_of(
    rows: Sequence[WorkOrder], visit_of: Mapping[UUID, UUID], requests: Mapping[UUID, UUID]
) -> dict[UUID, list[UUID]]:
    """Return what events are about, with the orders that they count for: the order, its visits, what it answers.

    An order that was opened from a case names the case as its origin; its requests name the order.
    """
    owners: dict[UUID, list[UUID]] = defaultdict(list)
    for row in rows:
        owners[row.id].append(row.id)
        if row.origin == "request" and row.origin_ref is not None:
            owners[row.origin_ref].append(row.id)
    for about, order in (*visit_of.items(), *requests.items()):
        if order not in owners[about]:
            owners[about].append(order)
    return owners


def _requests(session: Session, keys: Sequence[UUID]) -> dict[UUID, UUID]:
    found: dict[UUID, UUID] = {}
    for part in _parts(keys):
        asked = select(Request.id, Request.work_order_id).where(Request.work_order_id.in_(part))
        found |= {request: order for request, order in session.execute(asked) if order is not None}
    return found


def _events(session: Session, rows: Sequence[WorkOrder], visit_of: Mapping[UUID, UUID]) -> dict[UUID, list[Happened]]:
    owners = owners_of(rows, visit_of, _requests(session, [row.id for row in rows]))
    found: dict[UUID, list[Happened]] = defaultdict(list)
    for part in _parts(owners):
        query = select(
            Event.id, Event.at, Event.kind, Event.subject_kind, Event.subject_id, Event.payload, Event.actor_kind
        ).where(Event.subject_id.in_(part), Event.kind.in_(_KINDS))
        for number, at, kind, subject_kind, subject_id, payload, actor in session.execute(query):
            happened = Happened(number, at, kind, subject_kind, subject_id, payload, actor == "person")
            for owner in owners[subject_id]:
                found[owner].append(happened)
    return found


def _places(session: Session, assets: Collection[UUID]) -> dict[UUID, tuple[UUID | None, UUID | None, ZoneInfo]]:
    found: dict[UUID, tuple[UUID | None, UUID | None, ZoneInfo]] = {}
    for part in _parts(assets):
        query = (
            select(Asset.id, Asset.customer_id, Asset.asset_model_id, Site.time_zone)
            .outerjoin(Site, Site.id == Asset.site_id)
            .where(Asset.id.in_(part))
        )
        for key, customer, model, zone in session.execute(query):
            found[key] = (customer, model, _zone(zone))
    return found


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _clocks(session: Session, rows: Sequence[WorkOrder], now: datetime) -> dict[UUID, list[ClockFacts]]:
    """Return the clocks that were decided, of orders and of the cases that they were the first work of."""
    subjects: dict[UUID, UUID] = {row.id: row.id for row in rows}
    for row in sorted(rows, key=lambda each: each.id):
        if row.case_id is not None:
            subjects.setdefault(row.case_id, row.id)
    found: dict[UUID, list[ClockFacts]] = defaultdict(list)
    for part in _parts(subjects):
        query = select(SlaClock).where(SlaClock.subject_id.in_(part), SlaClock.state != "cancelled")
        for clock in session.scalars(query):
            if clock.subject_kind == "case" and clock.clock == "restoration":
                continue  # the order's own
            if (facts := _decided(clock, now)) is not None:
                found[subjects[clock.subject_id]].append(facts)
    return found


def _decided(clock: SlaClock, now: datetime) -> ClockFacts | None:
    late = clock.breached_at
    if clock.finished_at is None and (late is None or late > now):
        return None
    kept = clock.state == "met" and clock.finished_at is not None
    at = clock.finished_at if kept else late or clock.finished_at
    return ClockFacts(clock.clock, at or now.astimezone(UTC), kept, clock.used_s or 0.0, float(clock.target_s))


def _parts(keys: Iterable[UUID]) -> Iterable[list[UUID]]:
    every = list(keys)
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]
