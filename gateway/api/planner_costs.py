"""What waiting costs over HTTP: every amount with its source, the formula and its inputs."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import func, or_, select

from assets.base.access import may
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import named_assets
from maintenance.clocks import asset_moment
from maintenance.desk.chances import DAY_S, Chance, Unknown
from maintenance.desk.costing import CostBook, Past, of_orders, past_of, risks_of
from maintenance.desk.knowing import life_chance
from maintenance.desk.loading import at_of
from maintenance.desk.waiting import (
    AMOUNTS,
    FAILURE_FORMULA,
    NOW_FORMULA,
    WAIT_FORMULA,
    Inputs,
    Waiting,
    gather,
    weigh,
)
from maintenance.models import Finding, PredictedJob
from maintenance.plans.tables import MaintenancePlan, Occurrence
from maintenance.predicted_jobs import get_predicted_job
from maintenance.remaining_lives import ESTIMATE, RemainingLife

router = APIRouter(prefix="/api/v1", tags=["planner"])

STEPS = (7.0, 14.0, 30.0, 60.0, 90.0)
AHEAD = timedelta(days=366)
MAX_DUE = 10
Days = Annotated[float, Query(gt=0, le=366, allow_inf_nan=False)]


class LifeItem(BaseModel):
    """What a model last said of a machine's remaining life; without an estimate why."""

    at: datetime
    state: str
    reason: str
    reason_params: dict[str, Any]
    life_days: float | None
    low_days: float | None
    high_days: float | None
    coverage: float | None
    risks: list[list[float]]
    model_id: str | None


class WaitingItem(BaseModel):
    """What waiting costs more than doing it now; without amounts the reason."""

    days: float
    p: float | None = None
    source: str | None = None
    now: float | None = None
    wait: float | None = None
    extra: float | None = None
    currency: str | None = None
    reason: str | None = None
    params: dict[str, Any] = {}


class DeskAmountItem(BaseModel):
    """One input: machine, model, procedure, all, feedback or the mean of `n` past orders told it."""

    name: str
    value: float
    source: str
    n: int | None


class ChanceItem(BaseModel):
    """The chance of failing within the wait, with its formula and inputs."""

    p: float
    low: float | None
    high: float | None
    source: str
    formula: str
    inputs: dict[str, Any]


class StandardItem(BaseModel):
    """A procedure that the order would get, with its standard cost."""

    id: UUID
    code: str
    total: float
    currency: str
    complete: bool


class WaitingAnswer(BaseModel):
    """Doing a job now against waiting, step by step; what is not known is said, never made up."""

    days: float
    life: LifeItem | None
    chance: ChanceItem | None
    reason: str | None
    params: dict[str, Any]
    currency: str | None
    amounts: list[DeskAmountItem]
    missing: list[str]
    left_out: list[str]
    other_currency: list[str]
    standards: list[StandardItem]
    now: float | None
    failure: float | None
    wait: float | None
    extra: float | None
    extra_low: float | None
    extra_high: float | None
    formulas: dict[str, str]
    steps: list[WaitingItem]


class DueItem(BaseModel):
    """Planned work of the machine that a job can be merged with, and what waiting until then costs."""

    id: UUID
    plan_code: str
    plan_name: dict[str, Any]
    packages: list[str]
    state: str
    due_on: date | None
    at: datetime | None
    earliest_at: datetime | None
    latest_at: datetime | None
    work_order_id: UUID | None
    saved: float | None
    waiting: WaitingItem


class DueItems(BaseModel):
    """Planned work, the next first."""

    items: list[DueItem]
    next: str | None = None


@router.get("/predicted-jobs/{job_id}/waiting", operation_id="get_cost_of_waiting")
def get_cost_of_waiting(job_id: UUID, here: Here, days: Days = 30) -> WaitingAnswer:
    """What it costs to wait so many days; costs are told to those who may read prices."""
    here.require("finding.read")
    session = here.session
    job = get_predicted_job(session, job_id)
    asset = named_assets(here, [job.asset_id])[job.asset_id]
    finding = session.get_one(Finding, job.finding_id)
    life = session.get(RemainingLife, job.asset_id)
    priced = may(here.actor, "price.read")
    book = CostBook(session)
    told = book.told(asset, job.key) if priced else []
    past: Past | Unknown | None = None
    moment = asset_moment(session, job.asset_id, here.now, replayed=finding.replayed)
    if isinstance(life_chance(life, days * DAY_S, moment), Unknown) or (priced and gather(told).missing):
        past = past_of(session, asset, here.now)
    if priced and past is not None and gather(told).missing:
        told += of_orders(session, past, gather(told).currency, here.now)
    inputs = gather(told)

    def chance_of(wait: float) -> Chance | Unknown:
        return risks_of(session, job, finding, past, wait * DAY_S, here.now)

    chance = chance_of(days)
    found = weigh(inputs, chance) if priced else Unknown("prices_not_yours")
    steps = [_item(step, inputs, chance_of(step), priced=priced) for step in STEPS]
    return _answer(days, life, chance, inputs, found, steps, book, asset, job, priced=priced)


@router.get("/predicted-jobs/{job_id}/due", operation_id="list_due_with_job")
def list_due_with_job(job_id: UUID, here: Here) -> DueItems:
    """Planned work of the machine within a year that the job can be merged with."""
    here.require("maintenance_plan.read")
    session = here.session
    job = get_predicted_job(session, job_id)
    asset = named_assets(here, [job.asset_id])[job.asset_id]
    at = func.coalesce(Occurrence.put_at, Occurrence.due_at)
    query = (
        select(Occurrence, MaintenancePlan)
        .join(MaintenancePlan, MaintenancePlan.id == Occurrence.plan_id)
        .where(
            Occurrence.asset_id == job.asset_id,
            or_(Occurrence.state == "released", Occurrence.state == "planned"),
            at < here.now + AHEAD,
        )
        .order_by(at, Occurrence.id)
        .limit(MAX_DUE)
    )
    finding = session.get_one(Finding, job.finding_id)
    priced = may(here.actor, "price.read")
    book = CostBook(session)
    inputs = gather(book.told(asset, job.key)) if priced else gather([])
    saved = book.visit_saved(asset, inputs.currency) if priced else None
    items = []
    for row, plan in session.execute(query):
        lies = at_of(row)
        wait = max((lies - here.now).total_seconds(), 0.0) if lies is not None else 0.0
        chance = risks_of(session, job, finding, None, wait, here.now)
        items.append(
            DueItem(
                id=row.id,
                plan_code=plan.code,
                plan_name=plan.name,
                packages=[str(each.get("code")) for each in row.packages],
                state=row.state,
                due_on=row.due_on,
                at=lies,
                earliest_at=row.earliest_at,
                latest_at=row.latest_at,
                work_order_id=row.work_order_id,
                saved=saved,
                waiting=_item(wait / DAY_S, inputs, chance, priced=priced, saved=saved or 0.0),
            )
        )
    return DueItems(items=items)


def short_waiting(
    here: Context,
    job: PredictedJob,
    finding: Finding,
    asset: Asset,
    life: RemainingLife | None,
    book: CostBook | None,
    days: float,
) -> WaitingItem:
    """Return what waiting costs by what is known at once: entries, standard costs and the machine's own model."""
    moment = asset_moment(here.session, job.asset_id, here.now, replayed=finding.replayed)
    chance = life_chance(life, days * DAY_S, moment)
    inputs = gather(book.told(asset, job.key)) if book is not None else gather([])
    return _item(days, inputs, chance, priced=book is not None)


def life_item(row: RemainingLife | None) -> LifeItem | None:
    """Return a remaining life as it is shown."""
    if row is None:
        return None
    known = row.state == ESTIMATE
    days = [None if value is None or not known else value / DAY_S for value in (row.life_s, row.low_s, row.high_s)]
    return LifeItem(
        at=row.at,
        state=row.state,
        reason=row.reason,
        reason_params=row.reason_params,
        life_days=days[0],
        low_days=days[1],
        high_days=days[2],
        coverage=row.coverage,
        risks=[[float(each[0]) / DAY_S, float(each[1])] for each in row.p_within],
        model_id=row.model_id,
    )


def _item(days: float, inputs: Inputs, chance: Chance | Unknown, *, priced: bool, saved: float = 0.0) -> WaitingItem:
    known = chance if isinstance(chance, Chance) else None
    told = WaitingItem(days=days, p=known.p if known else None, source=known.source if known else None)
    found = weigh(inputs, chance, saved) if priced else Unknown("prices_not_yours")
    if isinstance(found, Unknown):
        return told.model_copy(update={"reason": found.reason, "params": dict(found.params)})
    amounts = {"now": found.now, "wait": found.wait, "extra": found.extra, "currency": inputs.currency}
    return told.model_copy(update=amounts)


def _answer(
    days: float,
    life: RemainingLife | None,
    chance: Chance | Unknown,
    inputs: Inputs,
    found: Waiting | Unknown,
    steps: list[WaitingItem],
    book: CostBook,
    asset: Asset,
    job: PredictedJob,
    *,
    priced: bool,
) -> WaitingAnswer:
    weighed = found if isinstance(found, Waiting) else None
    unknown = found if isinstance(found, Unknown) else None
    standards = book.standards(asset, job.key) if priced else []
    known = chance if isinstance(chance, Chance) else None
    return WaitingAnswer(
        days=days,
        life=life_item(life),
        chance=ChanceItem(
            p=known.p,
            low=known.low,
            high=known.high,
            source=known.source,
            formula=known.formula,
            inputs=dict(known.inputs),
        )
        if known is not None
        else None,
        reason=unknown.reason if unknown else None,
        params=dict(unknown.params) if unknown else {},
        currency=inputs.currency,
        amounts=[
            DeskAmountItem(name=name, value=each.value, source=each.source, n=each.n)
            for name in AMOUNTS
            if (each := inputs.amounts.get(name)) is not None
        ],
        missing=list(inputs.missing) if priced else [],
        left_out=list(weighed.left_out) if weighed else [],
        other_currency=list(inputs.other_currency),
        standards=[
            StandardItem(
                id=each.procedure_id, code=each.code, total=each.total, currency=each.currency, complete=each.complete
            )
            for each in standards
        ],
        now=weighed.now if weighed else None,
        failure=weighed.failure if weighed else None,
        wait=weighed.wait if weighed else None,
        extra=weighed.extra if weighed else None,
        extra_low=weighed.extra_low if weighed else None,
        extra_high=weighed.extra_high if weighed else None,
        formulas={"now": NOW_FORMULA, "failure": FAILURE_FORMULA, "wait": WAIT_FORMULA},
        steps=steps,
    )
