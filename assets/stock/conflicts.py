"""A storekeeper decides what becomes of a movement that came too late to be booked."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.events import append_event
from assets.stock.kinds import Done, count_in, perform
from assets.stock.operations import Resolve
from assets.stock.places import lock_stock
from assets.stock.requested import Requested
from assets.stock.tables import StockConflict

ACTIONS = ("book", "count_and_book", "dismiss")


def get_conflict(session: Session, conflict_id: UUID, *, lock: bool = False) -> StockConflict:
    """Return a conflict; `lock` the stock of its organisation too. Raises NotFound."""
    conflict = session.get(StockConflict, conflict_id)
    if conflict is None:
        raise NotFound("no such conflict", kind="stock_conflict")
    if lock:
        lock_stock(session, conflict.organisation_id)
        session.refresh(conflict, with_for_update=True)
    return conflict


def resolve(
    session: Session, conflict: StockConflict, action: str, reason: str, now: datetime, by: Actor, named: Resolve
) -> None:
    """Book it as it is, book it after counting in what it took, or dismiss it (the conflict is locked).

    Raises Conflict when it is decided already, and the rule's error when it still cannot be booked.
    """
    if action not in ACTIONS:
        raise Invalid(f"action is one of: {', '.join(ACTIONS)}", field="action", allowed=list(ACTIONS))
    if conflict.state != "open":
        raise Conflict(f"this conflict is {conflict.state}", state=conflict.state)
    if action == "dismiss":
        conflict.state = "dismissed"
    else:
        conflict.movement_id = _book(session, conflict, action, reason, now, by, named)
        conflict.state = "booked"
    conflict.reason, conflict.resolved_at, conflict.resolved_by_id = reason, now, by.person_id
    session.flush()
    append_event(
        session,
        "stock.conflict_resolved",
        at=now,
        organisation_id=conflict.organisation_id,
        subject_kind="stock_conflict",
        subject_id=conflict.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"action": action, "reason": reason, "conflict_id": str(conflict.id)},
    )


def _book(
    session: Session, conflict: StockConflict, action: str, reason: str, now: datetime, by: Actor, named: Resolve
) -> UUID | None:
    work, asset = named(session, conflict.operation)
    asked = Requested.of(conflict.operation, work, asset)
    # It stays the doing of who did it, with the rights of who decides about it.
    doer = Actor(by.kind, conflict.organisation_id, by.roles, conflict.by_id or by.person_id, by.name)
    if action == "count_and_book":
        count_in(session, asked, doer, now, reason)
    done: Done = perform(session, asked, doer, now, conflict.digest)
    return done.movement.id if done.movement else None
