"""Technicians: who can be sent, and how much each already has."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import Role
from assets.base.errors import Invalid, NotFound
from assets.people import Membership, Person
from ticketing.models import WorkOrder
from ticketing.work_orders import OPEN_STATES

SENT = (Role.TECHNICIAN, Role.PARTNER)  # roles that go to machines
MAX_LIST = 1000


@dataclass(frozen=True, slots=True)
class Technician:
    """Somebody who can be sent, with the number of their open work orders."""

    person_id: UUID
    name: str
    open_work_orders: int


def technicians(session: Session) -> list[Technician]:
    """Return everybody visible who can be sent, the least busy first."""
    busy = (
        select(WorkOrder.assignee_id, func.count().label("open"))
        .where(WorkOrder.state.in_(OPEN_STATES), WorkOrder.assignee_id.is_not(None))
        .group_by(WorkOrder.assignee_id)
        .subquery()
    )
    load = func.coalesce(busy.c.open, 0)
    sent = select(Membership.person_id).where(Membership.role.in_(SENT))
    rows = session.execute(
        select(Person.id, Person.name, load)
        .outerjoin(busy, busy.c.assignee_id == Person.id)
        .where(Person.disabled_at.is_(None), Person.id.in_(sent))
        .order_by(load, Person.name, Person.id)
        .limit(MAX_LIST)
    )
    return [Technician(person_id, name, int(count)) for person_id, name, count in rows]


def assignable(session: Session, person_id: UUID) -> Person:
    """Return the person if they can be sent. Raises NotFound, or Invalid for somebody who cannot."""
    person = session.get(Person, person_id)
    if person is None:
        raise NotFound("no such person", kind="person")
    role = select(Membership.id).where(Membership.person_id == person_id, Membership.role.in_(SENT)).limit(1)
    if person.disabled_at is not None or session.scalar(role) is None:
        raise Invalid(f"{person.name} is no technician", field="person_id")
    return person
