"""Take a phone's operations: each once, whole or not at all, in their order, and write down what became of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, NoResultFound, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from assets.base.access import Actor
from assets.base.db import service_rights
from assets.base.errors import Conflict, Forbidden, Invalid, NotFound, RuleError
from assets.documents.store import FileStore
from assets.people import Person
from ticketing.models import Visit
from ticketing.reports.signing import ReportChanged
from ticketing.sync.envelope import ImplausibleTime, NotYet, Operation, OperationReused, storable
from ticketing.sync.kinds import KINDS, ORDER
from ticketing.sync.tables import DECIDED, SyncOperation
from ticketing.sync.work import Work
from ticketing.words import one_of
from ticketing.work_orders import StaleVersion

log = logging.getLogger(__name__)

_CONFLICTS = (StaleVersion, ReportChanged)
_LEFT_OUT = frozenset({"image", "strokes"})  # a signature's picture is kept as a file


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an operation. `problem`: {code, detail, params, error}, the last one the error's class in `KINDS`.

    State: applied, refused, conflict, held (waits for another one) or later (to be sent again).
    """

    id: UUID
    state: str
    happened_at: datetime
    received_at: datetime
    repeated: bool = False
    answer: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    held_by: UUID | None = None


@dataclass(slots=True)
class Batch:
    """What one batch has come to so far: what failed holds up what depends on it."""

    results: dict[UUID, Result] = field(default_factory=dict)
    stuck: dict[UUID, UUID] = field(default_factory=dict)  # order -> the first state operation that was not done
    halted: UUID | None = None  # the first one that met trouble of the server: no state moves behind it

    def note(self, operation: Operation, key: UUID, result: Result) -> None:
        """Remember what became of an operation."""
        self.results[operation.id] = result
        kind = KINDS.get(operation.kind)
        if result.state != "applied" and kind is not None and kind.moves:
            self.stuck.setdefault(key, operation.id)

    def holder(self, session: Session, operation: Operation, key: UUID, by: Actor) -> UUID | None:
        """Return the operation that this one has to wait for, None when it may be done."""
        if operation.after is not None and not self._done(session, operation.after, by):
            return operation.after
        kind = KINDS.get(operation.kind)
        return (self.stuck.get(key) or self.halted) if kind is not None and kind.moves else None

    def _done(self, session: Session, operation_id: UUID, by: Actor) -> bool:
        if operation_id in self.results:
            return self.results[operation_id].state == "applied"
        known = session.get(SyncOperation, operation_id)
        return known is not None and known.person_id == by.person_id and known.state == "applied"


def take(
    session: Session,
    files: FileStore,
    batch: Batch,
    operation: Operation,
    now: datetime,
    *,
    by: Actor,
    person: Person,
) -> Result:
    """Do one operation in a transaction of its own, once: the same again is answered as the first time.

    Never raises for what is wrong with the operation; what the database raises about itself goes through.
    """
    # The same operation sent twice at once: the second waits here, and finds the first one's answer.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:o, 14))"), {"o": str(operation.id)})
    with service_rights(session):  # whose it is, is asked below: an id is used once, whoever used it
        known = session.get(SyncOperation, operation.id)
    at = operation.made_at + operation.clock_offset
    key = _key(session, operation)
    if known is not None and (known.person_id != person.id or known.digest != operation.digest()):
        result = _failed(
            operation, at, now, OperationReused("the id is another operation's", operation_id=str(known.id))
        )
    elif known is not None and known.state in DECIDED:
        result = _again(known)
    else:
        holder = batch.holder(session, operation, key, by)
        if holder is not None:
            result = Result(operation.id, "held", at, now, held_by=holder)
        else:
            result = _do(session, files, operation, now, by, person)
        if result.state != "later":
            _write(session, known, operation, key, result, by, person)
    batch.note(operation, key, result)
    return result


def _do(session: Session, files: FileStore, operation: Operation, now: datetime, by: Actor, person: Person) -> Result:
    at = operation.made_at + operation.clock_offset
    try:
        with session.begin_nested():
            kind = KINDS[one_of("kind", operation.kind, tuple(KINDS))]
            one_of("subject.kind", operation.subject_kind, kind.subjects)
            if not storable(operation.payload):
                raise Invalid("characters that cannot be stored", field="payload")
            work = Work(session, by, person, operation, now, now, files)
            answer = kind.do(work)
            session.flush()
    except RuleError as error:
        return _failed(operation, at, now, error)
    except (IntegrityError, StaleDataError, NoResultFound):
        return _failed(operation, at, now, Conflict("this changed in the meantime or is still in use"))
    except (DataError, OverflowError, UnicodeEncodeError):
        return _failed(operation, at, now, Invalid("a value is out of range", field="payload"))
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        return _failed(operation, at, now, Forbidden("this belongs to another organisation"))
    if "conflict_id" in answer:
        problem: dict[str, Any] = {
            "code": "kept_for_storekeeper",
            "detail": "a storekeeper decides about it",
            "error": "conflict",
        }
        problem |= {"params": {"conflict_id": answer["conflict_id"], "reason": answer.get("reason")}}
        return Result(operation.id, "conflict", work.at, now, answer=answer, problem=problem)
    return Result(operation.id, "applied", work.at, now, answer=answer)


def _failed(operation: Operation, at: datetime, now: datetime, error: RuleError) -> Result:
    if isinstance(error, NotYet):
        state = "later"
    else:
        state = "conflict" if isinstance(error, _CONFLICTS) else "refused"
    return Result(operation.id, state, _sensible(at, now, error), now, problem=_problem(error))


def _problem(error: RuleError) -> dict[str, Any]:
    classes = {
        StaleVersion: "stale",
        NotYet: "not_yet",
        Forbidden: "forbidden",
        NotFound: "not_found",
        Conflict: "conflict",
        Invalid: "invalid",
    }
    named = next((name for kind, name in classes.items() if isinstance(error, kind)), "refused")
    params = json.loads(json.dumps(error.params, default=str))
    return {"code": error.code, "detail": str(error)[:1000], "params": params, "error": named}


def _sensible(at: datetime, now: datetime, error: RuleError) -> datetime:
    """A moment that cannot be stands in the problem, and not where people look for when it was."""
    return now if isinstance(error, ImplausibleTime) else min(at, now)


def _again(known: SyncOperation) -> Result:
    kept = known.result
    return Result(
        known.id,
        known.state,
        known.happened_at,
        known.received_at,
        repeated=True,
        answer=kept.get("answer"),
        problem=kept.get("problem"),
    )


def _key(session: Session, operation: Operation) -> UUID:
    """What an operation's order of doing is about: the work order, of a visit too; else the subject itself."""
    if operation.subject_kind == "visit":
        visit = session.get(Visit, operation.subject_id)
        return visit.work_order_id if visit is not None else operation.subject_id
    return operation.subject_id


def _write(
    session: Session,
    known: SyncOperation | None,
    operation: Operation,
    key: UUID,
    result: Result,
    by: Actor,
    person: Person,
) -> None:
    """Write down what became of it; what was held before has its row already."""
    kept = {"answer": result.answer, "problem": result.problem}
    kept["held_by"] = {"id": str(result.held_by)} if result.held_by else None
    row = known or SyncOperation(
        id=operation.id,
        organisation_id=by.organisation_id,
        person_id=person.id,
        device=operation.device,
        kind=operation.kind,
        subject_kind=operation.subject_kind,
        subject_id=operation.subject_id,
        work_order_id=key if operation.subject_kind in ORDER else None,
        payload=_kept(operation.payload),
        digest=operation.digest(),
        base_version=operation.base_version,
        made_at=operation.made_at,
        clock_offset_ms=int(operation.clock_offset.total_seconds() * 1000),
    )
    row.happened_at, row.received_at, row.state = result.happened_at, result.received_at, result.state
    row.result = {name: value for name, value in kept.items() if value is not None}
    session.add(row)
    session.flush()


def _kept(payload: Mapping[str, Any]) -> dict[str, Any]:
    if not storable(payload):
        return {"unstorable": True}
    return {name: value for name, value in payload.items() if name not in _LEFT_OUT}
