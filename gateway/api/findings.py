"""Findings and predicted jobs over HTTP; the planner accepts or dismisses the latter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.registry import Asset, AssetModel
from gateway.api.deps import Context, Here
from gateway.api.edits import named_assets
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_order_rows import NoticedContribution, WorkOrderDetail, detail_of
from gateway.api.work_orders import id_of_cursor
from maintenance.desk.deciding import accept, dismiss
from maintenance.models import Finding, PredictedJob
from maintenance.noticed import contribution_in_words
from maintenance.predicted_jobs import MAX_REASON, get_predicted_job
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["findings"])


class AssetOfFinding(BaseModel):
    """The asset that was noticed."""

    id: UUID
    name: str
    serial: str


class DecisionItem(BaseModel):
    """What was decided about a finding and why."""

    action: str
    reason: str
    params: dict[str, Any]


class FindingItem(BaseModel):
    """What a detector noticed, with each sensor's share."""

    id: UUID
    asset: AssetOfFinding
    detector: str
    layer: str
    signature: str
    kind: str
    first_at: datetime
    last_at: datetime
    cleared_at: datetime | None
    score: float
    peak: float
    confidence: float
    limit_open: float
    limit_clear: float
    contributions: list[NoticedContribution]
    regime: str
    model_id: str
    severity: str
    learning: bool
    replayed: bool
    decision: DecisionItem | None


class Findings(BaseModel):
    """A page of findings."""

    items: list[FindingItem]
    next: str | None = None


class WorkOrderOfEpisode(BaseModel):
    """The work that an episode led to."""

    id: UUID
    number: str
    state: str


class ReasonItem(BaseModel):
    """A reason as code and parameters."""

    code: str
    params: dict[str, Any]


class PredictedJobItem(BaseModel):
    """A job that the models propose, with its evidence."""

    id: UUID
    asset: AssetOfFinding
    state: str
    reason: ReasonItem
    severity: str
    score: float
    confidence: float
    first_at: datetime
    last_at: datetime
    finding: FindingItem
    episode_id: UUID | None
    work_order: WorkOrderOfEpisode | None
    dismiss_reason: str | None
    replayed: bool
    demo: bool


class PredictedJobs(BaseModel):
    """A page of predicted jobs."""

    items: list[PredictedJobItem]
    next: str | None = None


class Dismissal(BaseModel):
    """Why not."""

    reason: str = Field(min_length=1, max_length=MAX_REASON)


OpenOnly = Annotated[bool | None, Query(alias="open")]


@router.get("/findings", operation_id="list_findings")
def list_findings(
    here: Here,
    asset_id: UUID | None = None,
    is_open: OpenOnly = None,
    decision: Annotated[str | None, Query(max_length=20)] = None,
    limit: Limit = 100,
    after: After = None,
) -> Findings:
    """List findings, newest first; `open=true` only lasting evidence, `decision=suppress` what is held back."""
    here.require("finding.read")
    query = select(Finding).order_by(Finding.id.desc()).limit(limit + 1)
    if asset_id is not None:
        query = query.where(Finding.asset_id == asset_id)
    if is_open is not None:
        query = query.where(Finding.cleared_at.is_(None) if is_open else Finding.cleared_at.is_not(None))
    if decision is not None:
        query = query.where(Finding.decision == decision)
    if after is not None:
        query = query.where(Finding.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    assets, models = _assets(here, {row.asset_id for row in page})
    return Findings(
        items=[_finding(row, assets[row.asset_id], models) for row in page],
        next=cursor_of(page[-1].id) if len(found) > limit else None,
    )


@router.get("/predicted-jobs", operation_id="list_predicted_jobs")
def list_predicted_jobs(
    here: Here, state: str | None = None, asset_id: UUID | None = None, limit: Limit = 100, after: After = None
) -> PredictedJobs:
    """List predicted jobs, newest first."""
    here.require("finding.read")
    query = select(PredictedJob).order_by(PredictedJob.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(PredictedJob.state == state)
    if asset_id is not None:
        query = query.where(PredictedJob.asset_id == asset_id)
    if after is not None:
        query = query.where(PredictedJob.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return PredictedJobs(items=job_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/predicted-jobs/{job_id}/accept", operation_id="accept_predicted_job")
def accept_predicted_job(job_id: UUID, here: Here) -> WorkOrderDetail:
    """Open the work order of a watched job now."""
    here.require("predicted_job.decide")
    decided = accept(here.session, get_predicted_job(here.session, job_id), here.now, here.actor)
    assert decided.order is not None
    return detail_of(here, decided.order)


@router.post("/predicted-jobs/{job_id}/dismiss", operation_id="dismiss_predicted_job")
def dismiss_predicted_job(job_id: UUID, body: Dismissal, here: Here) -> PredictedJobItem:
    """Take a job from the watch list with a reason."""
    here.require("predicted_job.decide")
    job = get_predicted_job(here.session, job_id)
    dismiss(here.session, job, body.reason, here.now, here.actor)
    return job_items(here, [job])[0]


def _assets(here: Context, ids: Iterable[UUID]) -> tuple[dict[UUID, Asset], dict[UUID, AssetModel]]:
    assets = named_assets(here, ids)
    wanted = {asset.asset_model_id for asset in assets.values() if asset.asset_model_id}
    models = here.session.scalars(select(AssetModel).where(AssetModel.id.in_(wanted))) if wanted else ()
    return assets, {model.id: model for model in models}


def _asset(asset: Asset) -> AssetOfFinding:
    return AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial)


def _order(order: WorkOrder | None) -> WorkOrderOfEpisode | None:
    return WorkOrderOfEpisode(id=order.id, number=order.number, state=order.state) if order else None


def _finding(row: Finding, asset: Asset, models: dict[UUID, AssetModel]) -> FindingItem:
    model = models.get(asset.asset_model_id) if asset.asset_model_id else None
    return FindingItem(
        id=row.id,
        asset=_asset(asset),
        detector=row.detector,
        layer=row.layer,
        signature=row.signature,
        kind=row.kind,
        first_at=row.first_at,
        last_at=row.last_at,
        cleared_at=row.cleared_at,
        score=row.score,
        peak=row.peak,
        confidence=row.confidence,
        limit_open=row.limit_open,
        limit_clear=row.limit_clear,
        contributions=[NoticedContribution(**contribution_in_words(share, model)) for share in row.contributions],
        regime=row.regime,
        model_id=row.model_id,
        severity=row.severity,
        learning=row.learning,
        replayed=row.replayed,
        decision=DecisionItem(action=row.decision, reason=row.decision_reason or "", params=row.decision_params or {})
        if row.decision
        else None,
    )


def job_items(here: Context, jobs: list[PredictedJob]) -> list[PredictedJobItem]:
    session = here.session
    assets, models = _assets(here, {job.asset_id for job in jobs})
    found = session.scalars(select(Finding).where(Finding.id.in_({job.finding_id for job in jobs})))
    findings = {row.id: row for row in found}
    wanted = {job.work_order_id for job in jobs if job.work_order_id}
    orders = {o.id: o for o in session.scalars(select(WorkOrder).where(WorkOrder.id.in_(wanted)))}
    return [
        _job(
            job,
            _finding(findings[job.finding_id], assets[job.asset_id], models),
            assets[job.asset_id].demo,
            orders.get(job.work_order_id) if job.work_order_id else None,
        )
        for job in jobs
    ]


def _job(job: PredictedJob, finding: FindingItem, demo: bool, order: WorkOrder | None) -> PredictedJobItem:
    return PredictedJobItem(
        id=job.id,
        asset=finding.asset,
        state=job.state,
        reason=ReasonItem(code=job.reason_code, params=job.reason_params),
        severity=finding.severity,
        score=finding.score,
        confidence=finding.confidence,
        first_at=finding.first_at,
        last_at=finding.last_at,
        finding=finding,
        episode_id=job.episode_id,
        work_order=_order(order),
        dismiss_reason=job.dismiss_reason,
        replayed=finding.replayed,
        demo=demo,
    )
