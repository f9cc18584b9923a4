"""The year ahead over HTTP: planned work by week, skill and site against what people can do; what goes together."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import select

from assets.base.errors import Invalid
from assets.registry import Asset, Site
from gateway.api.deps import Context, Here
from gateway.api.edits import Ref, named_assets
from gateway.api.pages import After, cursor_of, day_of, read_cursor
from maintenance.desk.grouping import Proposal
from maintenance.desk.groups import find_groups
from maintenance.desk.loading import ANY, capacity_of, minutes_of
from maintenance.desk.putting_off import LIVE
from maintenance.desk.tables import DeskDecision
from maintenance.desk.what_if import week_of
from maintenance.forecasts.planned import Where, jobs
from maintenance.forecasts.sums import planned_hours_of
from maintenance.models import Finding, PredictedJob
from maintenance.plans.tables import Occurrence
from maintenance.remaining_lives import ESTIMATE, RemainingLife
from ticketing.people.tables import Skill

router = APIRouter(prefix="/api/v1", tags=["planner"])

MOST_WEEKS = 106
MAX_JOBS = 2000
MAX_ROWS = 300  # sites of a view by site
Skilled = Annotated[str | None, Query(max_length=100)]


class YearCell(BaseModel):
    """A week of a row; `capacity`: minutes of those who can do it, null where nobody knows or it has no meaning."""

    week: date
    minutes: int = 0
    jobs: int = 0
    unknown: int = 0
    predicted: int = 0
    capacity: float | None = None


class YearRow(BaseModel):
    """A skill or a site over the year."""

    key: str | None
    name: str | None
    name_zh: str | None
    cells: list[YearCell]


class YearAhead(BaseModel):
    """The weeks by their Mondays; `waiting`: weeks whose sums are being reckoned anew at this moment."""

    by: str
    weeks: list[date]
    rows: list[YearRow]
    total: list[YearCell]
    more_rows: int
    waiting: int


class YearWork(BaseModel):
    """One piece of planned or predicted work behind a cell."""

    id: UUID
    kind: Literal["occurrence", "predicted_job"]
    on: date
    at: datetime | None
    asset: Ref
    site_id: UUID | None
    plan_code: str | None
    plan_name: dict[str, Any]
    packages: list[str]
    state: str
    minutes: dict[str, int]
    unknown: bool
    earliest_at: datetime | None
    latest_at: datetime | None
    work_order_id: UUID | None


class YearWorks(BaseModel):
    """What is behind a cell, by day."""

    items: list[YearWork]
    next: str | None = None


class GroupPiece(BaseModel):
    """Planned work of a proposal; `to`: where it would go, null where it stays."""

    id: UUID
    asset: Ref
    plan_code: str
    plan_name: dict[str, Any]
    at: datetime
    day: date
    first: date
    last: date
    minutes: int
    to: datetime | None


class GroupItem(BaseModel):
    """Work that goes well together; `travel_minutes` null: nobody wrote down how long one drives there."""

    key: str
    kind: str
    site: Ref
    skill: str
    day: date
    trips: int
    travel_minutes: float | None
    stop_minutes: int
    minutes: int
    because: dict[str, Any] | None
    pieces: list[GroupPiece]


class GroupItems(BaseModel):
    """Proposals, those that save most first; `cut`: there was more work than one look takes in."""

    items: list[GroupItem]
    cut: bool
    next: str | None = None


@router.get("/planning/year", operation_id="get_year_ahead")
def get_year_ahead(
    here: Here,
    since: Annotated[
        date | None, Query(alias="from", description="a day of the first week; this week by default")
    ] = None,
    weeks: Annotated[int, Query(ge=1, le=MOST_WEEKS)] = 53,
    by: Literal["skill", "site"] = "skill",
    site_id: UUID | None = None,
    skill: Skilled = None,
) -> YearAhead:
    """Counts and minutes of open planned work by week, and of predicted jobs, against what people can do."""
    here.require("maintenance_plan.read")
    first = _monday(since or here.now.date(), weeks)
    last = first + timedelta(weeks=weeks)
    columns = ("week", "skill") if by == "skill" else ("week", "site_id")
    sums, fresh = planned_hours_of(here.session, first, last, Where(site_id), columns, skill)
    capacity = capacity_of(here.session, first, weeks)
    mondays = [first + timedelta(weeks=number) for number in range(weeks)]
    cells: dict[str | None, dict[date, YearCell]] = {}
    total = {week: YearCell(week=week) for week in mondays}
    for each in sums:
        assert each.week is not None
        key = each.skill if by == "skill" else None if each.site_id is None else str(each.site_id)
        cell = cells.setdefault(key, {}).setdefault(each.week, YearCell(week=each.week))
        for into in (cell, total[each.week]):
            into.minutes, into.jobs, into.unknown = (
                into.minutes + each.minutes,
                into.jobs + each.jobs,
                into.unknown + each.unknown,
            )
    for week, site in _foreseen(here, first, last, site_id):
        total[week].predicted += 1
        if by == "site":
            key = None if site is None else str(site)
            cells.setdefault(key, {}).setdefault(week, YearCell(week=week)).predicted += 1
    for week, cell in total.items():
        cell.capacity = capacity.get((week, skill or ANY))
    if by == "skill":
        for key, row in cells.items():
            for week, cell in row.items():
                cell.capacity = capacity.get((week, key or ANY))
    ordered = sorted(cells, key=lambda key: (-sum(cell.minutes for cell in cells[key].values()), str(key)))
    names = _names(here, by, ordered[:MAX_ROWS])
    return YearAhead(
        by=by,
        weeks=mondays,
        rows=[
            YearRow(
                key=key,
                name=names.get(key, (None, None))[0],
                name_zh=names.get(key, (None, None))[1],
                cells=[
                    cells[key].get(week)
                    or YearCell(week=week, capacity=capacity.get((week, key or ANY)) if by == "skill" else None)
                    for week in mondays
                ],
            )
            for key in ordered[:MAX_ROWS]
        ],
        total=[total[week] for week in mondays],
        more_rows=max(len(ordered) - MAX_ROWS, 0),
        waiting=fresh.waiting,
    )


@router.get("/planning/year/rows", operation_id="list_year_work")
def list_year_work(
    here: Here,
    week: date,
    weeks: Annotated[int, Query(ge=1, le=MOST_WEEKS)] = 1,
    site_id: UUID | None = None,
    skill: Skilled = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: After = None,
) -> YearWorks:
    """The planned and predicted work behind a cell, by day; predicted jobs stand on the first page."""
    here.require("maintenance_plan.read")
    first = _monday(week, weeks)
    last = first + timedelta(weeks=weeks)
    start = tuple(read_cursor(after, day_of, UUID)) if after is not None else None
    found: list[Any] = []
    for each in jobs(here.session, first, last, Where(site_id), after=start):
        if skill is None or any(name == skill for name, _ in each.need.labour):
            found.append(each)
            if len(found) > limit:
                break
    page = found[:limit]
    items = _works(here, page)
    if after is None and skill is None:
        items = [*_jobs_of(here, first, last, site_id), *items]
    following = cursor_of(page[-1].row.due_on, page[-1].row.id) if len(found) > limit else None
    return YearWorks(items=items, next=following)


@router.get("/planning/groups", operation_id="list_work_groups")
def list_work_groups(
    here: Here,
    days: Annotated[int, Query(ge=1, le=92)] = 60,
    site_id: UUID | None = None,
    skill: Skilled = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> GroupItems:
    """What goes together inside its windows: at one site for one skill, or while a machine stands still anyway."""
    here.require("maintenance_plan.read")
    groups = find_groups(here.session, here.now, days, site_id=site_id, skill=skill)
    chosen = groups.proposals[:limit]
    assets = named_assets(here, {piece.asset_id for each in chosen for piece in each.pieces})
    sites = _sites(here, {each.site_id for each in chosen})

    def item(one: Proposal) -> GroupItem:
        goes = groups.moves(one)
        because = None
        if one.chance is not None:
            why = one.chance
            because = {"kind": why.kind, "ref": str(why.ref), "label": why.label, "from": why.first, "until": why.last}
        return GroupItem(
            key=one.key,
            kind=one.kind,
            site=Ref(id=one.site_id, name=sites.get(one.site_id, "—")),
            skill=one.skill,
            day=one.day,
            trips=one.trips,
            travel_minutes=one.travel_minutes,
            stop_minutes=one.stop_minutes,
            minutes=one.minutes,
            because=because,
            pieces=[
                GroupPiece(
                    id=each.id,
                    asset=Ref(id=each.asset_id, name=assets[each.asset_id].name),
                    plan_code=groups.loaded[each.id].plan.code,
                    plan_name=groups.loaded[each.id].plan.name,
                    at=groups.loaded[each.id].piece.at,
                    day=each.day,
                    first=each.first,
                    last=each.last,
                    minutes=each.minutes,
                    to=goes.get(each.id),
                )
                for each in one.pieces
            ],
        )

    return GroupItems(items=[item(each) for each in chosen], cut=groups.cut or len(groups.proposals) > limit)


def _monday(day: date, weeks: int) -> date:
    if not 1900 <= day.year <= 2190:
        raise Invalid("a day between 1900 and 2190", field="from", value=str(day))
    return week_of(day)


def _names(here: Context, by: str, keys: list[str | None]) -> dict[str | None, tuple[str | None, str | None]]:
    wanted = [key for key in keys if key is not None]
    if by == "skill":
        rows = here.session.execute(select(Skill.code, Skill.name_en, Skill.name_zh).where(Skill.code.in_(wanted)))
        return {code: (english, chinese) for code, english, chinese in rows}
    return {str(key): (name, None) for key, name in _sites(here, {UUID(key) for key in wanted}).items()}


def _sites(here: Context, keys: set[UUID]) -> dict[UUID, str]:
    rows = here.session.execute(select(Site.id, Site.name).where(Site.id.in_(keys)))
    return {key: name for key, name in rows}


def _expected(here: Context, site_id: UUID | None) -> list[tuple[PredictedJob, UUID | None, date]]:
    """When watched jobs are to be expected: the day they were put off to, of their plan's work, of the end of the
    machine's remaining life; without any of them now."""
    query = (
        select(PredictedJob, Asset.site_id, DeskDecision.until, Occurrence.due_on, RemainingLife)
        .join(Asset, Asset.id == PredictedJob.asset_id)
        .outerjoin(
            DeskDecision,
            (DeskDecision.asset_id == PredictedJob.asset_id)
            & (DeskDecision.key == PredictedJob.key)
            & LIVE[0]
            & LIVE[1]
            & LIVE[2],
        )
        .outerjoin(Occurrence, Occurrence.id == DeskDecision.occurrence_id)
        .outerjoin(RemainingLife, RemainingLife.asset_id == PredictedJob.asset_id)
        .where(PredictedJob.state == "watching")
        .order_by(PredictedJob.id)
        .limit(MAX_JOBS)
    )
    if site_id is not None:
        query = query.where(Asset.site_id == site_id)
    today = here.now.date()
    found = []
    for job, site, until, due_on, life in here.session.execute(query):
        day = today
        if due_on is not None:
            day = due_on
        elif until is not None:
            day = until.date()
        elif life is not None and life.state == ESTIMATE and life.life_s is not None and life.life_s < 5e9:
            day = (life.at + timedelta(seconds=life.life_s)).date()
        found.append((job, site, max(day, today)))
    return found


def _foreseen(here: Context, first: date, last: date, site_id: UUID | None) -> list[tuple[date, UUID | None]]:
    return [(week_of(day), site) for _, site, day in _expected(here, site_id) if first <= day < last]


def _jobs_of(here: Context, first: date, last: date, site_id: UUID | None) -> list[YearWork]:
    expected = [each for each in _expected(here, site_id) if first <= each[2] < last][:MAX_ROWS]
    assets = named_assets(here, {job.asset_id for job, _, _ in expected})
    found = here.session.scalars(select(Finding).where(Finding.id.in_({job.finding_id for job, _, _ in expected})))
    severity = {row.id: row.severity for row in found}
    return [
        YearWork(
            id=job.id,
            kind="predicted_job",
            on=day,
            at=None,
            asset=Ref(id=job.asset_id, name=assets[job.asset_id].name),
            site_id=site,
            plan_code=None,
            plan_name={},
            packages=[],
            state=severity.get(job.finding_id, "info"),
            minutes={},
            unknown=True,
            earliest_at=None,
            latest_at=None,
            work_order_id=None,
        )
        for job, site, day in sorted(expected, key=lambda each: (each[2], each[0].id))
    ]


def _works(here: Context, page: list[Any]) -> list[YearWork]:
    keys = [each.row.id for each in page]
    rows = {row.id: row for row in here.session.scalars(select(Occurrence).where(Occurrence.id.in_(keys)))}
    return [
        YearWork(
            id=each.row.id,
            kind="occurrence",
            on=each.row.due_on,
            at=row.put_at or row.due_at,
            asset=Ref(id=each.row.asset_id, name=each.row.asset_name),
            site_id=each.row.site_id,
            plan_code=each.row.plan_code,
            plan_name=each.row.plan_name,
            packages=[str(one.get("code")) for one in row.packages],
            state=each.row.state,
            minutes=minutes_of(each.need),
            unknown=each.need.unknown,
            earliest_at=row.earliest_at,
            latest_at=row.latest_at,
            work_order_id=each.row.work_order_id,
        )
        for each in page
        if (row := rows.get(each.row.id)) is not None
    ]
