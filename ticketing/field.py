"""The technician's three buttons: accept, start, finish."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid
from assets.people import Person
from ticketing.models import Visit, WorkOrder
from ticketing.order_people import check_hands, is_helper
from ticketing.visits import move_visit, schedule_visit, visits_of
from ticketing.work_orders import LIVE_VISITS, OPEN_STATES, OUTCOMES, assign, illegal


def accept(session: Session, order: WorkOrder, person: Person, now: datetime, *, by: Actor | None = None) -> WorkOrder:
    """Take the order: it is mine, with a visit scheduled. Accepting twice changes nothing.

    Raises Conflict when somebody else has it, IllegalMove when it is not open.
    """
    if order.state not in OPEN_STATES:
        raise illegal(order, "accepted")
    if order.assignee_id not in (None, person.id):
        if not is_helper(session, order, person.id):
            raise Conflict(f"{order.number} belongs to somebody else", what="assignee")
    else:
        assign(session, order, person, now, by=by)
    schedule_visit(session, order, person, now, by=by)
    return order


def start(session: Session, order: WorkOrder, person: Person, now: datetime, *, by: Actor | None = None) -> WorkOrder:
    """Begin the work on site; an order not yet accepted is accepted on the way."""
    check_hands(session, order, person, by)
    visit = _my_visit(session, order, person)
    if visit is None:
        accept(session, order, person, now, by=by)
        visit = _my_visit(session, order, person)
    if visit is None:
        raise illegal(order, "in_progress")
    move_visit(session, order, visit, "in_progress", now, by=by)
    return order


def finish(
    session: Session,
    order: WorkOrder,
    person: Person,
    now: datetime,
    *,
    outcome: str,
    note: str | None = None,
    repair_code: str | None = None,
    by: Actor | None = None,
) -> WorkOrder:
    """End the work with what was found; finishing twice with the same outcome changes nothing.

    Raises IllegalMove when the work was never begun, Invalid on an unknown outcome.
    """
    check_hands(session, order, person, by)
    if outcome not in OUTCOMES:
        raise Invalid(f"outcome is one of {', '.join(OUTCOMES)}", field="outcome", allowed=list(OUTCOMES))
    if order.state == "completed" and order.outcome == outcome:
        return order
    visit = _my_visit(session, order, person)
    if visit is None:
        raise illegal(order, "completed")
    if visit.state not in ("in_progress", "on_break"):
        text = f"{order.number} has not been started"
        raise IllegalMove(text, state=order.state, to="completed", legal=["in_progress"])
    move_visit(session, order, visit, "completed", now, by=by, outcome=outcome, note=note, repair_code=repair_code)
    return order


def _my_visit(session: Session, order: WorkOrder, person: Person) -> Visit | None:
    live = [visit for visit in visits_of(session, order) if visit.state in LIVE_VISITS]
    mine = [visit for visit in live if visit.technician_id == person.id]
    if mine or is_helper(session, order, person.id):
        return mine[-1] if mine else None  # who helps has visits of their own
    # The desk may press the buttons for the one technician who has no phone at hand.
    return live[-1] if len(live) == 1 else None
