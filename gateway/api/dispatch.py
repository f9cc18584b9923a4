"""The board over HTTP: what is planned, what is not and why, moves with a live check, who could go."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from assets.base.db import service_rights
from assets.base.errors import Forbidden, Invalid
from assets.people import Person
from gateway.api.deps import Context, Here
from gateway.api.dispatch_rows import (
    Bench,
    Board,
    CandidateItem,
    ViolationItem,
    bench_of,
    board_of,
    candidate_items,
    violation_item,
)
from gateway.api.edits import IfMatch, Moment
from gateway.api.work_order_rows import VisitItem, WorkOrderItem, items_of, people_by_id, visit_item
from ticketing.dispatch.loading import load
from ticketing.dispatch.modes import PoolClosed, candidates, claim, nearest, pool
from ticketing.dispatch.moving import Proposed, commit, propose
from ticketing.dispatch.settings import Rules, rules_above
from ticketing.models import Visit
from ticketing.technicians import assignable
from ticketing.visits import get_visit
from ticketing.work_orders import OPEN_STATES, StaleVersion, get_work_order, illegal

router = APIRouter(prefix="/api/v1", tags=["dispatch"])

LONGEST = timedelta(days=31)
From = Annotated[Moment | None, Query(alias="from")]
Until = Annotated[Moment | None, Query()]


class BoardMove(BaseModel):
    """A visit, or an order that has none, dropped on somebody's hour."""

    visit_id: UUID | None = None
    work_order_id: UUID | None = None
    technician_id: UUID
    planned_start: Moment
    planned_end: Moment | None = None
    version: int | None = Field(default=None, ge=0, description="of the visit, or of the order that has none")
    dry_run: bool = False
    accept: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=20)
    pinned: bool | None = None


class PushedItem(BaseModel):
    """Another visit that begins later because of the move."""

    visit_id: UUID
    number: str
    planned_start: datetime
    before: datetime


class MoveResult(BaseModel):
    """What a move comes to; `cost` is the difference in minutes of driving. `visit` is there once it is written."""

    committed: bool
    planned_start: datetime
    planned_end: datetime
    travel_minutes: int | None
    cost: float
    parts: dict[str, float]
    violations: list[ViolationItem]
    pushed: list[PushedItem]
    visit: VisitItem | None = None


class Candidates(BaseModel):
    """The best people for an order, cheapest first; those who may not go come last, with what stands against them."""

    items: list[CandidateItem]


class Pool(BaseModel):
    """Orders that the caller could take."""

    open: bool
    items: list[WorkOrderItem]


def rules_here(here: Context) -> Rules:
    """Return the rules of the nearest organisation that set some, for the board of the actor's own."""
    with service_rights(here.session):
        above = rules_above(here.session, here.actor.organisation_id)
    return replace(above, organisation_id=here.actor.organisation_id)


def span_of(here: Context, start: datetime | None, until: datetime | None, days: int) -> tuple[datetime, datetime]:
    """Return the time that is asked for; `days` from now unless told. Raises Invalid."""
    first = start or here.now
    last = until or first + timedelta(days=days)
    if not timedelta(0) < last - first <= LONGEST:
        raise Invalid(f"a time of at most {LONGEST.days} days that ends after it begins", field="until")
    return first, last


@router.get("/dispatch/board", operation_id="get_dispatch_board", response_model=Board)
def get_board(
    here: Here,
    request: Request,
    response: Response,
    from_: From = None,
    until: Until = None,
    team_id: UUID | None = None,
) -> Any:
    """The board: people with their hours, and what is planned. An ETag says whether anything on it changed."""
    here.require("dispatch.read")
    start, last = span_of(here, from_, until, 1)
    board = board_of(here, start, last, team_id)
    tag = f'"{board.version}"'
    response.headers["ETag"] = tag
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return board


@router.get("/dispatch/unassigned", operation_id="get_dispatch_unassigned")
def get_unassigned(here: Here, from_: From = None, until: Until = None, team_id: UUID | None = None) -> Bench:
    """What nobody is planned for, each with its reason; of a team: what waits for its people or for any team."""
    here.require("dispatch.read")
    start, last = span_of(here, from_, until, 1)
    if last <= here.now:
        return Bench(items=[], total=0)
    rules = rules_here(here)
    return bench_of(here, load(here.session, rules, max(start, here.now), last, here.now, team_id=team_id))


@router.post("/dispatch/moves", operation_id="move_on_board")
def move_on_board(body: BoardMove, here: Here, if_match: IfMatch = None) -> MoveResult:
    """Check a move against the referee, and write it unless it is a dry run.

    409 names the rules that it breaks (accept them by code) or what changed meanwhile; 412 shows both versions.
    """
    here.require("dispatch.plan")
    visit, order_id = _what(here, body)
    _compare(here, body, visit, order_id, if_match)
    person = assignable(here.session, body.technician_id)
    if body.planned_end is not None and body.planned_end <= body.planned_start:
        raise Invalid("a visit ends after it begins", field="planned_end")
    if body.planned_end is not None and body.planned_end - body.planned_start > timedelta(days=14):
        raise Invalid("a visit lasts at most 14 days", field="planned_end")
    proposed = propose(
        here.session, rules_here(here), order_id, person, body.planned_start, here.now, visit=visit,
        end=body.planned_end,
    )  # fmt: skip
    if body.dry_run:
        return _result(here, proposed, None)
    accepted = frozenset(body.accept)
    written = commit(here.session, proposed, here.now, accept=accepted, pinned=body.pinned, by=here.actor)
    return _result(here, proposed, written)


def _what(here: Context, body: BoardMove) -> tuple[Visit | None, UUID]:
    if (body.visit_id is None) == (body.work_order_id is None):
        raise Invalid("a visit, or an order without one", field="visit_id")
    if body.visit_id is not None:
        visit = get_visit(here.session, body.visit_id)
        if not body.dry_run:
            get_work_order(here.session, visit.work_order_id, lock=True)  # the order first, as everybody does
            here.session.refresh(visit, with_for_update=True)  # nobody changes it between its version and the move
        return visit, visit.work_order_id
    assert body.work_order_id is not None
    order = get_work_order(here.session, body.work_order_id, lock=not body.dry_run)
    if order.state not in OPEN_STATES:
        raise illegal(order, "scheduled")
    return None, order.id


def _compare(here: Context, body: BoardMove, visit: Visit | None, order_id: UUID, if_match: str | None) -> None:
    told = (if_match or "").strip().removeprefix("W/").strip('"')
    if told and told != "*" and (not told.isdecimal() or len(told) > 9):
        raise Invalid("If-Match holds a version number", field="If-Match")
    wanted = int(told) if told and told != "*" else body.version
    row: Any = visit if visit is not None else get_work_order(here.session, order_id)
    if wanted is None or wanted == row.version:
        return
    yours = {"technician_id": str(body.technician_id), "planned_start": body.planned_start.isoformat()}
    current = {"state": row.state}
    if visit is not None:
        current |= {
            "technician_id": str(visit.technician_id) if visit.technician_id else None,
            "planned_start": visit.planned_start.isoformat() if visit.planned_start else None,
        }
    raise StaleVersion(
        "somebody moved it meanwhile", expected=wanted, version=row.version, yours=yours, current=current
    )


def _result(here: Context, proposed: Proposed, written: Visit | None) -> MoveResult:
    people = people_by_id(here, {written.technician_id}) if written is not None else {}
    return MoveResult(
        committed=written is not None,
        planned_start=proposed.planned_start,
        planned_end=proposed.planned_end,
        travel_minutes=proposed.travel_minutes,
        cost=proposed.cost,
        parts=proposed.parts,
        violations=[violation_item(each) for each in proposed.violations],
        pushed=[
            PushedItem(visit_id=each.visit_id, number=each.number, planned_start=each.planned_start, before=each.before)
            for each in proposed.pushed
        ],
        visit=visit_item(written, people) if written is not None else None,
    )


@router.get("/work-orders/{order_id}/candidates", operation_id="list_candidates")
def list_candidates(
    order_id: UUID,
    here: Here,
    from_: From = None,
    until: Until = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 3,
) -> Candidates:
    """Why this technician: the best ones for an order with what each would cost, by parts, at their best hour."""
    here.require("dispatch.plan")
    order = get_work_order(here.session, order_id)
    if order.state not in OPEN_STATES:
        raise illegal(order, "scheduled")
    start, last = span_of(here, from_, until, 3)
    if last <= here.now:
        raise Invalid("these days are over", field="until")
    loaded, found = candidates(here.session, rules_here(here), order.id, start, last, here.now, limit)
    return Candidates(items=candidate_items(loaded, found))


@router.get("/dispatch/nearest", operation_id="list_nearest")
def list_nearest(here: Here, work_order_id: UUID, limit: Annotated[int, Query(ge=1, le=20)] = 5) -> Candidates:
    """Who is at work, idle now, and could be there first."""
    here.require("dispatch.plan")
    order = get_work_order(here.session, work_order_id)
    if order.state not in OPEN_STATES:
        raise illegal(order, "scheduled")
    loaded, found = nearest(here.session, rules_here(here), order.id, here.now, limit)
    return Candidates(items=candidate_items(loaded, found))


@router.get("/dispatch/pool", operation_id="list_pool")
def list_pool(here: Here) -> Pool:
    """Orders that nobody has and whose skills the caller has; `open` says whether they may be taken."""
    here.require("dispatch.claim")
    found = pool(here.session, _me(here), here.now)
    return Pool(open=rules_here(here).mode == "pool", items=items_of(here, found))


@router.post("/dispatch/pool/{order_id}/claim", operation_id="claim_from_pool")
def claim_from_pool(order_id: UUID, here: Here) -> WorkOrderItem:
    """Take an order; 409 names who was first."""
    here.require("dispatch.claim")
    order = get_work_order(here.session, order_id)
    if rules_here(here).mode != "pool":
        raise PoolClosed("work is given out by the desk")
    claimed = claim(here.session, order.id, _me(here), here.now, by=here.actor)
    return items_of(here, [claimed])[0]


def _me(here: Context) -> Person:
    person = here.session.get(Person, here.actor.person_id) if here.actor.person_id else None
    if person is None:
        raise Forbidden("only a person takes work", action="dispatch.claim")
    return person
