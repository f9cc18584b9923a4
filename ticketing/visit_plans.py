"""When a visit is planned and by whom: move it, give it to somebody else; nobody is in two places at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid
from assets.people import Person
from ticketing.models import Visit, WorkOrder
from ticketing.order_log import log_visit
from ticketing.order_people import add_helper, give, log_given, may_see
from ticketing.order_states import LIVE_VISITS

USUAL_MINUTES = 60  # of a visit when nobody said how long the work takes
LONGEST = timedelta(days=14)
_NEVER_OVERLAP = "visits_never_overlap"
Planned = tuple[datetime, datetime]


class VisitOverlap(Conflict):
    """The technician is somewhere else then; params: `visit_id`, `number`, `planned_start`, `planned_end` of it.

    They are None when whoever asks does not see the other visit.
    """

    code = "visit_overlap"


def planned_for(order: WorkOrder, start: datetime, end: datetime | None = None) -> Planned:
    """Return the time that a visit takes; without an end, as long as its order says. Raises Invalid."""
    until = end or start + timedelta(minutes=order.duration_minutes or USUAL_MINUTES)
    if not start < until:
        raise Invalid("a visit ends after it begins", field="planned_end")
    if until - start > LONGEST:
        raise Invalid(f"a visit lasts at most {LONGEST.days} days", field="planned_end", days=LONGEST.days)
    return start, until


def plan_visit(
    session: Session,
    order: WorkOrder,
    visit: Visit,
    now: datetime,
    *,
    planned: Planned | None = None,
    technician: Person | None = None,
    by: Actor | None = None,
    later: bool = False,
    **more: Any,
) -> Visit:
    """Move a visit to another time, another technician, or both; `more` are pinned, travel_minutes, position_in_route.

    Only a visit that nobody set out for changes hands; of one that has begun only the end may move. Changing nothing
    writes nothing. `later`: visits change places, whoever moves them checks all together, at the end, on the deferred
    constraint. Raises VisitOverlap, IllegalMove, Invalid.
    """
    before = _told(visit)
    start, end = planned or (visit.planned_start, visit.planned_end)
    person_id = technician.id if technician else visit.technician_id
    _check_changes(visit, start, person_id)
    if technician is not None and not may_see(session, order, technician):
        raise Invalid(f"{technician.name}'s organisation does not carry this order out", field="technician_id")
    if (
        not later
        and start is not None
        and end is not None
        and (start, end, person_id)
        != (
            visit.planned_start,
            visit.planned_end,
            visit.technician_id,
        )
    ):
        check_overlap(session, person_id, (start, end), visit.id)
    previous = visit.technician_id
    with never_overlapping(session):
        visit.planned_start, visit.planned_end, visit.technician_id = start, end, person_id
        if planned is not None:
            visit.scheduled_at = start
            if visit.state == "scheduled":
                order.scheduled_at = start
        for name in ("pinned", "travel_minutes", "position_in_route"):
            if name in more:
                setattr(visit, name, more[name])
    if _told(visit) == before:
        return visit
    if technician is not None and previous != person_id:
        _change_hands(session, order, visit, previous, technician, now, by)
    facts = {"before": before, "after": _told(visit)}
    log_visit(session, order, visit, "visit.planned", now, by, facts)
    return visit


def check_overlap(session: Session, technician_id: UUID | None, planned: Planned, but: UUID | None = None) -> None:
    """Raise VisitOverlap, which names the visit that the technician has then."""
    if technician_id is None:
        return
    there = (
        select(Visit, WorkOrder.number)
        .outerjoin(WorkOrder, WorkOrder.id == Visit.work_order_id)
        .where(
            Visit.technician_id == technician_id,
            Visit.state.in_(LIVE_VISITS),
            Visit.planned_start < planned[1],
            Visit.planned_end > planned[0],
        )
        .order_by(Visit.planned_start)
        .limit(1)
    )
    other = session.execute(there.where(Visit.id != but) if but else there).first()
    if other is not None:
        raise _overlap(other[0], other[1])


@contextmanager
def never_overlapping(session: Session) -> Iterator[None]:
    """Write planned times; the database refuses what overlaps even when two people plan at the same moment.

    Raises VisitOverlap; the transaction goes on as if nothing had been written.
    """
    try:
        with session.begin_nested():
            yield
            session.flush()
    except IntegrityError as error:
        if _NEVER_OVERLAP not in str(error.orig):
            raise
        # Of somebody else's visit that nobody here may see, or that was planned in this very moment.
        raise _overlap(None, None) from error


def _overlap(visit: Visit | None, number: str | None) -> VisitOverlap:
    if visit is None or visit.planned_start is None or visit.planned_end is None:
        text = "the technician has another visit then"
        return VisitOverlap(text, visit_id=None, number=None, planned_start=None, planned_end=None)
    text = f"the technician has another visit then: {number}"
    return VisitOverlap(
        text,
        visit_id=str(visit.id),
        number=number,
        planned_start=visit.planned_start.isoformat(),
        planned_end=visit.planned_end.isoformat(),
    )


def _check_changes(visit: Visit, start: datetime | None, person_id: UUID | None) -> None:
    legal = list(LIVE_VISITS)
    if visit.state not in LIVE_VISITS:
        raise IllegalMove(f"the visit is {visit.state}", state=visit.state, to="planned", legal=[])
    if visit.state != "scheduled" and person_id != visit.technician_id:
        raise IllegalMove("somebody is on the way already", state=visit.state, to="reassigned", legal=legal)
    if visit.state in ("in_progress", "on_break") and start != visit.planned_start and visit.planned_start is not None:
        raise IllegalMove("the visit has begun", state=visit.state, to="planned", legal=legal)


def _change_hands(
    session: Session,
    order: WorkOrder,
    visit: Visit,
    previous: UUID | None,
    person: Person,
    now: datetime,
    by: Actor | None,
) -> None:
    if order.assignee_id not in (None, previous):
        add_helper(session, order, person, now, by=by)
        return
    if order.assignee_id == person.id:
        return
    give(session, order, person)
    visit.executing_organisation_id = order.executing_organisation_id
    log_given(session, order, previous, now, by)


def _told(visit: Visit) -> dict[str, Any]:
    return {
        "technician_id": str(visit.technician_id) if visit.technician_id else None,
        "planned_start": visit.planned_start.isoformat() if visit.planned_start else None,
        "planned_end": visit.planned_end.isoformat() if visit.planned_end else None,
        "pinned": visit.pinned,
        "travel_minutes": visit.travel_minutes,
        "position_in_route": visit.position_in_route,
    }
