"""Plans over HTTP: ask for one, look at it, publish or reject it; emergencies; how the organisation plans."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import case, select

from assets.base.errors import Invalid
from assets.people import Person
from gateway.api.deps import Context, Here
from gateway.api.dispatch import rules_here
from gateway.api.edits import IfMatch, Moment, SomeText
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from ticketing.dispatch.planning import ask_plan, get_plan, publish, reject
from ticketing.dispatch.settings import Rules, rules_of, set_rules
from ticketing.dispatch.tables import DispatchPlan, PlanAssignment
from ticketing.models import WorkOrder
from ticketing.order_people import check_owner
from ticketing.work_orders import OPEN_STATES, get_work_order, illegal

router = APIRouter(prefix="/api/v1", tags=["dispatch"])

MAX_SHOWN = 3_000
State = Literal["waiting", "running", "proposed", "published", "rejected", "failed"]


class NewPlan(BaseModel):
    """Days to plan; from now on, as far as the organisation plans ahead, unless told."""

    from_at: Moment | None = None
    until_at: Moment | None = None
    seconds: Annotated[int | None, Field(ge=1, le=60)] = None
    publish: bool = False


class NewEmergency(BaseModel):
    """An order that cannot wait; `publish` puts it into the running day without asking again."""

    work_order_id: UUID
    publish: bool = False


class PlanRejection(BaseModel):
    """Why a plan is not wanted."""

    reason: SomeText = None


class Score(BaseModel):
    """What a plan costs, in minutes of driving, by parts."""

    cost: float
    parts: dict[str, float]
    violations: int
    assigned: int
    unassigned: int


class PlanItem(BaseModel):
    """A plan in a list."""

    id: UUID
    state: State
    cause: str
    from_at: datetime
    until_at: datetime
    created_at: datetime
    created_by: str | None
    finished_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    error: str | None
    solver: str | None
    input_digest: str | None
    score_before: Score | None
    score_after: Score | None
    urgent_order_id: UUID | None
    left_out: int


class Plans(BaseModel):
    """A page of plans."""

    items: list[PlanItem]
    next: str | None = None


class PlannedAssignment(BaseModel):
    """What a plan says of one order: who and when, or why nobody."""

    work_order_id: UUID
    number: str
    visit_id: UUID | None
    technician_id: UUID | None
    technician: str | None
    planned_start: datetime | None
    planned_end: datetime | None
    travel_minutes: int | None
    position_in_route: int | None
    changed: bool
    before: dict[str, Any] | None
    reason_code: str | None
    reason_detail: str | None


class PlanDetail(PlanItem):
    """A plan with all that it says, changes first."""

    tried: list[dict[str, Any]]
    assignments: list[PlannedAssignment]


class Published(BaseModel):
    """The plan, and how many visits it changed."""

    plan: PlanItem
    changes: int


class SettingsShown(BaseModel):
    """How the organisation plans."""

    mode: str
    parts: str
    weights: dict[str, float]
    horizon_days: int
    solve_seconds: int
    moves_allowed: int
    window_minutes: int
    version: int


class NewSettings(BaseModel):
    """What is to change; what is left out stays."""

    mode: str | None = Field(default=None, max_length=20)
    parts: str | None = Field(default=None, max_length=20)
    weights: dict[str, float] | None = Field(default=None, max_length=10)
    horizon_days: int | None = None
    solve_seconds: int | None = None
    moves_allowed: int | None = None
    window_minutes: int | None = None


@router.get("/dispatch/settings", operation_id="get_dispatch_settings")
def get_settings(here: Here) -> SettingsShown:
    """How the organisation plans."""
    here.require("dispatch.read")
    return _shown(rules_of(here.session, here.actor.organisation_id))


@router.put("/dispatch/settings", operation_id="set_dispatch_settings")
def put_settings(body: NewSettings, here: Here, if_match: IfMatch = None) -> SettingsShown:
    """Change how the organisation plans; 412 shows both when somebody else did meanwhile."""
    here.require("dispatch.manage")
    told = (if_match or "").strip().removeprefix("W/").strip('"')
    if told and told != "*" and (not told.isdecimal() or len(told) > 9):
        raise Invalid("If-Match holds a version number", field="If-Match")
    changes = body.model_dump(exclude_none=True)
    version = int(told) if told and told != "*" else None
    organisation_id = here.actor.organisation_id
    return _shown(set_rules(here.session, organisation_id, changes, here.now, version=version, by=here.actor))


def _shown(rules: Rules) -> SettingsShown:
    names = [name for name in SettingsShown.model_fields if name != "weights"]
    return SettingsShown(weights=dict(rules.weights), **{name: getattr(rules, name) for name in names})


@router.post("/dispatch/plans", operation_id="ask_dispatch_plan", status_code=202)
def ask(body: NewPlan, here: Here) -> PlanItem:
    """Ask for a plan; a worker makes it, never worse than what is planned now."""
    here.require("dispatch.plan")
    rules = rules_here(here)
    start = body.from_at or here.now
    until = body.until_at or start + timedelta(days=rules.horizon_days)
    plan = ask_plan(
        here.session, rules, start, until, here.now, seconds=body.seconds, publish_at_once=body.publish, by=here.actor
    )
    return _items(here, [plan])[0]


@router.post("/dispatch/emergencies", operation_id="insert_emergency", status_code=202)
def emergency(body: NewEmergency, here: Here) -> PlanItem:
    """Put an order that cannot wait into the running day, with as little change for the others as possible."""
    here.require("dispatch.plan")
    order = get_work_order(here.session, body.work_order_id)
    check_owner(here.session, order, here.actor)
    if order.state not in OPEN_STATES:
        raise illegal(order, "scheduled")
    rules = rules_here(here)
    plan = ask_plan(
        here.session, rules, here.now, here.now + timedelta(days=1), here.now, cause="emergency",
        urgent_order_id=order.id, seconds=min(5, rules.solve_seconds),
        publish_at_once=body.publish or rules.mode == "unattended", by=here.actor,
    )  # fmt: skip
    return _items(here, [plan])[0]


@router.get("/dispatch/plans", operation_id="list_dispatch_plans")
def list_plans(here: Here, state: State | None = None, limit: Limit = 50, after: After = None) -> Plans:
    """List plans, newest first."""
    here.require("dispatch.read")
    query = select(DispatchPlan).order_by(DispatchPlan.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(DispatchPlan.state == state)
    if after is not None:
        query = query.where(DispatchPlan.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return Plans(items=_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.get("/dispatch/plans/{plan_id}", operation_id="get_dispatch_plan")
def show(plan_id: UUID, here: Here) -> PlanDetail:
    """One plan: who goes where and when, what changes, and why some are left out."""
    here.require("dispatch.read")
    plan = get_plan(here.session, plan_id)
    first = case((PlanAssignment.technician_id.is_(None), 0), (PlanAssignment.changed, 1), else_=2)
    rows = here.session.execute(
        select(PlanAssignment, WorkOrder.number, Person.name)
        .join(WorkOrder, WorkOrder.id == PlanAssignment.work_order_id)
        .outerjoin(Person, Person.id == PlanAssignment.technician_id)
        .where(PlanAssignment.plan_id == plan.id)
        .order_by(first, PlanAssignment.planned_start, PlanAssignment.id)
        .limit(MAX_SHOWN)
    )
    names = [name for name in PlannedAssignment.model_fields if name not in ("number", "technician")]
    told = [
        PlannedAssignment(number=number, technician=name, **{each: getattr(row, each) for each in names})
        for row, number, name in rows
    ]
    return PlanDetail(**_items(here, [plan])[0].model_dump(), tried=plan.tried, assignments=told)


@router.post("/dispatch/plans/{plan_id}/publish", operation_id="publish_dispatch_plan")
def publish_plan(plan_id: UUID, here: Here) -> Published:
    """Turn a proposal into visits; 409 `board_changed` names what changed since it was made."""
    here.require("dispatch.plan")
    plan = get_plan(here.session, plan_id, lock=True)
    changes = publish(here.session, plan, here.now, by=here.actor)
    return Published(plan=_items(here, [plan])[0], changes=changes)


@router.post("/dispatch/plans/{plan_id}/reject", operation_id="reject_dispatch_plan")
def reject_plan(plan_id: UUID, body: PlanRejection, here: Here) -> PlanItem:
    """Do without a plan."""
    here.require("dispatch.plan")
    plan = get_plan(here.session, plan_id, lock=True)
    return _items(here, [reject(here.session, plan, here.now, reason=body.reason, by=here.actor)])[0]


def _items(here: Context, plans: list[DispatchPlan]) -> list[PlanItem]:
    wanted = {key for plan in plans for key in (plan.created_by, plan.decided_by) if key is not None}
    rows = here.session.execute(select(Person.id, Person.name).where(Person.id.in_(wanted)))
    names: dict[UUID | None, str] = {key: name for key, name in rows}
    plain = [name for name in PlanItem.model_fields if name not in ("created_by", "decided_by")]
    return [
        PlanItem(
            created_by=names.get(plan.created_by),
            decided_by=names.get(plan.decided_by),
            **{name: getattr(plan, name) for name in plain},
        )
        for plan in plans
    ]
