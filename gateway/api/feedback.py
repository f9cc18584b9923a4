"""What an organisation expects of its alarms, each asset's budget, each site's cap, and similar past orders."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.errors import NotFound
from assets.registry import Asset, Site
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, told_version
from gateway.api.findings import AssetOfFinding, ReasonItem, WorkOrderOfEpisode
from gateway.api.work_order_rows import only_customer
from maintenance.caps import Worth, day_of, waiting
from maintenance.feedback_models import AlarmBudget
from maintenance.feedback_settings import (
    MAX_COSTS,
    Cost,
    Feedback,
    feedback_for,
    feedback_version,
    own_feedback,
    save_feedback,
)
from maintenance.models import Finding, PredictedJob
from maintenance.similar import MOST, SimilarOrder, similar_orders, similar_to_order
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["feedback"])

_COUNTS = ("orders", "right", "wrong", "unanswered", "dismissed", "held_back", "peers")

Money = Annotated[float, Field(ge=0, le=1e12)]


class CostItem(BaseModel):
    """What a failure (and a visit) costs for one asset, or for one asset model."""

    asset_model_id: UUID | None = None
    asset_id: UUID | None = None
    failure_cost: Money
    visit_cost: Money | None = None


class FeedbackSettingsBody(BaseModel):
    """How long a no lasts, how many false orders are acceptable, how many a day, and what costs."""

    suppress_days: int = Field(ge=1, le=366)
    dismiss_days: int = Field(ge=0, le=90)
    audit_share: float = Field(ge=0, le=1)
    budget_per_month: float = Field(ge=0.001, le=100)
    daily_cap: int = Field(ge=1, le=10_000)
    failure_cost: Money
    visit_cost: Money
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    costs: list[CostItem] = Field(default=[], max_length=MAX_COSTS)


class FeedbackSettingsItem(FeedbackSettingsBody):
    """The settings that hold here; `inherited` when they are those of an organisation above, or the defaults."""

    inherited: bool
    version: int = Field(description="of this organisation's own settings, 0 while it has none; for If-Match")


class AlarmBudgetItem(BaseModel):
    """How much stronger than usual an asset's evidence must be to open work, and from what that follows."""

    level_factor: float
    budget_per_month: float
    orders: int
    right: int
    wrong: int
    unanswered: int
    dismissed: int
    held_back: int
    asset_months: float
    own_rate: float | None
    expected_rate: float | None
    peers_rate: float | None
    peers: int
    computed_at: datetime | None
    reason: ReasonItem


class ExpectedItem(BaseModel):
    """right_share x failure_cost - visit_cost = avoided."""

    right_share: float
    failure_cost: float
    visit_cost: float
    avoided: float
    currency: str


class CappedItem(BaseModel):
    """What waits on the watch list because the site's day is full."""

    predicted_job_id: UUID | None
    finding_id: UUID
    asset: AssetOfFinding
    expected: ExpectedItem
    rank: int


class DailyCapItem(BaseModel):
    """A site's day by its own clock."""

    site_id: UUID
    cap: int
    opened_today: int
    left: int
    resets_at: datetime
    time_zone: str
    waiting: list[CappedItem]


class SimilarItem(BaseModel):
    """A past order whose evidence looked like this, and what was found then."""

    work_order: WorkOrderOfEpisode
    asset: AssetOfFinding
    same_asset: bool
    opened_at: datetime
    closed_at: datetime | None
    outcome: str | None
    repair_code: str | None
    note: str | None
    similarity: float
    shared: list[str]


class SimilarItems(BaseModel):
    """Most alike first."""

    items: list[SimilarItem]


MaxItems = Annotated[int, Query(ge=1, le=MOST)]


@router.get("/feedback-settings", operation_id="get_feedback_settings")
def get_feedback_settings(here: Here) -> FeedbackSettingsItem:
    """Return what holds for this organisation."""
    here.require("finding.read")
    own = own_feedback(here.session, here.actor.organisation_id)
    version = feedback_version(here.session, here.actor.organisation_id)
    return _settings(own or feedback_for(here.session, here.actor.organisation_id), version)


@router.put("/feedback-settings", operation_id="put_feedback_settings")
def put_feedback_settings(body: FeedbackSettingsBody, here: Here, if_match: IfMatch = None) -> FeedbackSettingsItem:
    """Set them for this organisation and those below it that have none of their own.

    412 when they are no longer at the version in If-Match; 0 says that there were none.
    """
    here.require("policy.manage")
    plain = body.model_dump(exclude={"costs"})
    costs = tuple(
        Cost(
            failure_cost=cost.failure_cost,
            visit_cost=cost.visit_cost,
            asset_model_id=str(cost.asset_model_id) if cost.asset_model_id else None,
            asset_id=str(cost.asset_id) if cost.asset_id else None,
        )
        for cost in body.costs
    )
    wished = Feedback(**plain, costs=costs)
    version = save_feedback(here.session, here.actor.organisation_id, wished, told_version(if_match))
    return _settings(wished, version)


@router.get("/assets/{asset_id}/alarm-budget", operation_id="get_alarm_budget")
def get_alarm_budget(asset_id: UUID, here: Here) -> AlarmBudgetItem:
    """Return how patient the asset's models are with it, and why."""
    here.require("finding.read")
    asset = here.session.get(Asset, asset_id)
    if asset is None:
        raise NotFound("no such asset", kind="asset")
    budget = here.session.get(AlarmBudget, asset_id)
    facts: dict[str, Any] = dict(budget.facts) if budget else {}
    reason = facts.get("reason") or {"code": "budget.no_history", "params": {}}
    per_month = feedback_for(here.session, asset.organisation_id).budget_per_month
    counts: dict[str, Any] = {name: facts.get(name, 0) for name in _COUNTS}
    rates: dict[str, Any] = {name: facts.get(name) for name in ("own_rate", "expected_rate", "peers_rate")}
    return AlarmBudgetItem(
        level_factor=budget.level_factor if budget else 1.0,
        budget_per_month=facts.get("budget_per_month", per_month),
        **counts,
        asset_months=facts.get("months", 0.0),
        **rates,
        computed_at=budget.computed_at if budget else None,
        reason=ReasonItem(**reason),
    )


@router.get("/sites/{site_id}/daily-cap", operation_id="get_daily_cap")
def get_daily_cap(site_id: UUID, here: Here) -> DailyCapItem:
    """Return how many predicted orders the site may still get today, and what waits for a place."""
    here.require("finding.read")
    site = here.session.get(Site, site_id)
    if site is None:
        raise NotFound("no such site", kind="site")
    settings = feedback_for(here.session, site.organisation_id)
    day = day_of(here.session, site_id, settings, here.now)
    capped = waiting(here.session, site_id, settings, here.now)
    jobs = _watching(here, [one.finding_id for one, _ in capped])
    found = here.session.scalars(select(Asset).where(Asset.id.in_([one.asset_id for one, _ in capped])))
    assets = {asset.id: AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial) for asset in found}
    return DailyCapItem(
        site_id=site_id,
        cap=day.cap,
        opened_today=day.opened,
        left=day.left,
        resets_at=day.ends_at,
        time_zone=day.time_zone,
        waiting=[
            CappedItem(
                predicted_job_id=jobs.get(one.finding_id),
                finding_id=one.finding_id,
                asset=assets[one.asset_id],
                expected=_expected(worth),
                rank=rank,
            )
            for rank, (one, worth) in enumerate(capped, 1)
        ],
    )


@router.get("/findings/{finding_id}/similar", operation_id="list_similar_to_finding")
def list_similar_to_finding(finding_id: UUID, here: Here, limit: MaxItems = 5) -> SimilarItems:
    """List past orders whose evidence looked like this finding, and what was found then."""
    here.require("finding.read")
    finding = here.session.get(Finding, finding_id)
    if finding is None:
        raise NotFound("no such finding", kind="finding")
    return SimilarItems(items=[_similar(here, one) for one in similar_orders(here.session, finding, limit=limit)])


@router.get("/work-orders/{work_order_id}/similar", operation_id="list_similar_to_work_order")
def list_similar_to_order(work_order_id: UUID, here: Here, limit: MaxItems = 5) -> SimilarItems:
    """List past orders whose evidence looked like this order's, and what was found then."""
    here.require("work_order.read")
    order = get_work_order(here.session, work_order_id)
    return SimilarItems(items=[_similar(here, one) for one in similar_to_order(here.session, order, limit=limit)])


def _settings(feedback: Feedback, version: int) -> FeedbackSettingsItem:
    costs = [CostItem.model_validate(cost, from_attributes=True) for cost in feedback.costs]
    names = set(FeedbackSettingsBody.model_fields) - {"costs"}
    shown = {name: getattr(feedback, name) for name in names}
    return FeedbackSettingsItem(**shown, costs=costs, inherited=version == 0, version=version)


def _watching(here: Context, findings: list[UUID]) -> dict[UUID, UUID]:
    jobs = select(PredictedJob.finding_id, PredictedJob.id).where(
        PredictedJob.finding_id.in_(findings), PredictedJob.state == "watching"
    )
    return {finding_id: job_id for finding_id, job_id in here.session.execute(jobs)}


def _expected(worth: Worth) -> ExpectedItem:
    return ExpectedItem(
        right_share=worth.right_share,
        failure_cost=worth.failure_cost,
        visit_cost=worth.visit_cost,
        avoided=worth.avoided,
        currency=worth.currency,
    )


def _similar(here: Context, one: SimilarOrder) -> SimilarItem:
    order, customer = one.order, only_customer(here)
    return SimilarItem(
        work_order=WorkOrderOfEpisode(id=order.id, number=order.number, state=order.state),
        asset=AssetOfFinding(id=one.asset.id, name=one.asset.name, serial=one.asset.serial),
        same_asset=one.same_asset,
        opened_at=order.opened_at,
        closed_at=order.closed_at or order.work_done_at,
        outcome=order.outcome,
        repair_code=None if customer else order.repair_code,
        note=None if customer else order.outcome_note,
        similarity=one.similarity,
        shared=list(one.shared),
    )
