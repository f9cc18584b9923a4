"""Work orders over HTTP: lists, detail, opening, assigning, moving, and the technician's three buttons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, func, or_, select

from assets.base.access import DESK
from assets.base.errors import Invalid, NotFound
from assets.people import Person
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, named
from gateway.api.pages import After, Limit, read_cursor
from gateway.api.sla_rows import SlaFilter, sla_condition
from gateway.api.sorting import NEVER, By, Order, Sort, id_of, moment_of, rank_column
from gateway.api.work_order_rows import WorkOrderDetail, WorkOrders, detail_of, items_of
from ticketing import field
from ticketing.cases.tables import ServiceType
from ticketing.finding import holding
from ticketing.models import WorkOrder
from ticketing.order_edits import PLANNED, checked_plan, edit_order
from ticketing.order_models import WorkOrderPerson
from ticketing.order_people import check_hands, check_owner
from ticketing.order_states import owner_decides
from ticketing.people.tables import Team
from ticketing.technicians import assignable
from ticketing.words import PRIORITIES
from ticketing.work_orders import (
    ACTION_OF_MOVE,
    MAX_CODE,
    MAX_NOTE,
    MAX_TITLE,
    OPEN_STATES,
    StaleVersion,
    assign,
    get_work_order,
    open_work_order,
    transition,
)

router = APIRouter(prefix="/api/v1", tags=["work orders"])

IfMatch = Annotated[str | None, Header(description="the version that the change is based on")]


RECENT = timedelta(days=2)
TO_DO = (*OPEN_STATES, "completed")  # the report is not complete yet
SORTS = {
    "created": By(WorkOrder.id, id_of),
    "number": By(WorkOrder.number),
    "opened": By(WorkOrder.opened_at, moment_of),
    "state": By(WorkOrder.state),
    "priority": By(rank_column(WorkOrder.priority, PRIORITIES), int),
    "due": By(func.coalesce(WorkOrder.due_at, NEVER), moment_of),
}


class RequiredSkill(BaseModel):
    """A skill that the work needs, with the least level."""

    skill: str = Field(min_length=1, max_length=MAX_CODE)
    level: int = Field(default=1, ge=1, le=5)


class Plan(BaseModel):
    """How the work is planned."""

    required_skills: list[RequiredSkill] = Field(default=[], max_length=20)
    duration_minutes: int | None = None
    window_from: Moment | None = None
    window_until: Moment | None = None
    due_at: Moment | None = None
    team_id: UUID | None = None
    service_type_id: UUID | None = None


class NewWorkOrder(Plan):
    """Work that a person asks for."""

    asset_id: UUID
    title: str = Field(min_length=1, max_length=MAX_TITLE)
    priority: str = "normal"
    origin: str = "manual"


class OrderEdit(Plan):
    """What changes; fields that are left out stay as they are."""

    title_text: str = Field(default="", max_length=MAX_TITLE)
    priority: str = "normal"


class Assignment(BaseModel):
    """Who shall do it; null gives it back to the pool."""

    person_id: UUID | None


class Move(BaseModel):
    """A state to move to, with what that state asks for."""

    to: str
    reason: str | None = Field(default=None, max_length=MAX_NOTE)
    reason_code: str | None = Field(default=None, max_length=MAX_CODE)
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
    recent: Annotated[bool, Query(description="to be done or documented, or done within two days")] = False,
    number: str | None = None,
    q: str | None = None,
    review: str | None = None,
    case_id: UUID | None = None,
    team_id: UUID | None = None,
    service_type_id: UUID | None = None,
    sla: SlaFilter | None = None,
    sort: Sort = None,
    limit: Limit = 100,
    after: After = None,
) -> WorkOrders:
    """List work orders, newest first."""
    here.require("work_order.read")
    order = Order.of(sort, SORTS, "-created", WorkOrder.id)
    query = select(WorkOrder, order.column)
    for column, value in (
        (WorkOrder.state, state),
        (WorkOrder.origin, origin),
        (WorkOrder.asset_id, asset_id),
        (WorkOrder.number, number),
        (WorkOrder.review_state, review),
        (WorkOrder.case_id, case_id),
        (WorkOrder.team_id, team_id),
        (WorkOrder.service_type_id, service_type_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if open_only:
        query = query.where(WorkOrder.state.in_(OPEN_STATES))
    if recent:
        query = query.where(or_(WorkOrder.state.in_(TO_DO), WorkOrder.work_done_at > here.now - RECENT))
    if assignee is not None:
        query = query.where(_whose(_assignee(here, assignee)))
    if q and q.strip():
        query = query.where(holding(here.session, "work_order", q, here.actor))
    if sla is not None:
        query = query.where(sla_condition("work_order", WorkOrder.id, sla, here.now))
    page, more = order.rows(here.session, query, limit, after)
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
    plan = checked_plan({name: value for name, value in plan_of(here, body).items() if name != "priority"})
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
        **plan,
    )
    return detail_of(here, order)


@router.patch("/work-orders/{work_order_id}", operation_id="edit_work_order")
def edit_work_order(work_order_id: UUID, body: OrderEdit, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Change how a work order is planned; 412 shows what both sides say."""
    here.require("work_order.edit")
    changes = plan_of(here, body)
    order = locked_order(here, work_order_id, if_match, changes)
    check_owner(here.session, order, here.actor)
    return detail_of(here, edit_order(here.session, order, changes, here.now, by=here.actor))


@router.post("/work-orders/{work_order_id}/assign", operation_id="assign_work_order")
def assign_work_order(work_order_id: UUID, body: Assignment, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Give a work order to a technician."""
    here.require("work_order.assign")
    order = locked_order(here, work_order_id, if_match)
    person = assignable(here.session, body.person_id) if body.person_id else None
    return detail_of(here, assign(here.session, order, person, here.now, by=here.actor))


@router.post("/work-orders/{work_order_id}/transitions", operation_id="move_work_order")
def move_work_order(work_order_id: UUID, body: Move, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Move a work order to another state; 409 names the legal moves."""
    action = ACTION_OF_MOVE.get(body.to, "work_order.assign")
    here.require(action)
    order = locked_order(here, work_order_id, if_match)
    if action in ("visit.perform", "work_order.record") and not here.actor.roles & DESK:
        check_hands(here.session, order, caller(here), here.actor)
    if owner_decides(order.state, body.to, desk=bool(here.actor.roles & DESK)):
        check_owner(here.session, order, here.actor)
    transition(
        here.session,
        order,
        body.to,
        here.now,
        by=here.actor,
        reason=body.reason,
        code=body.reason_code,
        outcome=body.outcome,
        note=body.note,
        repair_code=body.repair_code,
    )
    return detail_of(here, order)


@router.post("/work-orders/{work_order_id}/accept", operation_id="accept_work_order")
def accept_work_order(work_order_id: UUID, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Take a work order: it becomes the caller's, with a visit."""
    here.require("visit.perform")
    order = locked_order(here, work_order_id, if_match)
    return detail_of(here, field.accept(here.session, order, caller(here), here.now, by=here.actor))


@router.post("/work-orders/{work_order_id}/start", operation_id="start_work_order")
def start_work_order(work_order_id: UUID, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """Begin the work."""
    here.require("visit.perform")
    order = locked_order(here, work_order_id, if_match)
    return detail_of(here, field.start(here.session, order, _hands(here, order), here.now, by=here.actor))


@router.post("/work-orders/{work_order_id}/finish", operation_id="finish_work_order")
def finish_work_order(work_order_id: UUID, body: Finish, here: Here, if_match: IfMatch = None) -> WorkOrderDetail:
    """End the work with its outcome."""
    here.require("visit.perform")
    order = locked_order(here, work_order_id, if_match)
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


def locked_order(
    here: Context, work_order_id: UUID, if_match: str | None, changes: Mapping[str, Any] | None = None
) -> WorkOrder:
    """Return an order locked for a change.

    Raises StaleVersion when it is no longer at the version in If-Match; with `changes` it says what both sides hold.
    """
    told = (if_match or "").strip().removeprefix("W/").strip('"')
    order = get_work_order(here.session, work_order_id, lock=True)
    if not told or told == "*":
        return order
    if not told.isdecimal() or len(told) > 9:
        raise Invalid("If-Match holds a version number", field="If-Match")
    if int(told) != order.version:
        both: dict[str, Any] = {"state": order.state}
        if changes:
            both = {"yours": dict(changes), "current": {name: getattr(order, name, None) for name in changes}}
        text = f"{order.number} changed in the meantime"
        raise StaleVersion(text, expected=int(told), version=order.version, **both)
    return order


def plan_of(here: Context, body: Plan) -> dict[str, Any]:
    """Return the columns of planning that a body names. Raises Invalid for a team or a service type not there."""
    plan = {name: value for name, value in body.model_dump(exclude_unset=True).items() if name in PLANNED}
    named(here, Team, plan.get("team_id"), "team_id")
    named(here, ServiceType, plan.get("service_type_id"), "service_type_id")
    return plan


def _whose(person_id: UUID | None) -> ColumnElement[bool]:
    """Return the condition for the orders of somebody: theirs, and those where they help."""
    if person_id is None:
        return WorkOrder.assignee_id.is_(None)
    helps = select(WorkOrderPerson.work_order_id).where(WorkOrderPerson.person_id == person_id)
    return or_(WorkOrder.assignee_id == person_id, WorkOrder.id.in_(helps))


def _assignee(here: Context, assignee: str) -> UUID | None:
    if assignee == "nobody":
        return None
    if assignee != "me":
        return uuid_of(assignee, "assignee")
    return here.actor.person_id or UUID(int=0)  # a token has no work of its own


def caller(here: Context) -> Person:
    """Return who asks, as a person. Raises Invalid for a token."""
    person = here.session.get(Person, here.actor.person_id) if here.actor.person_id else None
    if person is None:
        raise Invalid("a token cannot take work: sign in as a person", field="person")
    return person


def _hands(here: Context, order: WorkOrder) -> Person:
    """Return whose hands do the work: the assignee's when the desk presses the button, else the caller's."""
    if order.assignee_id and here.actor.roles & DESK:
        return here.session.get_one(Person, order.assignee_id)
    return caller(here)
