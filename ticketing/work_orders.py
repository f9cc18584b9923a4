"""Work orders: open them, assign them, and move them along the one table of legal moves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assets.base.access import Actor, may
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import append_event
from assets.people import Organisation, Person
from assets.registry import Asset
from ticketing.models import REQUEST_NUMBERS, WORK_ORDER_NUMBERS, Visit, WorkOrder

ORIGINS = ("finding", "request", "plan", "inspection", "manual")
OUTCOMES = ("confirmed", "wrong_mode", "no_fault_found", "sensor_fault", "planned", "prevented", "unknown")
PRIORITIES = ("low", "normal", "high", "urgent")  # rising
KINDS = ("machine", "sensor", "connection", "general")
PRIORITY_OF_SEVERITY = {"critical": "urgent", "warning": "high", "info": "normal"}

# State -> what may come next. completed and documented go back when a review rejects them or the fault returns.
LEGAL_MOVES: dict[str, tuple[str, ...]] = {
    "unscheduled": ("scheduled", "in_progress", "on_hold", "cannot_complete", "cancelled"),
    "scheduled": ("unscheduled", "in_progress", "on_hold", "cannot_complete", "cancelled"),
    "in_progress": ("unscheduled", "scheduled", "on_hold", "completed", "cannot_complete", "cancelled"),
    "on_hold": ("unscheduled", "scheduled", "in_progress", "cannot_complete", "cancelled"),
    "completed": ("documented", "closed", "in_progress", "unscheduled"),
    "documented": ("closed", "in_progress", "unscheduled"),
    "cannot_complete": ("unscheduled", "scheduled", "in_progress", "closed", "cancelled"),
    "closed": (),
    "cancelled": (),
}
# Somebody still has to do something about these; completed ones wait for the review only.
OPEN_STATES = ("unscheduled", "scheduled", "in_progress", "on_hold", "cannot_complete")
WORK_DONE_STATES = ("completed", "documented", "closed", "cancelled")
LIVE_VISITS = ("scheduled", "travelling", "in_progress", "on_break")

# Target state -> the action that a person needs to ask for it.
ACTION_OF_MOVE: dict[str, str] = {
    "unscheduled": "work_order.assign",
    "scheduled": "work_order.assign",
    "in_progress": "visit.perform",
    "on_hold": "visit.perform",
    "completed": "visit.perform",
    "documented": "visit.perform",
    "cannot_complete": "visit.perform",
    "closed": "work_order.review",
    "cancelled": "work_order.cancel",
}
_EVENT_OF_MOVE = {
    "completed": "work_order.completed",
    "closed": "work_order.closed",
    "cancelled": "work_order.cancelled",
}
MAX_NOTE = 4000  # characters: a page of text
MAX_TITLE = 200
MAX_CODE = 100


class StaleVersion(Conflict):
    """The edit was based on an older version; params: `expected`, `version`."""

    code = "stale_version"


def legal_moves(order: WorkOrder, actor: Actor | None = None) -> list[str]:
    """Return the states that may come next; with an actor, only those that they may ask for."""
    moves = LEGAL_MOVES[order.state]
    return [to for to in moves if actor is None or may(actor, ACTION_OF_MOVE[to])]


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
) -> WorkOrder:
    """Open a work order on an asset; it belongs to the asset's owner.

    `opened_at` is event time for replayed evidence, else `now`. Raises Invalid on words that are not stored words.
    """
    _one_of("origin", origin, ORIGINS)
    _one_of("kind", kind, KINDS)
    _one_of("priority", priority, PRIORITIES)
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
        title_text=_bounded("title", title_text, MAX_TITLE),
        priority=priority,
        state="unscheduled",
        opened_at=opened_at or now,
        since=since,
        noticed=noticed,
        replayed=replayed,
        demo=asset.demo,
    )
    session.add(order)
    session.flush()
    facts = {"kind": kind, "priority": priority, "title_code": title_code, "replayed": replayed}
    log_order(session, order, "work_order.opened", order.opened_at, by, facts, first=True)
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
    outcome: str | None = None,
    note: str | None = None,
    repair_code: str | None = None,
) -> WorkOrder:
    """Move an order; visits that are still alive follow it. Moving to the present state changes nothing.

    Raises IllegalMove, which names the legal moves; Invalid when 'completed' lacks its outcome or
    'cannot_complete' and 'cancelled' their reason.
    """
    if to == order.state:
        return order
    _check_move(order, to, outcome, reason)
    record_outcome(order, outcome, note, repair_code)
    _end_visits(session, order, to, now, by)
    return move(session, order, to, now, by=by, reason=reason)


def move(
    session: Session, order: WorkOrder, to: str, now: datetime, *, by: Actor | None = None, reason: str | None = None
) -> WorkOrder:
    """Set a legal state, its moments and its event; the visits are the caller's business."""
    if to not in LEGAL_MOVES[order.state]:
        raise illegal(order, to)
    before, order.state = order.state, to
    _stamp(order, to, now)
    facts: dict[str, Any] = {"from": before, "to": to, "reason": _bounded("reason", reason, MAX_NOTE)}
    if to in ("completed", "closed", "cancelled"):
        facts |= {"outcome": order.outcome, "note": order.outcome_note, "repair_code": order.repair_code}
    session.flush()
    log_order(session, order, _EVENT_OF_MOVE.get(to, "work_order.state_changed"), now, by, facts)
    return order


def record_outcome(order: WorkOrder, outcome: str | None, note: str | None, repair_code: str | None) -> None:
    """Write down what was found; None leaves what is there. Raises Invalid."""
    if outcome is not None:
        _one_of("outcome", outcome, OUTCOMES)
        order.outcome = outcome
    if note is not None:
        order.outcome_note = _bounded("note", note.strip(), MAX_NOTE)
    if repair_code is not None:
        order.repair_code = _bounded("repair_code", repair_code, MAX_CODE)


def assign(
    session: Session, order: WorkOrder, person: Person | None, now: datetime, *, by: Actor | None = None
) -> WorkOrder:
    """Give the order to somebody, or (None) back to the pool; another technician's planned visits are cancelled.

    A person of a partner organisation makes that organisation the executor, who then sees order and asset.
    """
    if order.state not in OPEN_STATES:
        raise illegal(order, "assigned")
    if person is not None and order.assignee_id == person.id:
        return order
    for visit in _live_visits(session, order):
        if visit.state == "in_progress":
            raise Conflict(f"{order.number} is being worked on", state=order.state)
        set_visit(session, order, visit, "cancelled", now, by)
    order.assignee_id = person.id if person else None
    order.executing_organisation_id = _executor(session, order, person)
    if order.state == "scheduled":
        move(session, order, "unscheduled", now, by=by, reason="reassigned")
    session.flush()
    facts = {"person_id": str(person.id) if person else None}
    log_order(session, order, "work_order.assigned", now, by, facts)
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


def set_visit(
    session: Session,
    order: WorkOrder,
    visit: Visit,
    to: str,
    now: datetime,
    by: Actor | None,
    reason: str | None = None,
) -> None:
    """Set a visit's state with its moment and event; whether the move is legal is `ticketing.visits`' business."""
    before, visit.state = visit.state, to
    if to == "travelling":
        visit.travelling_at = now
    elif to == "in_progress" and visit.started_at is None:
        visit.started_at = now
    elif to not in LIVE_VISITS:
        visit.finished_at = now
    session.flush()
    append_event(
        session,
        "visit.state_changed",
        at=now,
        organisation_id=visit.organisation_id,
        executing_organisation_id=visit.executing_organisation_id,
        subject_kind="visit",
        subject_id=visit.id,
        asset_id=order.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"from": before, "to": to, "reason": reason, "number": order.number, "work_order_id": str(order.id)},
    )


def log_order(
    session: Session,
    order: WorkOrder,
    kind: str,
    at: datetime,
    by: Actor | None,
    facts: dict[str, Any],
    *,
    first: bool = False,
) -> None:
    """Append an event about an order; every one carries its number and origin."""
    append_event(
        session,
        kind,
        at=at,
        organisation_id=order.organisation_id,
        executing_organisation_id=order.executing_organisation_id,
        subject_kind="work_order",
        subject_id=order.id,
        asset_id=order.asset_id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={
            "number": order.number,
            "origin": order.origin,
            "origin_ref": str(order.origin_ref) if order.origin_ref else None,
            **facts,
        },
        first=first,
    )


def illegal(order: WorkOrder, to: str) -> IllegalMove:
    """Return the error for a move that the table does not hold; it names the legal ones."""
    legal = list(LEGAL_MOVES[order.state])
    text = f"{order.number} is {order.state}; it cannot become {to}, only: {', '.join(legal) or 'nothing'}"
    return IllegalMove(text, state=order.state, to=to, legal=legal)


def _check_move(order: WorkOrder, to: str, outcome: str | None, reason: str | None) -> None:
    if to not in LEGAL_MOVES[order.state]:
        raise illegal(order, to)
    if to == "completed" and not (outcome or order.outcome):
        raise Invalid("completing needs an outcome", field="outcome", allowed=list(OUTCOMES))
    if to in ("cannot_complete", "cancelled") and not (reason or "").strip():
        raise Invalid(f"{to} needs a reason", field="reason")


def _stamp(order: WorkOrder, to: str, now: datetime) -> None:
    if to == "scheduled":
        order.scheduled_at = order.scheduled_at or now
    elif to == "in_progress":
        order.started_at = order.started_at or now
    elif to == "completed":
        order.work_done_at = now
    elif to == "documented":
        order.documented_at = now
    if to in ("unscheduled", "in_progress"):  # sent back or returned: not done after all
        order.work_done_at = order.documented_at = None
    order.closed_at = now if to in ("closed", "cancelled") else None


def _end_visits(session: Session, order: WorkOrder, to: str, now: datetime, by: Actor | None) -> None:
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
        set_visit(session, order, visit, end, now, by)


def _live_visits(session: Session, order: WorkOrder) -> Sequence[Visit]:
    live = select(Visit).where(Visit.work_order_id == order.id, Visit.state.in_(LIVE_VISITS)).order_by(Visit.id)
    return session.scalars(live).all()


def _executor(session: Session, order: WorkOrder, person: Person | None) -> UUID | None:
    if person is None:
        return None
    owner = session.get(Organisation, order.organisation_id)
    inside = owner is not None and person.organisation_id in owner.ancestors
    return None if inside else person.organisation_id


def _one_of(field: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise Invalid(f"{field} is one of {', '.join(allowed)}", field=field, allowed=list(allowed))


def _bounded(field: str, value: str | None, limit: int) -> str | None:
    if value is not None and len(value) > limit:
        raise Invalid(f"{field} has at most {limit} characters", field=field, limit=limit)
    return value or None
