"""Work orders over HTTP: lists, detail, opening, assigning, moving, and the technician's three buttons."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.access import DESK
from assets.base.errors import Invalid, NotFound
from assets.people import Person
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.work_order_rows import WorkOrderDetail, WorkOrders, detail_of, items_of
from ticketing import field
from ticketing.models import WorkOrder
from ticketing.order_people import check_hands
from ticketing.technicians import assignable
from ticketing.work_orders import (
    ACTION_OF_MOVE,
    MAX_CODE,
    MAX_NOTE,
    MAX_TITLE,
    OPEN_STATES,
    assign,
    get_work_order,
    open_work_order,
    transition,
)

router = APIRouter(prefix="/api/v1", tags=["work orders"])

IfMatch = Annotated[str | None, Header(description="the version that the change is based on")]


class NewWorkOrder(BaseModel):
    """Work that a person asks for."""

    asset_id: UUID
    title: str = Field(min_length=1, max_length=MAX_TITLE)
    priority: str = "normal"
    origin: str = "manual"


class Assignment(BaseModel):
    """Who shall do it; null gives it back to the pool."""

    person_id: UUID | None


class Move(BaseModel):
    """A state to move to, with what that state asks for."""

    to: str
    reason: str | None = Field(default=None, max_length=MAX_NOTE)
    outcome: str | None = None
    note: str | None = Field(default=None, max_length=MAX_NOTE)
    repair_code: str | None = Field(default=None, max_length=MAX_CODE)


class Finish(BaseModel):
    """What the technician found and did."""

    outcome: str
    note: str | None = Field(default=None, max_length=MAX_NOTE)
    repair_code: str | None = Field(default=None, max_length=MAX_CODE)


@router.get("/work-orders", operation_id="list_work_orders")
def list_work_orders(
    here: Here,
    state: str | None = None,
    origin: str | None = None,
    asset_id: UUID | None = None,
    assignee: Annotated[str | None, Query(description="'me', 'nobody' or a person's id")] = None,
    open_only: Annotated[bool, Query(alias="open")] = False,
    number: str | None = None,
    limit: Limit = 100,
    after: After = None,
) -> WorkOrders:
    """List work orders, newest first."""
    here.require("work_order.read")
    query = select(WorkOrder).order_by(WorkOrder.id.desc()).limit(limit + 1)
    for column, value in (
        (WorkOrder.state, state),
        (WorkOrder.origin, origin),
        (WorkOrder.asset_id, asset_id),
        (WorkOrder.number, number),
    ):
        if value is not None:
            query = query.where(column == value)
    if open_only:
        query = query.where(WorkOrder.state.in_(OPEN_STATES))
    if assignee is not None:
        query = query.where(WorkOrder.assignee_id == _assignee(here, assignee))
    if after is not None:
        query = query.where(WorkOrder.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    more = cursor_of(page[-1].id) if len(found) > limit else None
    return WorkOrders(items=items_of(here, page), next=more)


@router.get("/work-orders/{work_order_id}", operation_id="get_work_order")
def get_one_work_order(work_order_id: UUID, here: Here) -> WorkOrderDetail:
    """Show one work order with its events."""
    here.require("work_order.read")
    return detail_of(here, get_work_order(here.session, work_order_id))


@router.post("/work-orders", operation_id="create_work_order", status_code=201)
def create_work_order(body: NewWorkOrder, here: Here) -> WorkOrderDetail:
    """Open a work order by hand."""
    here.require("work_order.open")
    if body.origin != "manual":
        raise Invalid("people open work orders of origin manual", field="origin", allowed=["manual"])
    asset = here.session.get(Asset, body.asset_id)
    if asset is None:
        raise NotFound("no such asset", kind="asset")
    order = open_work_order(
        here.session,
        asset=asset,
        origin="manual",
        kind="general",
        title_code="manual",
        title_text=body.title.strip(),
        priority=body.priority,
        now=here.now,
        by=here.actor,
    )
    return detail_of(here, order)


@router.post("/work-orders/{work_order_id}/assign", operation_id="assign_work_order")
def assign_work_order(work_order_id: UUID, body: Assignment, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Give a work order to a technician."""
    here.require("work_order.assign")
    order = _locked(here, work_order_id, if_match)
    person = assignable(here.session, body.person_id) if body.person_id else None
    return detail_of(here, assign(here.session, order, person, here.now, by=here.actor))


@router.post("/work-orders/{work_order_id}/transitions", operation_id="move_work_order")
def move_work_order(work_order_id: UUID, body: Move, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Move a work order to another state; 409 names the legal moves."""
    action = ACTION_OF_MOVE.get(body.to, "work_order.assign")
    here.require(action)
    order = _locked(here, work_order_id, if_match)
    if action == "visit.perform" and not here.actor.roles & DESK:
        check_hands(here.session, order, _caller(here), here.actor)
    transition(
        here.session,
        order,
        body.to,
        here.now,
        by=here.actor,
        reason=body.reason,
        outcome=body.outcome,
        note=body.note,
        repair_code=body.repair_code,
    )
    return detail_of(here, order)


@router.post("/work-orders/{work_order_id}/accept", operation_id="accept_work_order")
def accept_work_order(work_order_id: UUID, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Take a work order: it becomes the caller's, with a visit."""
    here.require("visit.perform")
    order = _locked(here, work_order_id, if_match)
    return detail_of(here, field.accept(here.session, order, _caller(here), here.now, by=here.actor))


@router.post("/work-orders/{work_order_id}/start", operation_id="start_work_order")
def start_work_order(work_order_id: UUID, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Begin the work."""
    here.require("visit.perform")
    order = _locked(here, work_order_id, if_match)
    return detail_of(here, field.start(here.session, order, _hands(here, order), here.now, by=here.actor))


@router.post("/work-orders/{work_order_id}/finish", operation_id="finish_work_order")
def finish_work_order(work_order_id: UUID, body: Finish, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """End the work with its outcome."""
    here.require("visit.perform")
    order = _locked(here, work_order_id, if_match)
    field.finish(
        here.session,
        order,
        _hands(here, order),
        here.now,
        outcome=body.outcome,
        note=body.note,
        repair_code=body.repair_code,
        by=here.actor,
    )
    return detail_of(here, order)


def id_of_cursor(after: str) -> UUID:
    """Read a cursor that holds one id. Raises Invalid."""
    key: UUID = read_cursor(after, UUID)[0]
    return key


def uuid_of(value: Any, name: str) -> UUID:
    """Read an id. Raises Invalid."""
    try:
        return UUID(str(value))
    except ValueError:
        raise Invalid(f"{name} is no id", field=name) from None


def _locked(here: Context, work_order_id: UUID, if_match: str | None) -> WorkOrder:
    version = (if_match or "").strip().strip('"')
    if version and not version.isdigit():
        raise Invalid("If-Match holds a version number", field="If-Match")
    return get_work_order(here.session, work_order_id, lock=True, expected_version=int(version) if version else None)


def _assignee(here: Context, assignee: str) -> UUID | None:
    if assignee == "nobody":
        return None
    if assignee != "me":
        return uuid_of(assignee, "assignee")
    return here.actor.person_id or UUID(int=0)  # a token has no work of its own


def _caller(here: Context) -> Person:
    person = here.session.get(Person, here.actor.person_id) if here.actor.person_id else None
    if person is None:
        raise Invalid("a token cannot take work: sign in as a person", field="person")
    return person


def _hands(here: Context, order: WorkOrder) -> Person:
    """Return whose hands do the work: the assignee's when the desk presses the button, else the caller's."""
    if order.assignee_id and here.actor.roles & DESK:
        return here.session.get_one(Person, order.assignee_id)
    return _caller(here)
