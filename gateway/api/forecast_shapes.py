"""Shapes of forecasts in answers. Times are minutes; planned ones are exactly the sum of their rows."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from maintenance.forecasts.asking import Cell, SkillRow
from maintenance.forecasts.series import Figures, Outlook


class ForecastCell(BaseModel):
    """A week: what is planned, what predicted jobs and unplanned work are expected to take, who could do it.

    `low` and `high` hold four weeks of five; `missing` is what nobody can do of what is expected, `missing_high` of
    the upper bound, when nobody works twice.
    """

    planned: int
    jobs: int
    predicted: float
    demand: float
    mean: float
    low: float
    high: float
    capacity: int | None
    missing: int | None
    missing_high: int | None


class BackTestFigures(BaseModel):
    """How a method did on the past; MASE below 1 is better than the year before."""

    mae: float
    wape: float | None
    mase: float | None
    coverage: float


class ForecastMethod(BaseModel):
    """How the unplanned part was forecast: seasonal, naive (as a year ago) or none, and how both did on the past."""

    level: int
    method: str
    proven: bool
    reason: str | None
    weeks: int
    origins: int
    n: int
    model: BackTestFigures | None
    naive: BackTestFigures | None


class ForecastSkill(BaseModel):
    """One skill over the weeks. `overdue`: open planned work of weeks before this one; `unknown`: without a time."""

    skill: str
    overdue: int
    overdue_jobs: int
    unknown: int
    methods: list[ForecastMethod]
    cells: list[ForecastCell]


class ForecastHours(BaseModel):
    """Hours by skill and week. `waiting`: weeks whose sums a job is about to bring up to date."""

    weeks: list[date]
    skills: list[ForecastSkill]
    total: ForecastSkill
    formulas: dict[str, str]
    interval: float
    history_weeks: int
    untimed_orders: int
    predicted_jobs: int
    predicted_share: float
    waiting: int


class ForecastPartWeek(BaseModel):
    """Quantities of a week."""

    planned: float
    predicted: float
    demand: float
    mean: float
    low: float
    high: float


class ForecastPart(BaseModel):
    """One item over the weeks."""

    part_id: UUID
    number: str
    name_en: str
    name_zh: str
    unit: str
    method: ForecastMethod
    cells: list[ForecastPartWeek]


class ForecastParts(BaseModel):
    """Items by week, those that are needed most first."""

    weeks: list[date]
    formulas: dict[str, str]
    interval: float
    waiting: int
    items: list[ForecastPart]
    next: str | None = None


class ForecastRow(BaseModel):
    """What lies behind a cell: one piece of planned work (`plan`), or one predicted job (`chance`)."""

    source: str
    id: UUID
    due_on: date | None
    state: str
    asset_id: UUID
    asset_name: str
    site_id: UUID | None
    plan_id: UUID | None
    plan_code: str | None
    plan_name: dict[str, Any] | None
    work_order_id: UUID | None
    chance: float | None
    basis: str | None
    minutes: float
    quantity: float
    unknown: bool


class ForecastRows(BaseModel):
    """Rows behind a cell, by day; `minutes` and `quantity` of all of them add up to it."""

    items: list[ForecastRow]
    next: str | None = None


class DemandWeek(BaseModel):
    """Unplanned work of a past week."""

    week: date
    minutes: float
    orders: int


class DemandPast(BaseModel):
    """The history that the unplanned part is forecast from."""

    skill: str
    items: list[DemandWeek]


class GapItem(BaseModel):
    """A week in which those who can do it lack hours; minutes, and what they are made of."""

    id: UUID
    week: date
    skill: str
    level: int
    team_id: UUID | None
    team_name: str | None
    needed_minutes: int
    needed_high_minutes: int
    capacity_minutes: int
    missing_minutes: int
    missing_high_minutes: int
    made_of: dict[str, int]
    opened_at: datetime
    changed_at: datetime


class GapPage(BaseModel):
    """Open staffing gaps, the nearest week first."""

    items: list[GapItem]
    next: str | None = None


def cell_of(cell: Cell, people: bool) -> ForecastCell:
    """Return a cell as it is shown."""
    return ForecastCell(
        planned=cell.planned,
        jobs=cell.jobs,
        predicted=round(cell.predicted, 3),
        demand=round(cell.demand, 3),
        mean=round(cell.mean, 3),
        low=round(cell.low, 3),
        high=round(cell.high, 3),
        capacity=cell.capacity if people else None,
        missing=cell.missing if people else None,
        missing_high=cell.missing_high if people else None,
    )


def skill_of(row: SkillRow, people: bool) -> ForecastSkill:
    """Return a skill as it is shown."""
    return ForecastSkill(
        skill=row.skill,
        overdue=row.overdue.planned,
        overdue_jobs=row.overdue.jobs,
        unknown=sum(cell.unknown for cell in row.cells),
        methods=[method_of(level, each) for level, each in sorted(row.outlooks.items())],
        cells=[cell_of(cell, people) for cell in row.cells],
    )


def method_of(level: int, found: Outlook) -> ForecastMethod:
    """Return how something was forecast."""
    test = found.test
    return ForecastMethod(
        level=level,
        method=found.method,
        proven=found.proven,
        reason=test.reason,
        weeks=test.weeks,
        origins=test.origins,
        n=test.n,
        model=_figures(test.model),
        naive=_figures(test.naive),
    )


def _figures(found: Figures | None) -> BackTestFigures | None:
    if found is None:
        return None
    return BackTestFigures(mae=found.mae, wape=found.wape, mase=found.mase, coverage=found.coverage)
