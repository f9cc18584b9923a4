"""Who works on an order: the assignee, those who help, and whose hands may touch it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import DESK, Actor
from assets.base.errors import Conflict, Forbidden, Invalid
from assets.people import Organisation, Person
from ticketing.models import Visit, WorkOrder
from ticketing.order_log import log_order
from ticketing.order_models import WorkOrderPerson
from ticketing.order_photos import hand_over
from ticketing.order_states import LIVE_VISITS, OPEN_STATES, illegal

MAX_HELPERS = 20  # of one order


def give(session: Session, order: WorkOrder, person: Person | None) -> UUID | None:
    """Make somebody, or nobody, the assignee, and with them who carries the order out; return who had it before."""
    before, order.assignee_id = order.assignee_id, person.id if person else None
    order.executing_organisation_id = _executor(session, order, person)
    hand_over(session, order)
    return before


def log_given(session: Session, order: WorkOrder, before: UUID | None, now: datetime, by: Actor | None) -> None:
    """Append the event that an order has another assignee."""
    session.flush()
    person_id = order.assignee_id
    facts = {"person_id": str(person_id) if person_id else None, "from_person_id": str(before) if before else None}
    log_order(session, order, "work_order.assigned", now, by, facts)


def add_helper(
    session: Session, order: WorkOrder, person: Person, now: datetime, *, by: Actor | None = None
) -> WorkOrderPerson | None:
    """Let somebody help the assignee; None for the assignee themselves. Twice changes nothing.

    Raises IllegalMove when the order is not open, Invalid for somebody who would not see it.
    """
    if person.id == order.assignee_id:
        return None
    for known in helpers_of(session, order.id):
        if known.person_id == person.id:
            return known
    if order.state not in OPEN_STATES:
        raise illegal(order, "helped")
    if len(helpers_of(session, order.id)) >= MAX_HELPERS:
        raise Conflict(f"{order.number} has {MAX_HELPERS} helpers already", limit=MAX_HELPERS)
    if not may_see(session, order, person):
        raise Invalid(f"{person.name}'s organisation does not carry this order out", field="person_id")
    helper = WorkOrderPerson(
        organisation_id=order.organisation_id,
        work_order_id=order.id,
        person_id=person.id,
        added_at=now,
        added_by=by.person_id if by else None,
    )
    session.add(helper)
    session.flush()
    log_order(session, order, "work_order.person_added", now, by, {"person_id": str(person.id)})
    return helper


def remove_helper(
    session: Session, order: WorkOrder, person_id: UUID, now: datetime, *, by: Actor | None = None
) -> None:
    """Somebody helps no longer. Raises Conflict while a visit of theirs is alive; who did not help changes nothing."""
    known = next((one for one in helpers_of(session, order.id) if one.person_id == person_id), None)
    if known is None:
        return
    living = select(Visit.id).where(
        Visit.work_order_id == order.id, Visit.technician_id == person_id, Visit.state.in_(LIVE_VISITS)
    )
    if session.scalar(living.limit(1)) is not None:
        raise Conflict("a visit of theirs is planned or under way", what="visit")
    session.delete(known)
    session.flush()
    log_order(session, order, "work_order.person_removed", now, by, {"person_id": str(person_id)})


def helpers_of(session: Session, order_id: UUID) -> Sequence[WorkOrderPerson]:
    """Return who helps, in the order in which they came."""
    mine = select(WorkOrderPerson).where(WorkOrderPerson.work_order_id == order_id)
    return session.scalars(mine.order_by(WorkOrderPerson.id).limit(MAX_HELPERS)).all()


def is_helper(session: Session, order: WorkOrder, person_id: UUID) -> bool:
    """Return whether somebody helps with an order."""
    mine = select(WorkOrderPerson.id).where(
        WorkOrderPerson.work_order_id == order.id, WorkOrderPerson.person_id == person_id
    )
    return session.scalar(mine) is not None


def check_hands(session: Session, order: WorkOrder, person: Person, by: Actor | None) -> None:
    """Raise Forbidden when a technician touches an order that is neither theirs nor nobody's; the desk may."""
    if order.assignee_id in (None, person.id) or (by is not None and by.roles & DESK):
        return
    if not is_helper(session, order, person.id):
        raise Forbidden(f"{order.number} belongs to somebody else", action="visit.perform")


def may_see(session: Session, order: WorkOrder, person: Person) -> bool:
    """Return whether the order is on the desk of somebody's organisation: owner, above it, or executor."""
    if person.organisation_id == order.executing_organisation_id:
        return True
    owner = session.get(Organisation, order.organisation_id)
    return owner is not None and person.organisation_id in owner.ancestors


def check_owner(session: Session, order: WorkOrder, by: Actor | None) -> None:
    """Raise Forbidden for somebody who only carries the order out: what work there is, its owner's side decides."""
    if by is None:
        return
    owner = session.get(Organisation, order.organisation_id)
    if owner is None or by.organisation_id not in owner.ancestors:
        raise Forbidden(f"{order.number} belongs to another organisation", kind="work_order")


def _executor(session: Session, order: WorkOrder, person: Person | None) -> UUID | None:
    if person is None:
        return None
    owner = session.get(Organisation, order.organisation_id)
    inside = owner is not None and person.organisation_id in owner.ancestors
    return None if inside else person.organisation_id
