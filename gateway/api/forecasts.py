"""Forecasts over HTTP: hours by skill and parts by week, what lies behind each cell, staffing gaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select, tuple_

from assets.stock.items import Part
from gateway.api.deps import Context, Here
from gateway.api.forecast_shapes import (
    DemandPast,
    DemandWeek,
    ForecastHours,
    ForecastPart,
    ForecastParts,
    ForecastPartWeek,
    ForecastRow,
    ForecastRows,
    GapItem,
    GapPage,
    method_of,
    skill_of,
)
from gateway.api.pages import After, Limit, cursor_of, day_of, read_cursor
from maintenance.forecasts.asking import Question, forecast
from maintenance.forecasts.demand import history
from maintenance.forecasts.parts import PartRow, part_forecast
from maintenance.forecasts.planned import Job, Where, jobs
from maintenance.forecasts.predictions import Predicted, load
from maintenance.forecasts.series import INTERVAL
from maintenance.forecasts.tables import StaffingGap
from maintenance.forecasts.weeks import MAX_WEEKS, WEEK, monday
from ticketing.people.tables import Team

router = APIRouter(prefix="/api/v1", tags=["forecasts"])

YEAR = 53
FORMULAS = {
    "planned": "sum of the open planned work with a day in the week: norms of its procedures, else its duration",
    "predicted": "sum over predicted jobs: P(fails in the week | not yet) * norm; variance p(1-p) * norm^2",
    "demand": "level * season of past unplanned orders, or the same week a year ago where that did better; less what "
    "predicted jobs foresee of it",
    "interval": "planned + gamma quantiles (10 %, 90 %) with the mean and the summed variance of predicted and demand",
    "missing": "hours that no matching of people to skills and levels can do, nobody counted twice",
    "mase": "mean |error| / mean |week - week a year before| of what was known at each origin",
    "wape": "sum |error| / sum of what came",
    "coverage": "share of weeks inside the interval",
}
Source = Literal["plans", "predictions"]
Week = Annotated[date, Query(description="any day of the week")]


def _asked(
    here: Here,
    since: Annotated[date | None, Query(alias="from", description="any day of the first week")] = None,
    weeks: Annotated[int, Query(ge=1, le=MAX_WEEKS)] = YEAR,
    site_id: UUID | None = None,
    region: Annotated[str | None, Query(max_length=200)] = None,
    team_id: UUID | None = None,
) -> Question:
    """Read what is asked; without a day from this week on, for a year."""
    here.require("forecast.read")
    asked = Question(since or here.now.date(), weeks, Where(site_id, region, team_id))
    asked.check(here.now.date())
    return asked


Asked = Annotated[Question, Depends(_asked)]


@router.get("/forecasts/hours", operation_id="get_forecast_hours")
def get_forecast_hours(here: Here, asked: Asked) -> ForecastHours:
    """Labour hours by skill and week from plans, predictions and unplanned work, against what people can work."""
    told = forecast(here.session, here.now, asked)
    return ForecastHours(
        weeks=told.weeks,
        skills=[skill_of(row, told.people) for row in told.rows],
        total=skill_of(told.total, told.people),
        formulas=FORMULAS,
        interval=INTERVAL,
        history_weeks=told.past.weeks,
        untimed_orders=told.past.untimed,
        predicted_jobs=len(told.predictions),
        predicted_share=round(told.past.predicted_share, 6),
        waiting=told.fresh.waiting,
    )


@router.get("/forecasts/parts", operation_id="list_forecast_parts")
def list_forecast_parts(
    here: Here, asked: Asked, limit: Annotated[int, Query(ge=1, le=100)] = 50, after: After = None
) -> ForecastParts:
    """Parts by week, those that are needed most first."""
    start = max(0, int(read_cursor(after, int)[0])) if after is not None else 0
    told = part_forecast(here.session, here.now, asked, start, limit)
    return ForecastParts(
        weeks=told.weeks,
        formulas={name: FORMULAS[name] for name in ("planned", "predicted", "demand", "interval")},
        interval=INTERVAL,
        waiting=told.fresh.waiting,
        items=[_part(here.session.get_one(Part, row.part_id), row) for row in told.rows],
        next=cursor_of(start + limit) if told.more else None,
    )


@router.get("/forecasts/rows", operation_id="list_forecast_rows")
def list_forecast_rows(
    here: Here,
    week: Week,
    source: Source = "plans",
    skill: Annotated[str | None, Query(max_length=100)] = None,
    part_id: UUID | None = None,
    site_id: UUID | None = None,
    region: Annotated[str | None, Query(max_length=200)] = None,
    team_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> ForecastRows:
    """The planned work, or the predicted jobs, that a cell is the sum of."""
    here.require("forecast.read")
    where = Where(site_id, region, team_id)
    Question(week, 1, where).check(here.now.date())
    rows = behind(here, monday(week), source, where, skill, part_id, after)
    page = [row for row, _ in zip(rows, range(limit + 1), strict=False)]
    last = page[limit - 1] if len(page) > limit else None
    return ForecastRows(items=page[:limit], next=cursor_of(last.due_on or monday(week), last.id) if last else None)


@router.get("/forecasts/history", operation_id="get_forecast_history")
def get_forecast_history(
    here: Here,
    skill: Annotated[str | None, Query(max_length=100)] = None,
    site_id: UUID | None = None,
    region: Annotated[str | None, Query(max_length=200)] = None,
) -> DemandPast:
    """Unplanned work of past whole weeks: what its forecast is made from."""
    here.require("forecast.read")
    past = history(here.session, here.now, Where(site_id, region), skill)
    items = []
    for place in range(past.weeks):
        assert past.first is not None
        minutes = sum(series[place] for series in past.hours.values())
        orders = sum(series[place] for series in past.orders.values())
        items.append(DemandWeek(week=past.first + WEEK * place, minutes=round(minutes, 3), orders=orders))
    return DemandPast(skill=skill or "", items=items)


@router.get("/forecasts/gaps", operation_id="list_staffing_gaps")
def list_staffing_gaps(here: Here, limit: Limit = 100, after: After = None) -> GapPage:
    """Weeks ahead in which those who can do it lack hours, and what the missing hours are made of."""
    here.require("forecast.read")
    query = (
        select(StaffingGap, Team.name)
        .outerjoin(Team, Team.id == StaffingGap.team_id)
        .where(StaffingGap.closed_at.is_(None), StaffingGap.week >= monday(here.now.date()))
        .order_by(StaffingGap.week, StaffingGap.id)
    )
    if after is not None:
        week, key = read_cursor(after, day_of, UUID)
        query = query.where(tuple_(StaffingGap.week, StaffingGap.id) > tuple_(week, key))
    rows = here.session.execute(query.limit(limit + 1)).all()
    names = GapItem.model_fields.keys() - {"team_name"}
    items = [GapItem(**{name: getattr(row, name) for name in names}, team_name=team) for row, team in rows[:limit]]
    return GapPage(items=items, next=cursor_of(items[-1].week, items[-1].id) if len(rows) > limit else None)


def behind(
    here: Context, week: date, source: Source, where: Where, skill: str | None, part_id: UUID | None, after: str | None
) -> Iterator[ForecastRow]:
    """Yield the rows behind a cell."""
    start: tuple[date, UUID] | None = None
    if after is not None:
        day, key = read_cursor(after, day_of, UUID)
        start = (day, key)
    if source == "plans":
        for job in jobs(here.session, week, week + WEEK, where, start):
            row = _planned_row(job, skill, part_id)
            if row is not None:
                yield row
        return
    if where.team_id is not None:
        return
    past = history(here.session, here.now, where)
    for one in load(here.session, here.now, [week], where, past.mean_minutes):
        if start is None or one.id > start[1]:
            told = _predicted_row(one, skill, part_id)
            if told is not None:
                yield told


def _planned_row(job: Job, skill: str | None, part_id: UUID | None) -> ForecastRow | None:
    labour = {key: spent for key, spent in job.need.labour.items() if skill is None or key[0] == skill}
    quantity = float(job.need.parts.get(part_id, 0)) if part_id is not None else 0.0
    if (part_id is not None and not quantity) or (part_id is None and not labour):
        return None
    row = job.row
    return ForecastRow(
        source="plans",
        id=row.id,
        due_on=row.due_on,
        state=row.state,
        asset_id=row.asset_id,
        asset_name=row.asset_name,
        site_id=row.site_id,
        plan_id=row.plan_id,
        plan_code=row.plan_code,
        plan_name=row.plan_name,
        work_order_id=row.work_order_id,
        chance=None,
        basis=None,
        minutes=sum(labour.values()),
        quantity=quantity,
        unknown=job.need.unknown,
    )


def _predicted_row(one: Predicted, skill: str | None, part_id: UUID | None) -> ForecastRow | None:
    labour = sum(spent for key, spent in one.labour.items() if skill is None or key[0] == skill)
    quantity = float(one.parts.get(part_id, 0)) if part_id is not None else 0.0
    if one.chances[0] <= 0 or (not quantity if part_id is not None else not labour):
        return None
    return ForecastRow(
        source="predictions",
        id=one.id,
        due_on=None,
        state="watching",
        asset_id=one.asset_id,
        asset_name=one.asset_name,
        site_id=one.site_id,
        plan_id=None,
        plan_code=None,
        plan_name=None,
        work_order_id=None,
        chance=round(one.chances[0], 6),
        basis=one.basis,
        minutes=round(one.chances[0] * labour, 3),
        quantity=round(one.chances[0] * quantity, 4),
        unknown=False,
    )


def _part(part: Part, row: PartRow) -> ForecastPart:
    return ForecastPart(
        part_id=part.id,
        number=part.number,
        name_en=part.name_en,
        name_zh=part.name_zh,
        unit=part.unit,
        method=method_of(0, row.outlook),
        cells=[
            ForecastPartWeek(
                planned=float(cell.planned),
                predicted=round(cell.predicted, 4),
                demand=round(cell.demand, 4),
                mean=round(cell.mean, 4),
                low=round(cell.low, 4),
                high=round(cell.high, 4),
            )
            for cell in row.cells
        ],
    )
