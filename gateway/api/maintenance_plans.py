"""Maintenance plans over HTTP: what is due how often for which machines; a preview stores nothing."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from assets.base.errors import Invalid
from assets.registry import Asset, Site
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, SomeText, contains, locked, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from maintenance.plans.library import COLUMNS, LEGAL_MOVES, Package, check, edit_plan, make_plan, move_plan
from maintenance.plans.preview import preview
from maintenance.plans.tables import MaintenancePlan, Occurrence, PlanAsset, PlanPackage

router = APIRouter(prefix="/api/v1", tags=["maintenance plans"])

Code = Annotated[str, Field(min_length=1, max_length=80)]
Minutes = Annotated[int | None, Field(ge=1, le=86_400)]


class PlanPackageBody(BaseModel):
    """One package: its trigger as docs/plans.md says; the higher hierarchy covers the lower on one day."""

    code: Annotated[str, Field(min_length=1, max_length=40)]
    name: dict[str, str] = {}
    hierarchy: Annotated[int, Field(ge=1, le=99)] = 1
    trigger: dict[str, Any]
    procedure_id: UUID | None = None
    duration_minutes: Minutes = None


class MaintenancePlanBody(BaseModel):
    """All that a plan says, for a model, a round, or machines that are chosen."""

    code: Code
    name: dict[str, str]
    asset_model_id: UUID | None = None
    round_id: UUID | None = None
    asset_ids: Annotated[list[UUID], Field(max_length=1000)] = []
    effectivity: dict[str, Any] = {}
    service_type_id: UUID | None = None
    procedure_id: UUID | None = None
    team_id: UUID | None = None
    skills: Annotated[list[dict[str, Any]], Field(max_length=20)] = []
    priority: str = "normal"
    duration_minutes: Minutes = None
    lead_days: int = 14
    horizon_days: int = 365
    tolerance_before: dict[str, Any] = {}
    tolerance_after: dict[str, Any] = {}
    scheduling: str = "fixed"
    shift: dict[str, Any] = {}
    calendar_id: UUID | None = None
    when_closed: str = "keep"
    seasons: Annotated[list[str], Field(max_length=50)] = []
    blackouts: Annotated[list[list[str]], Field(max_length=50)] = []
    near_days: int = 0
    when_missed: str = "close"
    starts: str = "commissioned"
    starts_on: date | None = None
    at_minute: int = 480
    note: SomeText = None
    packages: Annotated[list[PlanPackageBody], Field(min_length=1, max_length=20)]


class MaintenancePlanItem(MaintenancePlanBody):
    """A plan. `settling`: a job lets its machines follow what was decided; `made`: so many are made ahead by now."""

    id: UUID
    state: str
    version: int
    machines: int
    made: int
    settling: str | None
    created_at: datetime
    changed_at: datetime
    legal: list[str]


class MaintenancePlanPage(BaseModel):
    """One page of plans."""

    items: list[MaintenancePlanItem]
    next: str | None = None


class MaintenancePlanReason(BaseModel):
    """Why."""

    reason: SomeText = None


class MaintenancePreviewBody(MaintenancePlanBody):
    """A plan that is only looked at, and for which machines of it (at most 20)."""

    until: date | None = None


class MaintenancePreviewTurn(BaseModel):
    """One date of a preview; without `asset_id`: of a machine that would begin today."""

    asset_id: UUID | None
    slot: str
    packages: list[str]
    covered: list[str]
    source: str
    due_at: datetime | None
    due_on: date | None
    earliest_at: datetime | None
    latest_at: datetime | None
    target: float | None
    left_out: bool


class MaintenancePreviewAnswer(BaseModel):
    """What would be planned; `machines`: how many of the shown ones the plan holds."""

    items: list[MaintenancePreviewTurn]
    machines: int


@router.get("/maintenance-plans", operation_id="list_maintenance_plans")
def list_maintenance_plans(
    here: Here,
    q: str | None = None,
    state: Literal["draft", "active", "paused", "ended"] | None = None,
    asset_id: UUID | None = None,
    asset_model_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> MaintenancePlanPage:
    """Plans, newest first."""
    here.require("maintenance_plan.read")
    query = select(MaintenancePlan).order_by(MaintenancePlan.id.desc()).limit(limit + 1)
    if q:
        names = (MaintenancePlan.name["en"].astext, MaintenancePlan.name["zh"].astext, MaintenancePlan.code)
        query = query.where(func.concat_ws(" ", *names).ilike(contains(q)))
    if state is not None:
        query = query.where(MaintenancePlan.state == state)
    if asset_model_id is not None:
        query = query.where(MaintenancePlan.asset_model_id == asset_model_id)
    if asset_id is not None:
        held = select(PlanAsset.plan_id).where(PlanAsset.asset_id == asset_id, PlanAsset.state != "ended")
        query = query.where(MaintenancePlan.id.in_(held))
    if after is not None:
        query = query.where(MaintenancePlan.id < read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return MaintenancePlanPage(items=_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/maintenance-plans", operation_id="create_maintenance_plan", status_code=201)
def create_maintenance_plan(body: MaintenancePlanBody, here: Here) -> MaintenancePlanItem:
    """Make a plan as a draft; nothing is planned before it is activated."""
    here.require("maintenance_plan.manage")
    owner = here.actor.organisation_id
    made = make_plan(
        here.session, owner, _values(body), _packages(body), here.now, asset_ids=body.asset_ids, by=here.actor
    )
    return _items(here, [made])[0]


@router.post("/maintenance-plans/preview", operation_id="preview_maintenance_plan")
def preview_maintenance_plan(body: MaintenancePreviewBody, here: Here) -> MaintenancePreviewAnswer:
    """The dates that a definition gives for some machines; nothing is stored."""
    here.require("maintenance_plan.read")
    plan = MaintenancePlan(organisation_id=here.actor.organisation_id, state="draft", **_values(body))
    with here.session.no_autoflush:
        check(here.session, plan, _packages(body))
        found, machines = preview(here.session, plan, _packages(body), body.asset_ids, here.now, body.until)
    return MaintenancePreviewAnswer(items=[MaintenancePreviewTurn(**each) for each in found], machines=machines)


@router.get("/maintenance-plans/{plan_id}", operation_id="get_maintenance_plan")
def get_maintenance_plan(plan_id: UUID, here: Here) -> MaintenancePlanItem:
    """One plan."""
    here.require("maintenance_plan.read")
    return _items(here, [seen(here, MaintenancePlan, plan_id, "maintenance_plan")])[0]


@router.put("/maintenance-plans/{plan_id}", operation_id="replace_maintenance_plan")
def replace_maintenance_plan(
    plan_id: UUID, body: MaintenancePlanBody, here: Here, if_match: IfMatch = None
) -> MaintenancePlanItem:
    """Replace what a plan says; what was done stays, the dates to come are made anew."""
    here.require("maintenance_plan.manage")
    plan = locked(here, MaintenancePlan, plan_id, "maintenance_plan", if_match)
    edit_plan(here.session, plan, _values(body), _packages(body), here.now, asset_ids=body.asset_ids, by=here.actor)
    return _items(here, [plan])[0]


@router.post("/maintenance-plans/{plan_id}/activate", operation_id="activate_maintenance_plan")
def activate_maintenance_plan(
    plan_id: UUID, body: MaintenancePlanReason, here: Here, if_match: IfMatch = None
) -> MaintenancePlanItem:
    """Begin, or go on after a pause; what fell due meanwhile is skipped."""
    return _moved(here, plan_id, "active", body, if_match)


@router.post("/maintenance-plans/{plan_id}/pause", operation_id="pause_maintenance_plan")
def pause_maintenance_plan(
    plan_id: UUID, body: MaintenancePlanReason, here: Here, if_match: IfMatch = None
) -> MaintenancePlanItem:
    """Release nothing for a while."""
    return _moved(here, plan_id, "paused", body, if_match)


@router.post("/maintenance-plans/{plan_id}/end", operation_id="end_maintenance_plan")
def end_maintenance_plan(
    plan_id: UUID, body: MaintenancePlanReason, here: Here, if_match: IfMatch = None
) -> MaintenancePlanItem:
    """End a plan: what is only planned is cancelled, orders that are out stay with people."""
    return _moved(here, plan_id, "ended", body, if_match)


class MaintenancePlanMachine(BaseModel):
    """A machine of a plan. `reason`: why it waits or has ended; `next_on`: its next planned day."""

    id: UUID
    asset_id: UUID
    asset_name: str
    serial: str
    site_id: UUID | None
    site_name: str | None
    chosen: bool
    state: str
    reason: str | None
    start_on: date | None
    made_until: datetime | None
    next_on: date | None


class MaintenancePlanMachinePage(BaseModel):
    """One page of a plan's machines."""

    items: list[MaintenancePlanMachine]
    next: str | None = None


@router.get("/maintenance-plans/{plan_id}/machines", operation_id="list_maintenance_plan_machines")
def list_maintenance_plan_machines(
    plan_id: UUID,
    here: Here,
    state: Literal["active", "waiting", "paused", "ended"] | None = None,
    limit: Limit = 100,
    after: After = None,
) -> MaintenancePlanMachinePage:
    """The machines that a plan holds, or held, each with its next day."""
    here.require("maintenance_plan.read")
    seen(here, MaintenancePlan, plan_id, "maintenance_plan")
    upcoming = (
        select(func.min(Occurrence.due_on))
        .where(Occurrence.plan_asset_id == PlanAsset.id, Occurrence.state == "planned")
        .scalar_subquery()
    )
    query = (
        select(PlanAsset, Asset, Site.name, upcoming)
        .join(Asset, Asset.id == PlanAsset.asset_id)
        .outerjoin(Site, Site.id == Asset.site_id)
        .where(PlanAsset.plan_id == plan_id)
        .order_by(PlanAsset.id)
    )
    if state is not None:
        query = query.where(PlanAsset.state == state)
    if after is not None:
        query = query.where(PlanAsset.id > read_cursor(after, UUID)[0])
    rows = here.session.execute(query.limit(limit + 1)).all()
    page = rows[:limit]
    items = [
        MaintenancePlanMachine(
            **{name: getattr(row, name)
               for name in ("id", "asset_id", "chosen", "state", "reason", "start_on", "made_until")},
            asset_name=asset.name, serial=asset.serial, site_id=asset.site_id, site_name=site, next_on=next_on,
        )
        for row, asset, site, next_on in page
    ]  # fmt: skip
    return MaintenancePlanMachinePage(items=items, next=cursor_of(page[-1][0].id) if len(rows) > limit else None)


def _moved(
    here: Context, plan_id: UUID, to: str, body: MaintenancePlanReason, if_match: str | None
) -> MaintenancePlanItem:
    here.require("maintenance_plan.manage")
    plan = locked(here, MaintenancePlan, plan_id, "maintenance_plan", if_match)
    move_plan(here.session, plan, to, here.now, by=here.actor, reason=body.reason)
    return _items(here, [plan])[0]


def _values(body: MaintenancePlanBody) -> dict[str, Any]:
    told = body.model_dump(include=set(COLUMNS))
    if any(len(each) > 200 for each in body.name.values()) or set(body.name) - {"en", "zh"}:
        raise Invalid("names are in en and zh, at most 200 characters", field="name")
    return told


def _packages(body: MaintenancePlanBody) -> list[Package]:
    return [Package(**each.model_dump()) for each in body.packages]


def _items(here: Context, rows: list[MaintenancePlan]) -> list[MaintenancePlanItem]:
    keys = [row.id for row in rows]
    packages: dict[UUID, list[PlanPackage]] = {}
    found = select(PlanPackage).where(PlanPackage.plan_id.in_(keys)).order_by(PlanPackage.position)
    for each in here.session.scalars(found):
        packages.setdefault(each.plan_id, []).append(each)
    live = PlanAsset.plan_id.in_(keys), PlanAsset.state != "ended"
    ahead = func.count().filter(PlanAsset.state == "active", ~PlanAsset.dirty)
    counted = select(PlanAsset.plan_id, func.count(), ahead).where(*live).group_by(PlanAsset.plan_id)
    machines = {key: (count, made) for key, count, made in here.session.execute(counted)}
    visible = select(PlanAsset.plan_id, PlanAsset.asset_id).join(Asset, Asset.id == PlanAsset.asset_id)
    chosen: dict[UUID, list[UUID]] = {}
    for key, asset_id in here.session.execute(visible.where(*live, PlanAsset.chosen).order_by(PlanAsset.id)):
        chosen.setdefault(key, []).append(asset_id)
    return [
        MaintenancePlanItem(
            **{name: getattr(row, name) for name in COLUMNS},
            asset_ids=chosen.get(row.id, []),
            packages=[PlanPackageBody(**{name: getattr(each, name) for name in PlanPackageBody.model_fields})
                      for each in packages.get(row.id, [])],
            id=row.id,
            state=row.state,
            version=row.version,
            machines=machines.get(row.id, (0, 0))[0],
            made=machines.get(row.id, (0, 0))[1],
            settling=row.settling,
            created_at=row.created_at,
            changed_at=row.changed_at,
            legal=list(LEGAL_MOVES.get(row.state, ())),
        )
        for row in rows
    ]  # fmt: skip
