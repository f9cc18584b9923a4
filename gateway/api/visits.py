"""Visits over HTTP: list them, plan one, move one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.access import DESK
from assets.base.errors import Forbidden
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_order_rows import VisitItem, only_customer, people_by_id, visit_item
from gateway.api.work_orders import id_of_cursor, uuid_of
from ticketing.models import Visit
from ticketing.technicians import assignable
from ticketing.visits import get_visit, move_visit, schedule_visit
from ticketing.work_orders import MAX_CODE, MAX_NOTE, get_work_order

router = APIRouter(prefix="/api/v1", tags=["visits"])


class NewVisit(BaseModel):
    """A visit to plan."""

    work_order_id: UUID
    technician_id: UUID
    scheduled_at: Moment | None = None


class VisitMove(BaseModel):
    """A state to move a visit to; the last visit's end may carry the order's outcome."""

    to: str
    reason: str | None = Field(default=None, max_length=MAX_NOTE)
    outcome: str | None = None
    note: str | None = Field(default=None, max_length=MAX_NOTE)
    repair_code: str | None = Field(default=None, max_length=MAX_CODE)


class Visits(BaseModel):
    """A page of visits."""

    items: list[VisitItem]
    next: str | None = None


@router.get("/visits", operation_id="list_visits")
def list_visits(
    here: Here,
    work_order_id: UUID | None = None,
    technician: str | None = None,
    state: str | None = None,
    scheduled_from: datetime | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Visits:
    """List visits, newest first; `technician` is 'me' or a person's id."""
    here.require("work_order.read")
    query = select(Visit).order_by(Visit.id.desc()).limit(limit + 1)
    if work_order_id is not None:
        query = query.where(Visit.work_order_id == work_order_id)
    if technician is not None:
        mine = here.actor.person_id or UUID(int=0)
        query = query.where(Visit.technician_id == (mine if technician == "me" else uuid_of(technician, "technician")))
    if state is not None:
        query = query.where(Visit.state == state)
    if scheduled_from is not None:
        query = query.where(Visit.scheduled_at >= scheduled_from)
    if after is not None:
        query = query.where(Visit.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return Visits(items=_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/visits", operation_id="create_visit", status_code=201)
def create_visit(body: NewVisit, here: Here) -> VisitItem:
    """Plan a visit."""
    here.require("work_order.assign")
    order = get_work_order(here.session, body.work_order_id, lock=True)
    person = assignable(here.session, body.technician_id)
    visit = schedule_visit(here.session, order, person, here.now, scheduled_at=body.scheduled_at, by=here.actor)
    return _items(here, [visit])[0]


@router.post("/visits/{visit_id}/transitions", operation_id="move_visit")
def move_one_visit(visit_id: UUID, body: VisitMove, here: Here) -> VisitItem:
    """Move a visit, and with it its work order; 409 names the legal moves."""
    here.require("visit.perform")
    visit = get_visit(here.session, visit_id)
    # The order first: all changes to it and its visits queue up behind its lock.
    order = get_work_order(here.session, visit.work_order_id, lock=True)
    here.session.refresh(visit)
    if visit.technician_id != here.actor.person_id and not here.actor.roles & DESK:
        raise Forbidden("this is somebody else's visit", action="visit.perform")
    move_visit(
        here.session,
        order,
        visit,
        body.to,
        here.now,
        by=here.actor,
        reason=body.reason,
        outcome=body.outcome,
        note=body.note,
        repair_code=body.repair_code,
    )
    return _items(here, [visit])[0]


def _items(here: Context, visits: list[Visit]) -> list[VisitItem]:
    here.session.flush()
    people = {} if only_customer(here) else people_by_id(here, {visit.technician_id for visit in visits})
    return [visit_item(visit, people) for visit in visits]
