"""Finished work is looked at: approved and closed, sent back with the reason, or opened again later."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove
from ticketing.models import WorkOrder
from ticketing.order_states import illegal, worded
from ticketing.words import one_of
from ticketing.work_orders import enter_state, transition

REOPEN_WITHIN = timedelta(days=30)  # later it is other work: bills are written and the partner sees it no more
_FINISHED = ("completed", "documented")


class TooLate(Conflict):
    """Closed too long ago to open again; params: `closed_at`, `days`."""

    code = "reopen_too_late"


def approve(
    session: Session, order: WorkOrder, now: datetime, *, by: Actor | None = None, note: str | None = None
) -> WorkOrder:
    """Close finished work. Twice changes nothing. Raises IllegalMove, or StepsMissing."""
    if order.state == "closed" and order.review_state == "approved":
        return order
    if order.state not in _FINISHED:
        raise illegal(order, "closed")
    transition(session, order, "closed", now, by=by, reason=note)
    order.review_reason = note or None
    session.flush()
    return order


def send_back(
    session: Session, order: WorkOrder, reason: str, now: datetime, *, to: str = "in_progress", by: Actor | None = None
) -> WorkOrder:
    """Say what is missing: whoever did the work goes on with it (`in_progress`), or it is planned anew (`unscheduled`).

    Raises Invalid without a reason, IllegalMove for work that is not finished.
    """
    one_of("to", to, ("in_progress", "unscheduled"))
    words = worded("reason", reason)
    if order.state not in _FINISHED:
        legal = f"{order.number} is {order.state}; only finished work is sent back"
        raise IllegalMove(legal, state=order.state, to="sent_back", legal=[])
    return transition(session, order, to, now, by=by, reason=words)


def reopen(session: Session, order: WorkOrder, reason: str, now: datetime, *, by: Actor | None = None) -> WorkOrder:
    """Open a closed order again: the fault is back, or it was closed by mistake. It is planned anew.

    What it taught is withdrawn until it is finished again. Raises Invalid without a reason, IllegalMove for an order
    that is not closed (a cancelled one is opened as a new one), TooLate after 30 days.
    """
    words = worded("reason", reason)
    if order.state in _FINISHED:
        return send_back(session, order, words, now, to="unscheduled", by=by)
    if order.state != "closed":
        raise IllegalMove(f"{order.number} is {order.state}, not closed", state=order.state, to="reopened", legal=[])
    if order.closed_at is not None and now - order.closed_at > REOPEN_WITHIN:
        text = f"{order.number} was closed more than {REOPEN_WITHIN.days} days ago"
        raise TooLate(text, closed_at=order.closed_at.isoformat(), days=REOPEN_WITHIN.days)
    order.round += 1
    order.reopened_no += 1
    order.review_state = "none"
    facts = {"reopened_no": order.reopened_no}
    enter_state(session, order, "unscheduled", now, "work_order.reopened", by=by, reason=words, facts=facts)
    return order
