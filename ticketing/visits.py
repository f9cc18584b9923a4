"""Visits: their own state machine, and how they move their work order."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, NotFound
from assets.people import Person
from ticketing.models import Visit, WorkOrder
from ticketing.order_lines import count_visit
from ticketing.order_people import add_helper, may_see
from ticketing.order_states import VISIT_MOVES, reason_code
from ticketing.visit_plans import Planned, check_overlap, never_overlapping, plan_visit
from ticketing.work_orders import LIVE_VISITS, OPEN_STATES, assign, illegal, move, record_outcome, set_visit

LEGAL_MOVES = VISIT_MOVES
_AT_WORK = frozenset({"travelling", "in_progress", "on_break"})
MAX_VISITS = 50  # of one order; more is a mistake, not a job


def work_order_state(visits: Collection[str]) -> str:
    """Return the state that an order's visits give it (the table of the contract, first rule that fits)."""
    states = set(visits)
    if states & _AT_WORK:
        return "in_progress"
    if "scheduled" in states:
        # Part of the work is done and somebody is expected: it is under way.
        return "in_progress" if "completed" in states else "scheduled"
    if "completed" in states:
        return "completed"
    if "cannot_complete" in states and "partially_completed" not in states:
        return "cannot_complete"
    return "unscheduled"


def get_visit(session: Session, visit_id: UUID) -> Visit:
    """Return the visit. Raises NotFound."""
    visit = session.get(Visit, visit_id)
    if visit is None:
        raise NotFound("no such visit", kind="visit")
    return visit


def visits_of(session: Session, order: WorkOrder) -> list[Visit]:
    """Return an order's visits, oldest first."""
    found = select(Visit).where(Visit.work_order_id == order.id).order_by(Visit.id).limit(MAX_VISITS)
    return list(session.scalars(found))


def schedule_visit(
    session: Session,
    order: WorkOrder,
    technician: Person,
    now: datetime,
    *,
    scheduled_at: datetime | None = None,
    planned: Planned | None = None,
    by: Actor | None = None,
) -> Visit:
    """Plan a technician's visit; the same technician's live visit is kept, and moved when `planned` says so.

    An order that nobody has is theirs from now on; with one that somebody else has they help. Raises IllegalMove when
    the order is not open any more, VisitOverlap when they are somewhere else then.
    """
    if order.state not in OPEN_STATES:
        raise illegal(order, "scheduled")
    present = visits_of(session, order)
    for visit in present:
        if visit.technician_id == technician.id and visit.state in LIVE_VISITS:
            return plan_visit(session, order, visit, now, planned=planned, by=by) if planned else visit
    if len(present) >= MAX_VISITS:
        raise Conflict(f"{order.number} has {MAX_VISITS} visits already", limit=MAX_VISITS)
    if planned is not None:
        check_overlap(session, technician.id, planned)
    _take_on(session, order, technician, now, by, present)
    if order.state == "cannot_complete":
        order.round += 1  # tried again: what could not be done then decides nothing now
    visit = Visit(
        organisation_id=order.organisation_id,
        executing_organisation_id=order.executing_organisation_id,
        work_order_id=order.id,
        technician_id=technician.id,
        state="new",
        scheduled_at=planned[0] if planned else scheduled_at or now,
        planned_start=planned[0] if planned else None,
        planned_end=planned[1] if planned else None,
        round=order.round,
    )
    with never_overlapping(session):
        session.add(visit)
        set_visit(session, order, visit, "scheduled", now, by)
    order.scheduled_at = visit.scheduled_at
    follow_visits(session, order, now, by)
    return visit


def _take_on(
    session: Session, order: WorkOrder, technician: Person, now: datetime, by: Actor | None, present: list[Visit]
) -> None:
    # Assigning ends the visits of others: whoever is on the way already stays so.
    if order.assignee_id is None and not any(visit.state in LIVE_VISITS for visit in present):
        assign(session, order, technician, now, by=by)
    elif order.assignee_id != technician.id and may_see(session, order, technician):
        add_helper(session, order, technician, now, by=by)


def move_visit(
    session: Session,
    order: WorkOrder,
    visit: Visit,
    to: str,
    now: datetime,
    *,
    by: Actor | None = None,
    reason: str | None = None,
    code: str | None = None,
    outcome: str | None = None,
    note: str | None = None,
    repair_code: str | None = None,
) -> Visit:
    """Move a visit and, by the table, its order. Moving to the present state changes nothing.

    Raises IllegalMove, which names the legal moves, and Invalid when 'cannot_complete' lacks its reason.
    """
    if to == visit.state:
        return visit
    legal = list(LEGAL_MOVES[visit.state])
    if to not in legal:
        text = f"the visit is {visit.state}; it cannot become {to}, only: {', '.join(legal) or 'nothing'}"
        raise IllegalMove(text, state=visit.state, to=to, legal=legal)
    chosen = reason_code(to, code, reason)
    record_outcome(order, outcome, note, repair_code)
    set_visit(session, order, visit, to, now, by, reason, chosen)
    count_visit(session, order, visit, now)
    follow_visits(session, order, now, by, reason, chosen)
    return visit


def follow_visits(
    session: Session,
    order: WorkOrder,
    now: datetime,
    by: Actor | None = None,
    reason: str | None = None,
    code: str | None = None,
) -> None:
    """Give the order the state that the visits of its present round say."""
    if order.state not in OPEN_STATES:
        return
    to = work_order_state([visit.state for visit in visits_of(session, order) if visit.round == order.round])
    if to == order.state:
        return
    if to == "completed":
        if order.state != "in_progress":  # held or waiting while the last visit ended
            move(session, order, "in_progress", now, by=by)
        if order.outcome is None:
            order.outcome = "unknown"
    if to == "cannot_complete":
        code = code or _why_not(session, order)
    move(session, order, to, now, by=by, reason=reason, code=code if to == "cannot_complete" else None)


def _why_not(session: Session, order: WorkOrder) -> str | None:
    """Return the newest visit's reason, when the visit that ended last was another one."""
    told = [one.cannot_complete_reason for one in visits_of(session, order) if one.cannot_complete_reason]
    return told[-1] if told else None
