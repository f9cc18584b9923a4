"""Write what was decided into visits, all in one transaction, or nothing when the board changed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict
from assets.people import Person
from ticketing.models import Visit, WorkOrder
from ticketing.visit_plans import plan_visit
from ticketing.visits import move_visit, schedule_visit
from ticketing.work_orders import LIVE_VISITS, OPEN_STATES, assign

MAX_NAMED = 20


class BoardChanged(Conflict):
    """What the plan was made from is different now; params: `changed` [{number, work_order_id, visit_id}]."""

    code = "board_changed"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one order's visit: who and when; nobody: its visit is cancelled."""

    order_id: UUID
    visit_id: UUID | None
    technician_id: UUID | None
    start: datetime | None = None
    end: datetime | None = None
    travel_minutes: int | None = None
    position: int | None = None
    pinned: bool | None = None


def apply(
    session: Session,
    changes: Sequence[Change],
    versions: Mapping[str, int],
    now: datetime,
    *,
    by: Actor | None = None,
    explicit: bool = False,
) -> list[Visit]:
    """Write the changes; return the visits that are planned now.

    `versions` are those of the rows that the changes were made from. Raises BoardChanged when one of them, or a visit
    of somebody concerned, is another one now. Who has set out, and (unless `explicit`) what is pinned, is not touched.
    """
    orders = _lock_orders(session, changes)
    visits = _lock_visits(session, changes)
    _compare(session, changes, versions, orders, visits, explicit, now)
    session.execute(text("SET CONSTRAINTS visits_never_overlap DEFERRED"))
    people = _people(session, changes)
    for change in changes:
        if change.technician_id is None and change.visit_id is not None:
            move_visit(session, orders[change.order_id], visits[change.visit_id], "cancelled", now, by=by)
    written = [
        _move(session, change, orders[change.order_id], visits[change.visit_id], people, now, by)
        for change in changes
        if change.technician_id is not None and change.visit_id is not None
    ]
    session.flush()
    for change in changes:
        if change.technician_id is not None and change.visit_id is None:
            written.append(_add(session, change, orders[change.order_id], people, now, by))
    try:
        session.flush()
        session.execute(text("SET CONSTRAINTS visits_never_overlap IMMEDIATE"))
    except IntegrityError as error:
        raise BoardChanged("somebody planned another visit there meanwhile", changed=[]) from error
    return written


def _lock_orders(session: Session, changes: Sequence[Change]) -> dict[UUID, WorkOrder]:
    """Lock in one order, so that two who publish at once queue up instead of blocking each other."""
    keys = sorted({each.order_id for each in changes})
    query = select(WorkOrder).where(WorkOrder.id.in_(keys)).order_by(WorkOrder.id).with_for_update()
    return {each.id: each for each in session.scalars(query, execution_options={"populate_existing": True})}


def _lock_visits(session: Session, changes: Sequence[Change]) -> dict[UUID, Visit]:
    """Lock what moves, and read what else those people have in that time."""
    keys = {each.visit_id for each in changes if each.visit_id is not None}
    people = {each.technician_id for each in changes if each.technician_id is not None}
    times = [at for each in changes for at in (each.start, each.end) if at is not None]
    orders = {each.order_id for each in changes}
    concerned = or_(Visit.id.in_(keys), Visit.work_order_id.in_(orders) & Visit.state.in_(LIVE_VISITS))
    if times:
        in_time = (Visit.planned_start < max(times)) & (Visit.planned_end > min(times))
        concerned = or_(concerned, Visit.technician_id.in_(people) & Visit.state.in_(LIVE_VISITS) & in_time)
    query = select(Visit).where(concerned).order_by(Visit.id).with_for_update()
    return {each.id: each for each in session.scalars(query, execution_options={"populate_existing": True})}


def _compare(
    session: Session,
    changes: Sequence[Change],
    versions: Mapping[str, int],
    orders: Mapping[UUID, WorkOrder],
    visits: Mapping[UUID, Visit],
    explicit: bool,
    now: datetime,
) -> None:
    other: dict[UUID, UUID | None] = {}  # order -> visit
    for each in visits.values():
        if versions.get(str(each.id)) != each.version:
            other[each.work_order_id] = each.id
    for change in changes:
        order = orders.get(change.order_id)
        visit = visits.get(change.visit_id) if change.visit_id is not None else None
        if order is None or order.state not in OPEN_STATES or (change.visit_id is not None and visit is None):
            other[change.order_id] = change.visit_id
        elif visit is not None and (visit.state != "scheduled" or (_holds(visit, now) and not explicit)):
            other[change.order_id] = visit.id
        elif visit is None and versions.get(str(order.id)) != order.version:
            other[change.order_id] = None
    if other:
        named = session.execute(select(WorkOrder.id, WorkOrder.number).where(WorkOrder.id.in_(other)).limit(MAX_NAMED))
        told = [
            {"number": number, "work_order_id": str(key), "visit_id": str(other[key]) if other[key] else None}
            for key, number in named
        ]
        raise BoardChanged("the board changed meanwhile", changed=told)


def _holds(visit: Visit, now: datetime) -> bool:
    """Return whether a pin holds: not any more once the hours that it holds have passed unused."""
    return visit.pinned and (visit.planned_end is None or visit.planned_end > now)


def _people(session: Session, changes: Sequence[Change]) -> dict[UUID, Person]:
    keys = {each.technician_id for each in changes if each.technician_id is not None}
    return {each.id: each for each in session.scalars(select(Person).where(Person.id.in_(keys)))}


def _more(change: Change) -> dict[str, object]:
    more: dict[str, object] = {"travel_minutes": change.travel_minutes, "position_in_route": change.position}
    return more if change.pinned is None else more | {"pinned": change.pinned}


def _move(
    session: Session,
    change: Change,
    order: WorkOrder,
    visit: Visit,
    people: Mapping[UUID, Person],
    now: datetime,
    by: Actor | None,
) -> Visit:
    assert change.start is not None
    assert change.end is not None
    assert change.technician_id is not None
    person = people[change.technician_id] if change.technician_id != visit.technician_id else None
    return plan_visit(
        session, order, visit, now, planned=(change.start, change.end), technician=person, by=by, later=True,
        **_more(change),
    )  # fmt: skip


def _add(
    session: Session,
    change: Change,
    order: WorkOrder,
    people: Mapping[UUID, Person],
    now: datetime,
    by: Actor | None,
) -> Visit:
    assert change.start is not None
    assert change.end is not None
    assert change.technician_id is not None
    person = people[change.technician_id]
    if order.assignee_id not in (None, person.id):
        assign(session, order, person, now, by=by)  # given to somebody, and planned for somebody else
    visit = schedule_visit(session, order, person, now, planned=(change.start, change.end), by=by)
    for name, value in _more(change).items():
        setattr(visit, name, value)
    return visit
