"""How good the models are: figures per model and month, and the orders and verdicts behind each figure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from assets.base.errors import Invalid
from assets.people import Person
from assets.registry import Asset, AssetModel
from gateway.api.deps import Here
from gateway.api.edits import named_assets
from gateway.api.findings import AssetOfFinding, WorkOrderOfEpisode
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.work_order_rows import PersonOfWork
from gateway.api.work_orders import id_of_cursor
from maintenance.feedback_models import PlannerVerdict
from maintenance.models import Finding, PredictedJob
from ml.performance import HORIZON, MIN_LEAD, Failure, Job
from ml.performance_figures import OVERALL, Figures, Model, Performance, measure, month_of
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["models"])

# Figure -> how it is made; the pages' own texts begin with the same words.
FORMULAS = {
    "precision": "performance.formula.precision",
    "share_preempted": "performance.formula.share_preempted",
    "median_lead_s": "performance.formula.median_lead_s",
    "false_per_asset_month": "performance.formula.false_per_asset_month",
    "asset_months": "performance.formula.asset_months",
}
FATES = ("preempted", "late", "missed")

Months = Annotated[int, Query(ge=1, le=24)]
Month = Annotated[str | None, Query(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
Figure = Literal[
    "orders", "answered", "right", "wrong", "unanswered", "neutral", "failures", "preempted", "late", "missed"
]


class FiguresItem(BaseModel):
    """Counts of rows that can be listed, and what is made of them."""

    orders: int
    answered: int
    right: int
    wrong: int
    unanswered: int
    neutral: int
    precision: float | None = Field(description="right / (right + wrong)")
    failures: int
    preempted: int
    late: int
    missed: int
    share_preempted: float | None = Field(description="preempted / failures")
    median_lead_s: float | None
    p10_lead_s: float | None
    asset_months: float = Field(description="days with readings / 30")
    false_per_asset_month: float | None = Field(description="wrong / asset_months")
    accepted: int
    dismissed: int
    suppressed: int
    audited: int
    audited_right: int


class MonthItem(FiguresItem):
    """One month's figures, UTC."""

    month: str


class AssetModelOfModel(BaseModel):
    """The type of machine that a model watches."""

    id: UUID
    code: str
    name_en: str
    name_zh: str


class ModelItem(BaseModel):
    """A model: a detector on a type of machine; `all` is every machine order."""

    model: str
    detector: str | None
    asset_model: AssetModelOfModel | None
    model_ids: list[str]
    figures: FiguresItem
    months: list[MonthItem]


class PerformancePage(BaseModel):
    """All models, and how the figures are made."""

    since: datetime = Field(serialization_alias="from")
    until: datetime
    horizon_s: float
    min_lead_s: float
    formulas: dict[str, str]
    overall: ModelItem
    items: list[ModelItem]


class OrderOfModel(WorkOrderOfEpisode):
    """A work order and why it was opened."""

    origin: str


class OrderRef(BaseModel):
    """A work order by name."""

    id: UUID
    number: str


class JudgedOrder(BaseModel):
    """One row behind a figure: an order, or a failure with the order that tells of it."""

    work_order: OrderOfModel
    asset: AssetOfFinding
    opened_at: datetime
    failed_at: datetime | None
    lead_s: float | None
    outcome: str | None
    repair_code: str | None
    verdict: str
    failure: str | None
    detector: str | None
    model_id: str | None
    caught_by: OrderRef | None


class JudgedOrders(BaseModel):
    """A page of rows behind a figure."""

    items: list[JudgedOrder]
    next: str | None = None


class VerdictItem(BaseModel):
    """What a planner said about a proposed job."""

    predicted_job_id: UUID
    finding_id: UUID
    asset: AssetOfFinding
    verdict: str
    reason: str | None
    at: datetime
    by: PersonOfWork | None
    work_order: WorkOrderOfEpisode | None


class Verdicts(BaseModel):
    """A page of verdicts."""

    items: list[VerdictItem]
    next: str | None = None


@router.get("/model-performance", operation_id="get_model_performance")
def get_model_performance(
    here: Here, months: Months = 12, asset_model_id: UUID | None = None, replayed: bool = False
) -> PerformancePage:
    """Return each model's figures, in all and by month, and those of all machine orders together."""
    here.require("finding.read")
    measured = measure(
        here.session, _since(here.now, months), here.now, replayed=replayed, asset_model_id=asset_model_id
    )
    models = measured.models(asset_model_id)
    wanted = {model.asset_model_id for model in models if model.asset_model_id}
    types = {one.id: one for one in here.session.scalars(select(AssetModel).where(AssetModel.id.in_(wanted)))}
    return PerformancePage(
        since=measured.since,
        until=measured.until,
        horizon_s=HORIZON.total_seconds(),
        min_lead_s=MIN_LEAD.total_seconds(),
        formulas=FORMULAS,
        overall=_model(measured.overall(), types),
        items=[_model(model, types) for model in models],
    )


@router.get("/model-performance/work-orders", operation_id="list_judged_work_orders")
def list_judged_orders(
    here: Here,
    figure: Figure,
    model: str = OVERALL,
    month: Month = None,
    months: Months = 12,
    replayed: bool = False,
    limit: Limit = 100,
    after: After = None,
) -> JudgedOrders:
    """List the rows behind a figure, newest first; ask for the same `months` as the figure."""
    here.require("finding.read")
    measured = measure(here.session, _since(here.now, months), here.now, replayed=replayed)
    rows = _rows(measured, model, figure)
    rows = [row for row in rows if month in (None, month_of(row[0]))]
    rows.sort(key=lambda row: (row[0], row[1].id), reverse=True)
    if after is not None:
        at, key = read_cursor(after, aware, UUID)
        rows = [row for row in rows if (row[0], row[1].id) < (at, key)]
    page = rows[:limit]
    # Of an asset that has another owner since, the order stays and its name does not.
    assets = named_assets(here, {job.asset_id for _, job, _, _ in page})
    items = [_judged(assets[job.asset_id], job, failure, fate) for _, job, failure, fate in page]
    more = cursor_of(page[-1][0].isoformat(), page[-1][1].id) if len(rows) > limit else None
    return JudgedOrders(items=items, next=more)


@router.get("/model-performance/verdicts", operation_id="list_planner_verdicts")
def list_verdicts(
    here: Here,
    model: str = OVERALL,
    month: Month = None,
    verdict: Literal["accept", "dismiss"] | None = None,
    replayed: bool = False,
    limit: Limit = 100,
    after: After = None,
) -> Verdicts:
    """List what planners said about proposed jobs, newest first."""
    here.require("finding.read")
    query = (
        select(PlannerVerdict, Asset, WorkOrder, Person)
        .join(Asset, Asset.id == PlannerVerdict.asset_id)
        .join(Finding, Finding.id == PlannerVerdict.finding_id)
        .join(PredictedJob, PredictedJob.id == PlannerVerdict.predicted_job_id)
        .outerjoin(WorkOrder, WorkOrder.id == PredictedJob.work_order_id)
        .outerjoin(Person, Person.id == PlannerVerdict.by_id)
        .where(Finding.replayed == replayed)
        .order_by(PlannerVerdict.id.desc())
        .limit(limit + 1)
    )
    query = query.where(*of_model(model, PlannerVerdict.detector), *in_month(month, PlannerVerdict.at))
    if verdict is not None:
        query = query.where(PlannerVerdict.verdict == verdict)
    if after is not None:
        query = query.where(PlannerVerdict.id < id_of_cursor(after))
    found = here.session.execute(query).all()
    page = found[:limit]
    return Verdicts(
        items=[_verdict(said, asset, order, person) for said, asset, order, person in page],
        next=cursor_of(page[-1][0].id) if len(found) > limit else None,
    )


def _since(now: datetime, months: int) -> datetime:
    """Return the first moment of the month that lies so many months back, the present one being the first."""
    month = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 - (months - 1)
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """Return the first moment of a month and of the next. Raises Invalid."""
    year, number = int(month[:4]), int(month[5:])
    if not 1970 <= year <= 9998:
        raise Invalid("month is like 2026-11", field="month")
    ends = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return datetime(year, number, 1, tzinfo=UTC), ends


def parts_of_model(model: str) -> tuple[str | None, UUID | None]:
    """Read a model's name. Raises Invalid."""
    detector, colon, asset_model = model.rpartition(":")
    if model == OVERALL:
        return None, None
    try:
        if not colon:
            raise ValueError
        return detector, None if asset_model == "none" else UUID(asset_model)
    except ValueError:
        raise Invalid("a model is named detector:asset model", field="model") from None


def of_model(model: str, told_by: InstrumentedAttribute[str]) -> list[ColumnElement[bool]]:
    """Which rows joined with their finding and asset are a model's; `told_by` names the detector. Raises Invalid."""
    detector, asset_model = parts_of_model(model)
    if model == OVERALL:
        return [Finding.kind == "machine"]
    return [told_by == detector, Asset.asset_model_id.is_not_distinct_from(asset_model)]


def in_month(month: str | None, at: InstrumentedAttribute[datetime]) -> list[ColumnElement[bool]]:
    """Which rows fall into a month; all when none is named. Raises Invalid."""
    if month is None:
        return []
    starts, ends = month_bounds(month)
    return [at >= starts, at < ends]


# When it counts, the order shown, the failure it tells of, and the model's part in that.
_Row = tuple[datetime, Job, Failure | None, str | None]


def _rows(measured: Performance, model: str, figure: str) -> list[_Row]:
    detector, asset_model = parts_of_model(model)
    if figure in ("failures", *FATES):
        told = measured.failures_of(model, asset_model, detector)
        return [(one.at, one.job, one, fate) for one, fate in told if figure in ("failures", fate)]
    fates = {one.by.id: one for one in measured.failures if one.by is not None}
    fits = {"orders": None, "answered": ("right", "wrong")}.get(figure, (figure,))
    return [
        (job.opened_at, job, failure, failure.fate if failure else None)
        for job in measured.orders_of(model)
        if fits is None or job.verdict in fits
        for failure in (fates.get(job.id),)
    ]


def _judged(asset: Asset, job: Job, failure: Failure | None, fate: str | None) -> JudgedOrder:
    by = failure.by if failure else None
    teller = by or job
    return JudgedOrder(
        work_order=OrderOfModel(id=job.id, number=job.number, state=job.state, origin=job.origin),
        asset=AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial),
        opened_at=job.opened_at,
        failed_at=failure.failed_at if failure else None,
        lead_s=failure.lead_s if failure else None,
        outcome=job.outcome,
        repair_code=job.repair_code,
        verdict=job.verdict,
        failure=fate,
        detector=teller.detector,
        model_id=teller.model_id,
        caught_by=OrderRef(id=by.id, number=by.number) if by else None,
    )


def _verdict(said: PlannerVerdict, asset: Asset, order: WorkOrder | None, person: Person | None) -> VerdictItem:
    return VerdictItem(
        predicted_job_id=said.predicted_job_id,
        finding_id=said.finding_id,
        asset=AssetOfFinding(id=asset.id, name=asset.name, serial=asset.serial),
        verdict=said.verdict,
        reason=said.reason,
        at=said.at,
        by=PersonOfWork(id=person.id, name=person.name) if person else None,
        work_order=WorkOrderOfEpisode(id=order.id, number=order.number, state=order.state) if order else None,
    )


def _model(model: Model, types: dict[UUID, AssetModel]) -> ModelItem:
    of = types.get(model.asset_model_id) if model.asset_model_id else None
    return ModelItem(
        model=model.key,
        detector=model.detector,
        asset_model=AssetModelOfModel(id=of.id, code=of.code, name_en=of.name_en, name_zh=of.name_zh) if of else None,
        model_ids=list(model.model_ids),
        figures=FiguresItem(**_fields(model.figures)),
        months=[MonthItem(month=month, **_fields(figures)) for month, figures in model.months.items()],
    )


def _fields(figures: Figures) -> dict[str, Any]:
    return {name: getattr(figures, name) for name in FiguresItem.model_fields}
