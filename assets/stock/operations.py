"""Operations that people send, online or late: done once, and what cannot be booked late waits for a storekeeper."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Invalid, RuleError
from assets.base.events import append_event
from assets.registry import Asset
from assets.stock.errors import OperationReused
from assets.stock.kinds import Done, perform
from assets.stock.ledger import Work
from assets.stock.requested import Requested
from assets.stock.tables import StockConflict, StockMovement

MAX_OPERATIONS = 200  # of one synchronisation: a technician's week

Resolve = Callable[[Session, dict[str, Any]], tuple[Work | None, Asset | None]]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an operation: 'booked', 'repeated', 'unchanged' (a count that agreed) or 'conflict'."""

    state: str
    movement: StockMovement | None = None
    conflict: StockConflict | None = None


def submit(session: Session, body: dict[str, Any], by: Actor, now: datetime, resolve: Resolve) -> Result:
    """Do an operation once. `resolve` finds the order and the machine that the body names.

    What was done offline is never refused: when it cannot be booked, it is kept as a conflict. Raises the rule's error
    for what is done online, OperationReused for an id that means something else.
    """
    operation_id, digest = _identity(body)
    if operation_id is not None:
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:o, 13))"), {"o": str(operation_id)})
        known = _known(session, operation_id, digest)
        if known is not None:
            return known
    if not body.get("offline"):
        return _result(_do(session, body, by, now, resolve, digest))
    if operation_id is None:
        raise Invalid("what was done offline needs its operation_id", field="operation_id")
    try:
        with session.begin_nested():
            return _result(_do(session, body, by, now, resolve, digest))
    except RuleError as error:
        return Result("conflict", conflict=_keep(session, body, by, now, digest, error.code, str(error), error.params))
    except (IntegrityError, DataError):
        return Result(
            "conflict", conflict=_keep(session, body, by, now, digest, "invalid", "refused by the ledger", {})
        )


def submit_all(
    session: Session, bodies: Sequence[dict[str, Any]], by: Actor, now: datetime, resolve: Resolve
) -> list[Result]:
    """Do several operations in their order, all as made offline. Raises Invalid for too many."""
    if len(bodies) > MAX_OPERATIONS:
        raise Invalid(f"at most {MAX_OPERATIONS} operations", field="operations", limit=MAX_OPERATIONS)
    return [submit(session, body | {"offline": True}, by, now, resolve) for body in bodies]


def _do(
    session: Session, body: dict[str, Any], by: Actor, now: datetime, resolve: Resolve, digest: bytes | None
) -> Done:
    work, asset = resolve(session, body)
    return perform(session, Requested.of(body, work, asset), by, now, digest)


def _result(done: Done) -> Result:
    return Result("booked" if done.movement else "unchanged", done.movement)


def _identity(body: dict[str, Any]) -> tuple[UUID | None, bytes | None]:
    operation_id = body.get("operation_id")
    if operation_id is None:
        return None, None
    # Whether it was sent at once or later is no difference in what was done.
    meant = {key: value for key, value in body.items() if key not in ("offline", "operation_id") and value is not None}
    return UUID(str(operation_id)), hashlib.sha256(json.dumps(meant, sort_keys=True, default=str).encode()).digest()


def _known(session: Session, operation_id: UUID, digest: bytes | None) -> Result | None:
    movement = session.scalar(select(StockMovement).where(StockMovement.operation_id == operation_id).limit(1))
    conflict = session.scalar(select(StockConflict).where(StockConflict.operation_id == operation_id).limit(1))
    first = conflict or movement
    if first is None:
        return None
    if first.digest != digest:
        raise OperationReused(f"operation {operation_id} is another one", operation_id=str(operation_id))
    if movement is not None:
        return Result("repeated", movement)
    return Result("conflict" if conflict and conflict.state == "open" else "repeated", conflict=conflict)


def _keep(
    session: Session,
    body: dict[str, Any],
    by: Actor,
    now: datetime,
    digest: bytes | None,
    code: str,
    why: str,
    params: dict[str, Any],
) -> StockConflict:
    # A sign that no text column holds must not cost the rest of what the device sends.
    plain: dict[str, Any] = json.loads(json.dumps(body, default=str).replace("\\u0000", ""))
    occurred = body.get("occurred_at")
    conflict = StockConflict(
        organisation_id=by.organisation_id,
        operation_id=UUID(str(body["operation_id"])),
        digest=digest or b"",
        operation=plain,
        occurred_at=min(occurred, now) if isinstance(occurred, datetime) else now,
        received_at=now,
        by_id=by.person_id,
        code=code,
        params=json.loads(json.dumps(params | {"detail": why}, default=str)),
    )
    session.add(conflict)
    session.flush()
    append_event(
        session,
        "stock.conflict_opened",
        at=now,
        organisation_id=by.organisation_id,
        subject_kind="stock_conflict",
        subject_id=conflict.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"code": code, "kind": str(body.get("kind")), "conflict_id": str(conflict.id)},
    )
    return conflict


def known_movement(session: Session, operation_id: UUID, reference_id: UUID) -> StockMovement | None:
    """Return what an operation on a paper has booked already. Raises OperationReused when it was on another."""
    found = session.scalar(select(StockMovement).where(StockMovement.operation_id == operation_id).limit(1))
    if found is not None and found.reference_id != reference_id:
        raise OperationReused(f"operation {operation_id} is another one", operation_id=str(operation_id))
    return found
