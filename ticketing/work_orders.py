"""Work orders: open them, assign them, and move them along the one table of legal moves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor, may
from assets.base.errors import IllegalMove, Invalid, NotFound
from assets.people import Person
from assets.registry import Asset
from ticketing.models import REQUEST_NUMBERS, WORK_ORDER_NUMBERS, Visit, WorkOrder
from ticketing.order_blocks import check_free
from ticketing.order_lines import count_visit
from ticketing.order_log import log_order, log_visit, set_visit
from ticketing.order_people import give, log_given
from ticketing.order_photos import check_photos_here
from ticketing.order_states import (
    ACTION_OF_MOVE,
    CANNOT_COMPLETE_REASONS,
    HOLD_REASONS,
    KINDS,
    LEGAL_MOVES,
    LIVE_VISITS,
    MAX_CODE,
    MAX_NOTE,
    MAX_TITLE,
    OPEN_STATES,
    ORIGINS,
    OUTCOMES,
    PRIORITY_OF_SEVERITY,
    VISIT_MOVES,
    WORK_DONE_STATES,
    StaleVersion,
    bounded,
    illegal,
    legal_moves,
    reason_code,
)
from ticketing.procedures.matching import attach_matching
from ticketing.procedures.runs import check_complete
from ticketing.words import PRIORITIES, one_of

__all__ = [
    "ACTION_OF_MOVE",
    "CANNOT_COMPLETE_REASONS",
    "HOLD_REASONS",
    "KINDS",
    "LEGAL_MOVES",
    "LIVE_VISITS",
    "MAX_CODE",
    "MAX_NOTE",
    "MAX_TITLE",
    "OPEN_STATES",
    "ORIGINS",
    "OUTCOMES",
    "PRIORITIES",
    "PRIORITY_OF_SEVERITY",
    "STATE_EVENTS",
    "WORK_DONE_STATES",
    "StaleVersion",
    "assign",
    "get_work_order",
    "illegal",
    "legal_moves",
    "log_order",
    "log_visit",
    "move",
    "next_number",
    "open_work_order",
    "raise_priority",
    "record_outcome",
    "set_visit",
    "transition",
    "update_noticed",
]

_EVENT_OF_MOVE = {
    "completed": "work_order.completed",
    "closed": "work_order.closed",
    "cancelled": "work_order.cancelled",
}
# Every kind of event after which an order may be in another state.
STATE_EVENTS = frozenset(
    {*_EVENT_OF_MOVE.values(), "work_order.state_changed", "work_order.sent_back", "work_order.reopened"}
)
_DONE_BUT_OPEN = ("completed", "documented")


def next_number(session: Session, prefix: str) -> str:
    """Return the next human number, e.g. 'WO-000123'; prefix is 'WO' or 'RQ'."""
    sequence = {"WO": WORK_ORDER_NUMBERS, "RQ": REQUEST_NUMBERS}[prefix]
    value = session.scalar(select(sequence.next_value()))
    return f"{prefix}-{value:06d}"


def open_work_order(
    session: Session,
    *,
    asset: Asset,
    origin: str,
    kind: str,
    title_code: str,
    now: datetime,
    title_params: dict[str, Any] | None = None,
    title_text: str | None = None,
    priority: str = "normal",
    origin_ref: UUID | None = None,
    opened_at: datetime | None = None,
    since: datetime | None = None,
    noticed: dict[str, Any] | None = None,
    replayed: bool = False,
    by: Actor | None = None,
    **plan: Any,
) -> WorkOrder:
    """Open a work order on an asset; it belongs to the asset's owner, and gets the procedures that fit.

    `opened_at` is event time for replayed evidence, else `now`. `plan` are columns that planning needs (case_id,
    service_type_id, required_skills, duration_minutes, window_from, due_at, parent_id, …), as checked by
    `ticketing.order_edits`. Raises Invalid on words that are not stored words.
    """
    one_of("origin", origin, ORIGINS)
    one_of("kind", kind, KINDS)
    one_of("priority", priority, PRIORITIES)
    order = WorkOrder(
        organisation_id=asset.organisation_id,
        number=next_number(session, "WO"),
        asset_id=asset.id,
        site_id=asset.site_id,
        origin=origin,
        origin_ref=origin_ref,
        kind=kind,
        title_code=title_code,
        title_params=title_params or {},
        title_text=bounded("title", title_text, MAX_TITLE),
        priority=priority,
        state="unscheduled",
        opened_at=opened_at or now,
        since=since,
        noticed=noticed,
        replayed=replayed,
        demo=asset.demo,
        **plan,
    )
    session.add(order)
    session.flush()
    facts = {"kind": kind, "priority": priority, "title_code": title_code, "replayed": replayed}
    log_order(session, order, "work_order.opened", order.opened_at, by, facts, first=True)
    attach_matching(
        session,
        asset=asset,
        subject_kind="work_order",
        subject_id=order.id,
        failure_modes=[mode["code"] for mode in (noticed or {}).get("failure_modes", []) if mode.get("code")],
        service_type_id=order.service_type_id,
        now=order.opened_at,
        by=by,
    )
    return order


def get_work_order(
    session: Session, order_id: UUID, *, lock: bool = False, expected_version: int | None = None
) -> WorkOrder:
    """Return the order, locked until the transaction ends when asked.

    Raises NotFound, and StaleVersion when it is no longer at `expected_version`.
    """
    order = session.get(WorkOrder, order_id, with_for_update=lock or None, populate_existing=lock)
    if order is None:
        raise NotFound("no such work order", kind="work_order")
    if expected_version is not None and order.version != expected_version:
        text = f"{order.number} changed in the meantime"
        raise StaleVersion(text, expected=expected_version, version=order.version)
    return order


def transition(
    session: Session,
    order: WorkOrder,
    to: str,
    now: datetime,
    *,
    by: Actor | None = None,
    reason: str | None = None,
    code: str | None = None,
    outcome: str | None = None,
    note: str | None = None,
    repair_code: str | None = None,
) -> WorkOrder:
    """Move an order; visits that are still alive follow it. Moving to the present state changes nothing.

    Raises IllegalMove, which names the legal moves; Invalid when 'completed' lacks its outcome or a state that needs
    a reason its reason; StepsMissing when it cannot count as documented yet; Blocked when other work comes first.
    """
    if to == order.state:
        return order
    if to not in LEGAL_MOVES[order.state]:
        raise illegal(order, to)
    if to == "scheduled" and not _live_visits(session, order):
        raise illegal(order, to, visited=False)
    if to == "completed" and not (outcome or order.outcome):
        raise Invalid("completing needs an outcome", field="outcome", allowed=list(OUTCOMES))
    if to == "cancelled" and not (reason or "").strip():
        raise Invalid("cancelled needs a reason", field="reason")
    chosen = reason_code(to, code, reason)
    record_outcome(order, outcome, note, repair_code)
    if to in ("unscheduled", "scheduled", "in_progress") and order.state in (*_DONE_BUT_OPEN, "cannot_complete"):
        order.round += 1
    _end_visits(session, order, to, now, by, chosen)
    return move(session, order, to, now, by=by, reason=reason, code=chosen)


def move(
    session: Session,
    order: WorkOrder,
    to: str,
    now: datetime,
    *,
    by: Actor | None = None,
    reason: str | None = None,
    code: str | None = None,
) -> WorkOrder:
    """Set a legal state, its moments and its event; the visits are the caller's business.

    Raises IllegalMove, StepsMissing, or Blocked.
    """
    if to not in LEGAL_MOVES[order.state]:
        raise illegal(order, to)
    if to in ("documented", "closed") and order.state in _DONE_BUT_OPEN:
        check_complete(session, order.id, order.number)
        check_photos_here(session, order)
    if to == "in_progress" and order.state in OPEN_STATES:
        check_free(session, order)
    kind = _EVENT_OF_MOVE.get(to, "work_order.state_changed")
    if order.state in _DONE_BUT_OPEN and to in OPEN_STATES:
        _send_back(order, now, by, reason)
        kind = "work_order.sent_back"
    enter_state(session, order, to, now, kind, by=by, reason=reason, code=code)
    return order


def enter_state(
    session: Session,
    order: WorkOrder,
    to: str,
    now: datetime,
    kind: str,
    *,
    by: Actor | None,
    reason: str | None = None,
    code: str | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Write a state, its moments and its event; whether it may be entered is the caller's business."""
    before, order.state = order.state, to
    _stamp(order, before, to, now)
    order.hold_reason = code if to == "on_hold" else None
    order.cannot_complete_reason = code if to == "cannot_complete" else None
    if to == "documented":
        order.review_state = "waiting"
    elif to == "closed" and before in _DONE_BUT_OPEN:
        _reviewed(order, "approved", now, by, None)
    said: dict[str, Any] = {"from": before, "to": to, "reason": bounded("reason", reason, MAX_NOTE)}
    if code is not None:
        said["reason_code"] = code
        if to == "on_hold":
            said["hold_reason"] = code
    if to in ("completed", "closed", "cancelled"):
        said |= {"outcome": order.outcome, "note": order.outcome_note, "repair_code": order.repair_code}
        said |= {"failure_mode": order.failure_mode, "failure_cause": order.failure_cause}
    session.flush()
    log_order(session, order, kind, now, by, said | (facts or {}))


def record_outcome(order: WorkOrder, outcome: str | None, note: str | None, repair_code: str | None) -> None:
    """Write down what was found; None leaves what is there. Raises Invalid."""
    if outcome is not None:
        one_of("outcome", outcome, OUTCOMES)
        order.outcome = outcome
    if note is not None:
        order.outcome_note = bounded("note", note.strip(), MAX_NOTE)
    if repair_code is not None:
        order.repair_code = bounded("repair_code", repair_code, MAX_CODE)


def assign(
    session: Session, order: WorkOrder, person: Person | None, now: datetime, *, by: Actor | None = None
) -> WorkOrder:
    """Give the order to somebody, or (None) back to the pool; another technician's planned visits are cancelled.

    A person of a partner organisation makes that organisation the executor, who then sees order and asset. Raises
    IllegalMove, which names what may become of a visit that has begun.
    """
    if order.state not in OPEN_STATES:
        raise illegal(order, "assigned")
    if person is not None and order.assignee_id == person.id:
        return order
    ended = _cancel_visits(session, order, now, by)
    before = give(session, order, person)
    # Nobody is expected any more, whatever was done before: to be planned again.
    if order.state == "scheduled" or (ended and order.state == "in_progress"):
        move(session, order, "unscheduled", now, by=by, reason="reassigned")
    log_given(session, order, before, now, by)
    return order


def raise_priority(session: Session, order: WorkOrder, severity: str, now: datetime) -> bool:
    """Raise, never lower, the priority of an order that nobody has begun; True when it changed."""
    priority = PRIORITY_OF_SEVERITY.get(severity, "normal")
    if order.state not in OPEN_STATES or PRIORITIES.index(priority) <= PRIORITIES.index(order.priority):
        return False
    before, order.priority = order.priority, priority
    session.flush()
    log_order(session, order, "work_order.priority_raised", now, None, {"from": before, "to": priority})
    return True


def update_noticed(session: Session, order_id: UUID, noticed: dict[str, Any]) -> None:
    """Replace the snapshot of what was noticed.

    Not an edit of the order: it must not make a technician's form stale, so `version` stays.
    """
    statement = update(WorkOrder).where(WorkOrder.id == order_id).values(noticed=noticed)
    session.execute(statement, execution_options={"synchronize_session": "evaluate"})


def _stamp(order: WorkOrder, before: str, to: str, now: datetime) -> None:
    if to == "scheduled":
        order.scheduled_at = order.scheduled_at or now
    elif to == "in_progress":
        order.started_at = order.started_at or now
    elif to == "completed":
        order.work_done_at = now
    elif to == "documented" or (to == "closed" and before == "completed"):
        order.documented_at = now
    if to in ("unscheduled", "in_progress"):  # sent back or returned: not done after all
        order.work_done_at = order.documented_at = None
    order.closed_at = now if to in ("closed", "cancelled") else None


def _send_back(order: WorkOrder, now: datetime, by: Actor | None, reason: str | None) -> None:
    """Note that finished work is not; when who did it takes it up again, nobody has reviewed it."""
    if by is not None and may(by, "work_order.review"):
        _reviewed(order, "sent_back", now, by, reason)
    else:
        order.review_state = "none"


def _reviewed(order: WorkOrder, state: str, now: datetime, by: Actor | None, reason: str | None) -> None:
    order.review_state, order.review_reason = state, bounded("reason", reason, MAX_NOTE)
    order.reviewed_at, order.reviewed_by = now, by.person_id if by else None


def _end_visits(session: Session, order: WorkOrder, to: str, now: datetime, by: Actor | None, code: str | None) -> None:
    if to in ("in_progress", "scheduled", "on_hold"):
        return
    for visit in _live_visits(session, order):
        begun = visit.state in ("in_progress", "on_break")
        if to == "completed":
            end = "completed" if begun else "cancelled"
        elif begun:
            end = "cannot_complete" if to == "cannot_complete" else "partially_completed"
        else:
            end = "cancelled"
        set_visit(session, order, visit, end, now, by, code=code if end == "cannot_complete" else None)
        count_visit(session, order, visit, now)


def _cancel_visits(session: Session, order: WorkOrder, now: datetime, by: Actor | None) -> int:
    """Cancel the live visits, all of them or none; return how many."""
    live = _live_visits(session, order)
    for visit in live:
        legal = VISIT_MOVES[visit.state]
        if "cancelled" not in legal:
            text = f"{order.number} is being worked on: the visit is {visit.state} and may become {', '.join(legal)}"
            raise IllegalMove(text, state=visit.state, to="cancelled", legal=list(legal))
    for visit in live:
        set_visit(session, order, visit, "cancelled", now, by)
    return len(live)


def _live_visits(session: Session, order: WorkOrder) -> Sequence[Visit]:
    live = select(Visit).where(Visit.work_order_id == order.id, Visit.state.in_(LIVE_VISITS)).order_by(Visit.id)
    return session.scalars(live).all()
