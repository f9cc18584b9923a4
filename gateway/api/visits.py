"""Visits over HTTP: list them, plan one, move one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.access import DESK
from assets.base.errors import Forbidden, Invalid
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_order_rows import VisitItem, only_customer, people_by_id, visit_item
from gateway.api.work_orders import id_of_cursor, uuid_of
from ticketing.models import Visit, WorkOrder
from ticketing.technicians import assignable
from ticketing.visit_plans import plan_visit, planned_for
from ticketing.visits import get_visit, move_visit, schedule_visit
from ticketing.work_orders import MAX_CODE, MAX_NOTE, StaleVersion, get_work_order

router = APIRouter(prefix="/api/v1", tags=["visits"])


class NewVisit(BaseModel):
    """A visit to plan."""

    work_order_id: UUID
    technician_id: UUID
    scheduled_at: Moment | None = None
    planned_start: Moment | None = None
    planned_end: Moment | None = None


class VisitPlan(BaseModel):
    """What changes of a planned visit; what is left out stays."""

    technician_id: UUID | None = None
    planned_start: Moment | None = None
    planned_end: Moment | None = None
    pinned: bool = False
    travel_minutes: int | None = Field(default=None, ge=0, le=24 * 60)
    position_in_route: int | None = Field(default=None, ge=0, le=1000)


class VisitMove(BaseModel):
    """A state to move a visit to; the last visit's end may carry the order's outcome."""

    to: str
    reason: str | None = Field(default=None, max_length=MAX_NOTE)
    reason_code: str | None = Field(default=None, max_length=MAX_CODE)
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
    scheduled_from: Moment | None = None,
    planned_from: Moment | None = None,
    planned_until: Moment | None = None,
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
    if planned_from is not None:
        query = query.where(Visit.planned_end > planned_from)
    if planned_until is not None:
        query = query.where(Visit.planned_start < planned_until)
    if after is not None:
        query = query.where(Visit.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return Visits(items=_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/visits", operation_id="create_visit", status_code=201)
def create_visit(body: NewVisit, here: Here) -> VisitItem:
    """Plan a visit; 409 names the visit that the technician has then. Without an end it lasts as its order says."""
    here.require("work_order.assign")
    order = get_work_order(here.session, body.work_order_id, lock=True)
    person = assignable(here.session, body.technician_id)
    start = body.planned_start or body.scheduled_at
    if start is None and body.planned_end is not None:
        raise Invalid("a visit that ends begins", field="planned_start")
    planned = planned_for(order, start, body.planned_end) if start is not None else None
    visit = schedule_visit(here.session, order, person, here.now, planned=planned, by=here.actor)
    return _items(here, [visit])[0]


@router.get("/visits/{visit_id}", operation_id="get_visit")
def show_visit(visit_id: UUID, here: Here) -> VisitItem:
    """Show one visit."""
    here.require("work_order.read")
    return _items(here, [get_visit(here.session, visit_id)])[0]


@router.patch("/visits/{visit_id}", operation_id="plan_visit")
def replan_visit(visit_id: UUID, body: VisitPlan, here: Here, if_match: IfMatch = None) -> VisitItem:
    """Move a visit to another time or technician; 409 names the visit that is in the way."""
    here.require("work_order.assign")
    told = body.model_dump(exclude_unset=True)
    order, visit = _locked(here, visit_id, if_match, told)
    person = assignable(here.session, body.technician_id) if body.technician_id else None
    planned = None
    if told.keys() & {"planned_start", "planned_end"}:
        start = body.planned_start or visit.planned_start
        if start is None:
            raise Invalid("a visit that ends begins", field="planned_start")
        end = body.planned_end
        if end is None and body.planned_start and visit.planned_start and visit.planned_end:
            end = body.planned_start + (visit.planned_end - visit.planned_start)
        planned = planned_for(order, start, end)
    more = {name: told[name] for name in ("pinned", "travel_minutes", "position_in_route") if name in told}
    plan_visit(here.session, order, visit, here.now, planned=planned, technician=person, by=here.actor, **more)
    return _items(here, [visit])[0]


@router.post("/visits/{visit_id}/transitions", operation_id="move_visit")
def move_one_visit(visit_id: UUID, body: VisitMove, here: Here, if_match: IfMatch = None) -> VisitItem:
    """Move a visit, and with it its work order; 409 names the legal moves."""
    here.require("visit.perform")
    order, visit = _locked(here, visit_id, if_match, {"state": body.to})
    if visit.technician_id != here.actor.person_id and not here.actor.roles & DESK:
        raise Forbidden("this is somebody else's visit", action="visit.perform")
    if body.to == "cancelled" and not here.actor.roles & DESK:
        raise Forbidden("the desk cancels visits", action="work_order.assign")
    move_visit(
        here.session,
        order,
        visit,
        body.to,
        here.now,
        by=here.actor,
        reason=body.reason,
        code=body.reason_code,
        outcome=body.outcome,
        note=body.note,
        repair_code=body.repair_code,
    )
    return _items(here, [visit])[0]


def _locked(here: Context, visit_id: UUID, if_match: str | None, changes: dict[str, Any]) -> tuple[WorkOrder, Visit]:
    """Return a visit and its order, locked. The order first: all changes to it and its visits queue up behind it."""
    visit = get_visit(here.session, visit_id)
    order = get_work_order(here.session, visit.work_order_id, lock=True)
    here.session.refresh(visit)
    told = (if_match or "").strip().removeprefix("W/").strip('"')
    if told and told != "*":
        if not told.isdecimal() or len(told) > 9:
            raise Invalid("If-Match holds a version number", field="If-Match")
        if int(told) != visit.version:
            current = {name: getattr(visit, name) for name in changes}
            both: dict[str, Any] = {"yours": changes, "current": current}
            raise StaleVersion("the visit changed meanwhile", expected=int(told), version=visit.version, **both)
    return order, visit


def _items(here: Context, visits: list[Visit]) -> list[VisitItem]:
    here.session.flush()
    people = {} if only_customer(here) else people_by_id(here, {visit.technician_id for visit in visits})
    return [visit_item(visit, people) for visit in visits]
