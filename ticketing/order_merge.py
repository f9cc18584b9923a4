"""Two orders for one trouble become one: what asked for the duplicate goes on with the other, and both say so."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid
from ticketing.models import Request, Visit, WorkOrder
from ticketing.order_blocks import move_blocks
from ticketing.order_lines import lines_of
from ticketing.order_log import log_order
from ticketing.order_states import LIVE_VISITS, OPEN_STATES, worded
from ticketing.words import PRIORITIES
from ticketing.work_orders import transition, update_noticed

MERGED = "merged"  # the reason with which a duplicate is cancelled


class NotMergeable(Conflict):
    """The two do not go together; params: `number`, `into`, `what` (asset, owner, work)."""

    code = "not_mergeable"


def merge(
    session: Session, order: WorkOrder, into: WorkOrder, reason: str, now: datetime, *, by: Actor | None = None
) -> WorkOrder:
    """Merge `order` into `into` and return the latter; twice changes nothing. Both are locked, lower id first.

    Requests, lines and blocks move; visits that nobody set out for are cancelled; priority, first notice and dates
    take the sharper of both. The duplicate is cancelled and names where its work went on; its episodes follow
    (`maintenance.outcomes`), and it teaches nothing. Raises NotMergeable, IllegalMove, Invalid.
    """
    if order.merged_into_id == into.id:
        return into
    words = worded("reason", reason)
    _check(session, order, into)
    moved = _move_requests(session, order, into)
    lines = lines_of(session, order.id)
    for line in lines:
        line.work_order_id = into.id
    move_blocks(session, order, into)
    _sharpen(session, order, into)
    order.merged_into_id, order.outcome = into.id, None
    transition(session, order, "cancelled", now, by=by, reason=MERGED)
    facts: dict[str, Any] = {
        "from": order.number,
        "from_id": str(order.id),
        "reason": words,
        "requests": moved,
        "lines": len(lines),
    }
    log_order(session, into, "work_order.merged", now, by, facts)
    return into


def surviving(session: Session, order: WorkOrder) -> WorkOrder:
    """Return the order in which the work of this one goes on: itself, or the end of its chain of merges."""
    seen = {order.id}
    while order.merged_into_id is not None and order.merged_into_id not in seen:
        following = session.get(WorkOrder, order.merged_into_id)
        if following is None:
            break
        order = following
        seen.add(order.id)
    return order


def _check(session: Session, order: WorkOrder, into: WorkOrder) -> None:
    if order.id == into.id:
        raise Invalid("an order is not merged into itself", field="into")
    for what, same in (
        ("asset", order.asset_id == into.asset_id),
        ("owner", order.organisation_id == into.organisation_id),
    ):
        if not same:
            raise NotMergeable(
                f"{order.number} is about another {what}", number=order.number, into=into.number, what=what
            )
    for one in (order, into):
        if one.state not in OPEN_STATES:
            raise IllegalMove(f"{one.number} is {one.state}", state=one.state, to="merged", legal=list(OPEN_STATES))
    begun = select(Visit.id).where(
        Visit.work_order_id == order.id, Visit.state.in_(LIVE_VISITS), Visit.state != "scheduled"
    )
    if session.scalar(begun.limit(1)) is not None:
        text = f"somebody works on {order.number}; merge the other way round"
        raise NotMergeable(text, number=order.number, into=into.number, what="work")


def _move_requests(session: Session, order: WorkOrder, into: WorkOrder) -> int:
    """Before the duplicate is cancelled: a request of a cancelled order would return to the desk."""
    asked = update(Request).where(Request.work_order_id == order.id).values(work_order_id=into.id)
    moved = session.execute(asked.returning(Request.id), execution_options={"synchronize_session": "fetch"})
    return len(moved.all())


def _sharpen(session: Session, order: WorkOrder, into: WorkOrder) -> None:
    into.priority = max(into.priority, order.priority, key=PRIORITIES.index)
    for name in ("since", "due_at"):
        values = [value for value in (getattr(into, name), getattr(order, name)) if value is not None]
        setattr(into, name, min(values, default=None))
    into.case_id = into.case_id or order.case_id
    into.service_type_id = into.service_type_id or order.service_type_id
    into.required_skills = into.required_skills or order.required_skills
    into.duration_minutes = into.duration_minutes or order.duration_minutes
    session.flush()
    if into.noticed is None and order.noticed is not None:
        update_noticed(session, into.id, order.noticed)
