"""Forecasts as files: hours, parts, gaps and how well the forecast did, as CSV or XLSX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import FileResponse

from gateway.api.deps import Context, Here
from gateway.api.forecasts import Asked, get_forecast_hours, list_forecast_parts, list_staffing_gaps
from gateway.api.sheets import Format, sheet_file
from maintenance.forecasts.asking import Question

router = APIRouter(prefix="/api/v1", tags=["forecasts"])

Kind = Literal["hours", "parts", "gaps", "accuracy"]
PAGE = 100
MOST_GAPS = 500


@router.get("/forecasts/export", operation_id="export_forecasts", response_class=FileResponse)
def export_forecasts(here: Here, asked: Asked, table: Kind = "hours", format: Format = "csv") -> FileResponse:
    """One of the tables as a file, whole."""
    here.require("forecast.read")
    headings, lines = _table(here, asked, table)
    return sheet_file(f"forecast-{table}", headings, lines, format)


def _table(here: Context, asked: Question, table: Kind) -> tuple[list[str], Iterator[Sequence[Any]]]:
    if table == "hours":
        ends = ["planned_h", "jobs", "predicted_h", "demand_h", "expected_h", "low_h", "high_h"]
        return ["week", "skill", *ends, "capacity_h", "missing_h", "missing_high_h"], _hours(here, asked)
    if table == "parts":
        ends = ["planned", "predicted", "demand", "expected", "low", "high"]
        return ["week", "part", "name_en", "name_zh", "unit", *ends], _parts(here, asked)
    if table == "gaps":
        ends = ["needed_h", "needed_high_h", "capacity_h", "missing_h", "missing_high_h"]
        return ["week", "skill", "level", "team", *ends, "plans_h", "predictions_h", "demand_h"], _gaps(here)
    ends = ["mae_h", "wape", "mase", "coverage"]
    return ["skill", "level", "used", "reason", "weeks", "origins", "n", "method", *ends], _accuracy(here, asked)


def _h(minutes: float | None) -> float | None:
    return None if minutes is None else round(minutes / 60, 4)


def _hours(here: Context, asked: Question) -> Iterator[Sequence[Any]]:
    told = get_forecast_hours(here, asked)
    for row in told.skills:
        for week, cell in zip(told.weeks, row.cells, strict=True):
            expected = [_h(cell.predicted), _h(cell.demand), _h(cell.mean), _h(cell.low), _h(cell.high)]
            there = [_h(cell.capacity), _h(cell.missing), _h(cell.missing_high)]
            yield [week, row.skill, _h(cell.planned), cell.jobs, *expected, *there]


def _parts(here: Context, asked: Question) -> Iterator[Sequence[Any]]:
    after: str | None = None
    while True:
        page = list_forecast_parts(here, asked, PAGE, after)
        for part in page.items:
            for week, cell in zip(page.weeks, part.cells, strict=True):
                sums = [cell.planned, cell.predicted, cell.demand, cell.mean, cell.low, cell.high]
                yield [week, part.number, part.name_en, part.name_zh, part.unit, *sums]
        after = page.next
        if after is None:
            return


def _gaps(here: Context) -> Iterator[Sequence[Any]]:
    after: str | None = None
    while True:
        page = list_staffing_gaps(here, MOST_GAPS, after)
        for gap in page.items:
            needed = [_h(gap.needed_minutes), _h(gap.needed_high_minutes), _h(gap.capacity_minutes)]
            lacking = [_h(gap.missing_minutes), _h(gap.missing_high_minutes)]
            made = [_h(gap.made_of.get(name)) for name in ("plans", "predictions", "demand")]
            yield [gap.week, gap.skill, gap.level, gap.team_name, *needed, *lacking, *made]
        after = page.next
        if after is None:
            return


def _accuracy(here: Context, asked: Question) -> Iterator[Sequence[Any]]:
    for row in get_forecast_hours(here, asked).skills:
        for each in row.methods:
            head = [row.skill, each.level, each.method, each.reason, each.weeks, each.origins, each.n]
            for name, found in (("seasonal", each.model), ("naive", each.naive)):
                if found is None:
                    yield [*head, name, None, None, None, None]
                else:
                    yield [*head, name, _h(found.mae), found.wape, found.mase, found.coverage]
