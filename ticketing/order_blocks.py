"""Which order waits for which: no circle, no beginning before the other work is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound
from assets.base.events import Event
from ticketing.models import WorkOrder
from ticketing.order_log import log_order
from ticketing.order_models import WorkOrderBlock
from ticketing.order_states import OPEN_STATES, WORK_DONE_STATES

MAX_BLOCKS = 20  # that one order waits for; more is a project, not a job

# Everything that `start` waits for, directly or further away.
_WAITS_FOR = """
WITH RECURSIVE before_it AS (
  SELECT blocking_id FROM work_order_blocks WHERE blocked_id = :start
  UNION SELECT b.blocking_id FROM work_order_blocks b JOIN before_it ON b.blocked_id = before_it.blocking_id)
SELECT EXISTS (SELECT 1 FROM before_it WHERE blocking_id = :sought)
"""


class Blocked(IllegalMove):
    """Other work comes first; params: `state`, `to`, `legal` as for any illegal move, and `blocked_by`: its numbers."""

    code = "blocked"


class Circle(Conflict):
    """Each would wait for the other; params: `number`, `blocking`."""

    code = "circle"


def add_block(
    session: Session, order: WorkOrder, blocking: WorkOrder, now: datetime, *, by: Actor | None = None
) -> WorkOrderBlock:
    """Let `order` wait until the work of `blocking` is done. Saying so twice changes nothing.

    Raises Circle when `blocking` itself waits for `order`, Invalid when they have different owners or are the same,
    IllegalMove when `order` is not open.
    """
    if blocking.id == order.id:
        raise Invalid("an order does not wait for itself", field="blocked_by")
    if blocking.organisation_id != order.organisation_id:
        raise Invalid("both orders belong to the same owner", field="blocked_by")
    if order.state not in OPEN_STATES:
        raise IllegalMove(f"{order.number} is {order.state}", state=order.state, to="blocked", legal=[])
    _lock_blocks(session, order.organisation_id)
    present = blocks_of(session, order.id)
    for known in present:
        if known.blocking_id == blocking.id:
            return known
    if len(present) >= MAX_BLOCKS:
        raise Conflict(f"{order.number} waits for {MAX_BLOCKS} orders already", limit=MAX_BLOCKS)
    if session.scalar(text(_WAITS_FOR), {"start": blocking.id, "sought": order.id}):
        text_ = f"{blocking.number} waits for {order.number} already"
        raise Circle(text_, number=order.number, blocking=blocking.number)
    block = WorkOrderBlock(
        organisation_id=order.organisation_id,
        blocked_id=order.id,
        blocking_id=blocking.id,
        created_at=now,
        created_by=by.person_id if by else None,
        cleared_at=now if blocking.state in WORK_DONE_STATES else None,
    )
    session.add(block)
    session.flush()
    log_order(session, order, "work_order.blocked", now, by, _facts(blocking))
    return block


def remove_block(
    session: Session, order: WorkOrder, blocking_id: UUID, now: datetime, *, by: Actor | None = None
) -> None:
    """Let `order` wait for it no longer. Raises NotFound when it did not."""
    known = next((one for one in blocks_of(session, order.id) if one.blocking_id == blocking_id), None)
    blocking = session.get(WorkOrder, blocking_id)
    if known is None or blocking is None:
        raise NotFound("it does not wait for this order", kind="block")
    session.delete(known)
    session.flush()
    log_order(session, order, "work_order.unblocked", now, by, _facts(blocking) | {"removed": True})


def blocks_of(session: Session, order_id: UUID) -> Sequence[WorkOrderBlock]:
    """Return what an order waits for, oldest first, also what is done by now."""
    mine = select(WorkOrderBlock).where(WorkOrderBlock.blocked_id == order_id).order_by(WorkOrderBlock.id)
    return session.scalars(mine).all()


def blocking_of(session: Session, order_id: UUID) -> Sequence[WorkOrderBlock]:
    """Return what waits for an order, oldest first."""
    others = select(WorkOrderBlock).where(WorkOrderBlock.blocking_id == order_id).order_by(WorkOrderBlock.id)
    return session.scalars(others).all()


def check_free(session: Session, order: WorkOrder) -> None:
    """Raise Blocked while other work comes first."""
    waiting = select(WorkOrderBlock.blocking_id).where(
        WorkOrderBlock.blocked_id == order.id, WorkOrderBlock.cleared_at.is_(None)
    )
    ids = session.scalars(waiting).all()
    if not ids:
        return
    # The mark is set a moment after the other work is done; who sees that order need not wait for the mark.
    seen = {one.id: one for one in session.scalars(select(WorkOrder).where(WorkOrder.id.in_(ids)))}
    left = [seen.get(each) for each in ids if each not in seen or seen[each].state not in WORK_DONE_STATES]
    if left:
        numbers = [one.number if one else "—" for one in left]
        raise Blocked(
            f"{order.number} waits for {', '.join(numbers)}",
            state=order.state,
            to="in_progress",
            legal=["on_hold", "cancelled"],
            blocked_by=numbers,
        )


def move_blocks(session: Session, order: WorkOrder, into: WorkOrder) -> None:
    """What waited for `order` waits for `into` from now on; what would make a circle or a repeat is dropped."""
    _lock_blocks(session, order.organisation_id)
    for block in [*blocks_of(session, order.id), *blocking_of(session, order.id)]:
        session.delete(block)
        session.flush()
        blocked = into.id if block.blocked_id == order.id else block.blocked_id
        blocking = into.id if block.blocking_id == order.id else block.blocking_id
        there = select(WorkOrderBlock.id).where(
            WorkOrderBlock.blocked_id == blocked, WorkOrderBlock.blocking_id == blocking
        )
        circle = session.scalar(text(_WAITS_FOR), {"start": blocking, "sought": blocked})
        if blocked == blocking or circle or session.scalar(there):
            continue
        session.add(
            WorkOrderBlock(
                organisation_id=block.organisation_id,
                blocked_id=blocked,
                blocking_id=blocking,
                created_at=block.created_at,
                created_by=block.created_by,
                cleared_at=block.cleared_at,
            )
        )
        session.flush()


def follow_blocking(session: Session, event: Event, now: datetime) -> None:
    """Mark what waits for an order free when its work is done, and waiting again when it is not after all.

    A consumer, because the partner who finishes one order may not see the other. Twice changes nothing.
    """
    order = session.get(WorkOrder, event.subject_id, populate_existing=True)
    if order is None:
        return
    done = order.state in WORK_DONE_STATES
    for block in blocking_of(session, order.id):
        if done == (block.cleared_at is not None):
            continue
        block.cleared_at = now if done else None
        session.flush()
        blocked = session.get_one(WorkOrder, block.blocked_id)
        if blocked.state in OPEN_STATES:
            kind = "work_order.unblocked" if done else "work_order.blocked"
            log_order(session, blocked, kind, now, None, _facts(order))


def _lock_blocks(session: Session, organisation_id: UUID) -> None:
    """Two people who block at once could close a circle that neither of them sees."""
    key = f"blocks:{organisation_id}"
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 11))"), {"key": key})


def _facts(blocking: WorkOrder) -> dict[str, Any]:
    return {"blocking": blocking.number, "blocking_id": str(blocking.id)}
