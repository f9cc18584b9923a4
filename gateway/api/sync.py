"""POST /sync: what a technician did in the field, once, in its order; and the log of it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field, field_validator
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from assets.base.access import DESK, Actor, require
from assets.base.db import Database
from assets.base.errors import Invalid, NotFound
from assets.documents.store import FileStore
from assets.people import Person
from gateway.api.bodies import TooLarge
from gateway.api.deps import Context, Here, Place, database_of, settings_of
from gateway.api.edits import Moment, Ref, person_names
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.uploads import admitted
from gateway.api.work_orders import id_of_cursor
from gateway.files import file_store
from ticketing.models import WorkOrder
from ticketing.sync.envelope import (
    MAX_BYTES,
    MAX_DEVICE,
    MAX_KIND,
    MAX_OPERATIONS,
    MAX_PAYLOAD_BYTES,
    Operation,
    clock_offset,
)
from ticketing.sync.running import Batch, Result, take
from ticketing.sync.tables import SyncOperation

router = APIRouter(prefix="/api/v1", tags=["sync"])
log = logging.getLogger(__name__)

MAX_OFFSET_MS = 10 * 366 * 86_400_000  # a phone whose battery was flat believes in 1970
_STATUS = {
    "stale": (412, "Changed in the meantime"),
    "forbidden": (403, "Not allowed"),
    "not_found": (404, "Not found"),
    "conflict": (409, "Conflict"),
    "invalid": (422, "Invalid"),
    "not_yet": (503, "Not yet"),
    "refused": (400, "Refused"),
}
Word = Annotated[str, Field(min_length=1, max_length=MAX_KIND, pattern=r"^[a-z][a-z_.]*$")]


class SubjectIn(BaseModel):
    """What an operation is about."""

    kind: Word
    id: UUID


class OperationBody(BaseModel):
    """One operation under an id that its phone made, with the moment by the phone's own clock."""

    id: UUID
    kind: Word
    subject: SubjectIn
    payload: dict[str, Any] = {}
    made_at: Moment
    clock_offset_ms: Annotated[int | None, Field(ge=-MAX_OFFSET_MS, le=MAX_OFFSET_MS)] = None
    base_version: Annotated[int | None, Field(ge=0, le=2_000_000_000)] = None
    after: UUID | None = None

    @field_validator("payload")
    @classmethod
    def _bounded(cls, value: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(value)) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a payload has at most {MAX_PAYLOAD_BYTES} bytes")
        return value


class SyncBatch(BaseModel):
    """Operations in the order in which they were done. `sent_at`: the phone's clock at this moment."""

    device: Annotated[str, Field(min_length=1, max_length=MAX_DEVICE, pattern=r"^[\w.:-]+$")]
    sent_at: Moment | None = None
    operations: Annotated[list[OperationBody], Field(max_length=MAX_OPERATIONS)]


class Problem(BaseModel):
    """A problem detail (RFC 9457) of one operation."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    params: dict[str, Any]


class OperationResult(BaseModel):
    """What became of an operation: applied, refused, conflict, held or later.

    `held`: an earlier one (`held_by`) was not applied; `later`: to be sent again. Both are not decided. A conflict
    shows `yours` and what is `current`. `repeated`: answered as the first time.
    """

    id: UUID
    state: str
    repeated: bool
    happened_at: datetime
    received_at: datetime
    answer: dict[str, Any] | None
    problem: Problem | None
    yours: Any = None
    current: Any = None
    held_by: UUID | None = None


class SyncAnswer(BaseModel):
    """What became of a batch, in its order."""

    server_time: datetime
    results: list[OperationResult]


class OperationItem(BaseModel):
    """An operation in the log: who did what when, when it arrived, and what became of it."""

    id: UUID
    person: Ref | None
    device: str
    kind: str
    subject_kind: str
    subject_id: UUID
    work_order_id: UUID | None
    number: str | None
    payload: dict[str, Any]
    made_at: datetime
    clock_offset_ms: int | None
    happened_at: datetime
    received_at: datetime
    state: str
    answer: dict[str, Any] | None
    problem: Problem | None
    seen_at: datetime | None
    seen_by: Ref | None


class OperationLog(BaseModel):
    """A page of the log, newest first."""

    items: list[OperationItem]
    next: str | None = None


def small(request: Request) -> None:
    """Refuse a batch that says it is too long before it is read. Raises TooLarge."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > MAX_BYTES:
        raise TooLarge(f"a batch has at most {MAX_BYTES} bytes: send fewer operations", most=MAX_BYTES)


def server_now() -> datetime:
    """Return the moment at which a batch arrived."""
    return datetime.now(UTC)


@router.post("/sync", operation_id="sync", dependencies=[Depends(small)])
def sync(
    body: SyncBatch,
    request: Request,
    actor: Annotated[Actor, Depends(admitted)],
    now: Annotated[datetime, Depends(server_now)],
    _: Place,
) -> SyncAnswer:
    """Take what was done in the field. Each operation is a transaction of its own; a repeated one changes nothing."""
    require(actor, "sync.write")
    database, files = database_of(request), file_store(settings_of(request))
    batch = Batch()
    results = [_one(database, files, batch, body, each, actor, now) for each in body.operations]
    return SyncAnswer(server_time=now, results=results)


@router.get("/sync/operations", operation_id="list_sync_operations")
def list_operations(
    here: Here,
    state: Annotated[str | None, Query(max_length=20)] = None,
    unseen: bool = False,
    work_order_id: UUID | None = None,
    person_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> OperationLog:
    """The log, newest first: one's own; the desk reads everybody's. `unseen`: not applied, and nobody looked at it."""
    here.require("sync.write")
    found = select(SyncOperation).order_by(SyncOperation.id.desc()).limit(limit + 1)
    if not here.actor.roles & DESK:
        found = found.where(SyncOperation.person_id == (here.actor.person_id or UUID(int=0)))
    for column, value in (
        (SyncOperation.state, state),
        (SyncOperation.work_order_id, work_order_id),
        (SyncOperation.person_id, person_id),
    ):
        if value is not None:
            found = found.where(column == value)
    if unseen:
        found = found.where(SyncOperation.state != "applied", SyncOperation.seen_at.is_(None))
    if after is not None:
        found = found.where(SyncOperation.id < id_of_cursor(after))
    rows = list(here.session.scalars(found))
    page = rows[:limit]
    more = cursor_of(page[-1].id) if len(rows) > limit else None
    return OperationLog(items=_items(here, page), next=more)


@router.post("/sync/operations/{operation_id}/seen", operation_id="see_sync_operation")
def see_operation(operation_id: UUID, here: Here) -> OperationItem:
    """Say that somebody looked at an operation that was not applied."""
    here.require("sync.write")
    row = here.session.get(SyncOperation, operation_id, with_for_update=True)
    if row is None or (not here.actor.roles & DESK and row.person_id != here.actor.person_id):
        raise NotFound("no such operation", kind="sync_operation")
    if row.seen_at is None and row.state != "applied":
        row.seen_at, row.seen_by = here.now, here.actor.person_id
        here.session.flush()
    return _items(here, [row])[0]


def _one(
    database: Database,
    files: FileStore,
    batch: Batch,
    body: SyncBatch,
    said: OperationBody,
    actor: Actor,
    now: datetime,
) -> OperationResult:
    operation = Operation(
        id=said.id,
        kind=said.kind,
        subject_kind=said.subject.kind,
        subject_id=said.subject.id,
        payload=said.payload,
        made_at=said.made_at,
        clock_offset=clock_offset(said.clock_offset_ms, body.sent_at, now),
        base_version=said.base_version,
        after=said.after,
        device=body.device,
    )
    try:
        with database.as_actor(actor) as session:
            person = session.get(Person, actor.person_id) if actor.person_id else None
            if person is None:
                raise Invalid("a token does no work in the field: sign in as a person", field="person")
            result = take(session, files, batch, operation, now, by=actor, person=person)
    except (DBAPIError, OSError) as error:
        # Two that waited for each other, a connection that broke: nothing of it was done, and the next one may do.
        log.warning("operation %s is to be sent again: %s", operation.id, error)
        problem = {"code": "database_unavailable", "detail": "send it again", "params": {}, "error": "not_yet"}
        result = Result(operation.id, "later", now, now, problem=problem)
        batch.halted = batch.halted or operation.id
    return _result(result)


def _result(result: Result) -> OperationResult:
    problem = _problem(result.problem)
    both = problem.params if problem is not None and result.state == "conflict" else {}
    return OperationResult(
        id=result.id,
        state=result.state,
        repeated=result.repeated,
        happened_at=result.happened_at,
        received_at=result.received_at,
        answer=result.answer,
        problem=problem,
        yours=both.get("yours"),
        current=both.get("current"),
        held_by=result.held_by,
    )


def _problem(kept: dict[str, Any] | None) -> Problem | None:
    if not kept:
        return None
    status, title = _STATUS[kept["error"]]
    return Problem(
        type=f"urn:forewarn:problem:{kept['code']}",
        title=title,
        status=status,
        detail=kept["detail"],
        code=kept["code"],
        params=kept["params"],
    )


def _items(here: Context, rows: list[SyncOperation]) -> list[OperationItem]:
    names = person_names(here, [*(row.person_id for row in rows), *(row.seen_by for row in rows)])
    keys = {row.work_order_id for row in rows if row.work_order_id}
    named = here.session.execute(select(WorkOrder.id, WorkOrder.number).where(WorkOrder.id.in_(keys)))
    numbers: dict[UUID | None, str] = {key: number for key, number in named}
    return [_item(row, names, numbers.get(row.work_order_id)) for row in rows]


def _item(row: SyncOperation, names: dict[UUID, Ref], number: str | None) -> OperationItem:
    same = {
        name: getattr(row, name)
        for name in OperationItem.model_fields
        if name not in ("person", "seen_by", "answer", "problem", "number")
    }
    return OperationItem(
        **same,
        number=number,
        person=names.get(row.person_id),
        seen_by=names.get(row.seen_by) if row.seen_by else None,
        answer=row.result.get("answer"),
        problem=_problem(row.result.get("problem")),
    )
