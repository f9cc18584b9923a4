"""Figures of service over HTTP: by team, technician, customer, model and period; each drills down to its events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import select
from starlette.responses import FileResponse

from assets.base.errors import Invalid, NotFound
from assets.people import Person
from assets.registry import AssetModel, Customer, Site
from gateway.api.deps import Context, Here
from gateway.api.edits import named_assets
from gateway.api.pages import After, aware, cursor_of, read_cursor
from gateway.api.sheets import Format, sheet_file
from ticketing.figures.asking import Asked, By, counted, figures
from ticketing.figures.definitions import FIGURES, FORMULAS, REPEAT_DAYS, WEEK_HOURS, Counted, Parameters
from ticketing.figures.loading import Scope
from ticketing.figures.summing import Period, Summed, summed
from ticketing.people.tables import Team

router = APIRouter(prefix="/api/v1", tags=["figures"])

LONGEST = timedelta(days=800)
USUAL_SPAN = timedelta(days=30)
Figure = Literal[
    "reaction_time",
    "response_time",
    "execution_time",
    "total_time",
    "first_time_fix",
    "same_day",
    "same_day_record",
    "sla_response",
    "sla_arrival",
    "sla_restoration",
    "sla_closing",
    "backlog_orders",
    "backlog_weeks",
]


class FigureKind(BaseModel):
    """A figure: whether it is a mean, a share or a sum, its unit, its formula over moments of events."""

    figure: Figure
    kind: str
    unit: str
    formula: str


class FigureValue(BaseModel):
    """A figure's value. `n`: what counted; `left_out`: what did not, by reason. Nothing counted: null."""

    figure: Figure
    value: float | None
    n: int
    median: float | None
    p90: float | None
    numerator: float | None
    left_out: dict[str, int]


class FigureGroup(BaseModel):
    """Who or what the figures are of; id null: no team, nobody."""

    id: str | None
    name: str | None


class FigureRow(BaseModel):
    """The figures of a group in a period; `period`: its first day."""

    group: FigureGroup | None
    period: date | None
    values: list[FigureValue]


class ServiceFigures(BaseModel):
    """All figures."""

    since: datetime
    until: datetime
    by: str
    period: str
    time_zone: str
    repeat_days: int
    week_hours: float
    kinds: list[FigureKind]
    items: list[FigureRow]
    next: str | None = None


class MomentItem(BaseModel):
    """A moment that a value was counted from, and the event that says so."""

    what: str
    at: datetime
    event_id: int
    kind: str


class OrderRef(BaseModel):
    """The work order."""

    id: UUID
    number: str
    asset: str


class CountedRow(BaseModel):
    """One order's part in a figure; without a value it was left out, and `why` says why."""

    order: OrderRef
    at: datetime
    value: float | None
    why: str | None
    technicians: list[str]
    moments: list[MomentItem]


class CountedRows(BaseModel):
    """What a figure was counted from, with the figure itself."""

    figure: FigureValue
    kind: FigureKind
    items: list[CountedRow]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    asked: Asked
    time_zone: str


def _question(
    here: Here,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query()] = None,
    by: By = "none",
    period: Period = "none",
    time_zone: Annotated[str, Query(max_length=64)] = "UTC",
    team_id: UUID | None = None,
    technician_id: UUID | None = None,
    customer_id: UUID | None = None,
    asset_model_id: UUID | None = None,
    site_id: UUID | None = None,
    service_type_id: UUID | None = None,
    priority: Annotated[str | None, Query(max_length=20)] = None,
    repeat_days: Annotated[int, Query(ge=1, le=365)] = REPEAT_DAYS,
    week_hours: Annotated[float, Query(gt=0, le=168)] = WEEK_HOURS,
) -> _Question:
    """Read what is asked; without a span the last 30 days."""
    here.require("figure.read")
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid("no such time zone", field="time_zone") from None
    end = until or here.now
    begin = since or end - USUAL_SPAN
    if not timedelta(0) < end - begin <= LONGEST or not 1990 <= begin.year <= end.year <= 2200:
        raise Invalid(f"a span of {LONGEST.days} days at most, from before until", field="from")
    scope = Scope(
        begin.astimezone(UTC),
        end.astimezone(UTC),
        team_id=team_id,
        technician_id=technician_id,
        customer_id=customer_id,
        model_id=asset_model_id,
        site_id=site_id,
        service_type_id=service_type_id,
        priority=priority,
    )
    return _Question(Asked(scope, by, period, zone, Parameters(repeat_days, week_hours)), time_zone)


Question = Annotated[_Question, Depends(_question)]


@router.get("/service-figures", operation_id="get_service_figures")
def get_service_figures(here: Here, question: Question) -> ServiceFigures:
    """All figures, by group and period. An order that several technicians worked on counts for each of them."""
    asked = question.asked
    found = figures(here.session, asked, here.now)
    names = _group_names(here, asked.by, {group for group, _ in found if group is not None})
    keys = sorted(found, key=lambda key: (key[1] or date.min, names.get(key[0] or "", key[0] or "~")))
    items = [
        FigureRow(
            group=None if asked.by == "none" else FigureGroup(id=group, name=names.get(group or "")),
            period=start,
            values=[_value(found[group, start].get(figure) or summed(figure, [])) for figure in FIGURES],
        )
        for group, start in keys
    ]
    return ServiceFigures(
        since=asked.scope.since,
        until=asked.scope.until,
        by=asked.by,
        period=asked.period,
        time_zone=question.time_zone,
        repeat_days=asked.parameters.repeat_days,
        week_hours=asked.parameters.week_hours,
        kinds=[_kind(figure) for figure in FIGURES],
        items=items,
    )


@router.get("/service-figures/export", operation_id="export_service_figures", response_class=FileResponse)
def export_service_figures(here: Here, question: Question, format: Format = "csv") -> FileResponse:
    """The same as a file: a row for each figure, group and period, with its formula and n."""
    told = get_service_figures(here, question)
    headings = ["figure", "unit", "formula", "group", "period", "value", "n", "median", "p90", "numerator", "left_out"]
    units = {kind.figure: kind for kind in told.kinds}

    def rows() -> Iterator[list[Any]]:
        for row in told.items:
            group = (row.group.name or row.group.id or "–") if row.group else ""
            for one in row.values:
                kind = units[one.figure]
                left = ", ".join(f"{why}: {count}" for why, count in sorted(one.left_out.items()))
                yield [
                    one.figure,
                    kind.unit,
                    kind.formula,
                    group,
                    row.period,
                    *(None if each is None else round(each, 4) for each in (one.value,)),
                    one.n,
                    *(None if each is None else round(each, 4) for each in (one.median, one.p90, one.numerator)),
                    left,
                ]

    return sheet_file("service-figures", headings, rows(), format)


@router.get("/service-figures/{figure}/rows", operation_id="list_service_figure_rows")
def list_service_figure_rows(
    figure: Figure,
    here: Here,
    question: Question,
    group: Annotated[str | None, Query(max_length=64, description="the group's id; 'none' for no group")] = None,
    start: Annotated[date | None, Query(description="the period's first day")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: After = None,
) -> CountedRows:
    """The orders that a figure was counted from, each with the moments and events behind its value."""
    found = _rows(here, figure, question.asked, group, start)
    rows = found
    if after is not None:
        moment, key = read_cursor(after, aware, UUID)
        rows = [each for each in found if (each.at, each.order.id) > (moment, key)]
    page = rows[:limit]
    following = cursor_of(page[-1].at.isoformat(), page[-1].order.id) if len(rows) > limit else None
    return CountedRows(
        figure=_value(summed(figure, found)), kind=_kind(figure), items=_shown(here, page), next=following
    )


@router.get("/service-figures/{figure}/export", operation_id="export_service_figure_rows", response_class=FileResponse)
def export_service_figure_rows(
    figure: Figure,
    here: Here,
    question: Question,
    group: Annotated[str | None, Query(max_length=64)] = None,
    start: date | None = None,
    format: Format = "csv",
) -> FileResponse:
    """The orders behind a figure as a file: a row for each, with its moments and the ids of their events."""
    found = _rows(here, figure, question.asked, group, start)
    headings = ["number", "asset", "technicians", "at", "value", "left_out", "moments"]

    def rows() -> Iterator[list[Any]]:
        for each in _shown(here, found):
            told = "; ".join(f"{one.what} {one.at.isoformat()} (event {one.event_id})" for one in each.moments)
            value = None if each.value is None else round(each.value, 6)
            people = ", ".join(each.technicians)
            yield [each.order.number, each.order.asset, people, each.at, value, each.why, told]

    return sheet_file(f"service-figures-{figure}", headings, rows(), format)


def _rows(here: Context, figure: str, asked: Asked, group: str | None, start: date | None) -> list[Counted]:
    by_key = counted(here.session, asked, here.now, [figure])[figure]
    wanted = None if group == "none" else group
    every = [
        each
        for (key, begins), those in by_key.items()
        for each in those
        if (group is None or key == wanted) and (start is None or begins == start)
    ]
    once = {(each.order.id, each.at): each for each in every}  # of several technicians: once
    return sorted(once.values(), key=lambda each: (each.at, each.order.id))


def _shown(here: Context, rows: Sequence[Counted]) -> list[CountedRow]:
    assets = named_assets(here, {each.order.asset_id for each in rows})
    people = {key for each in rows for key in each.order.people}
    names = {
        key: name for key, name in here.session.execute(select(Person.id, Person.name).where(Person.id.in_(people)))
    }
    return [
        CountedRow(
            order=OrderRef(id=each.order.id, number=each.order.number, asset=assets[each.order.asset_id].name),
            at=each.at,
            value=each.value,
            why=each.why,
            technicians=[names[key] for key in each.order.people if key in names],
            moments=[
                MomentItem(what=what, at=moment.at, event_id=moment.event_id, kind=moment.kind)
                for what, moment in each.moments
            ],
        )
        for each in rows
    ]


def _group_names(here: Context, by: By, groups: set[str]) -> dict[str, str]:
    columns: dict[str, tuple[Any, Any]] = {
        "team": (Team.id, Team.name),
        "technician": (Person.id, Person.name),
        "customer": (Customer.id, Customer.name),
        "model": (AssetModel.id, AssetModel.code),
        "site": (Site.id, Site.name),
    }
    if by not in columns or not groups:
        return {}
    key, name = columns[by]
    rows = here.session.execute(select(key, name).where(key.in_([UUID(each) for each in groups])))
    return {str(found): word for found, word in rows}


def _value(one: Summed) -> FigureValue:
    return FigureValue.model_validate(
        {
            "figure": one.figure,
            "value": one.value,
            "n": one.n,
            "median": one.median,
            "p90": one.p90,
            "numerator": one.numerator,
            "left_out": one.left_out,
        }
    )


def _kind(figure: str) -> FigureKind:
    if figure not in FIGURES:
        raise NotFound("no such figure", kind="figure")
    kind, unit = FIGURES[figure]
    return FigureKind.model_validate({"figure": figure, "kind": kind, "unit": unit, "formula": FORMULAS[figure]})
