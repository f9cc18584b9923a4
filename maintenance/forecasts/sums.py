"""Planned hours and parts by week as readers ask: kept sums; weeks that changed since are read from their rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from assets.registry import Site
from maintenance.forecasts.planned import Where, sum_up
from maintenance.forecasts.tables import ForecastMark, PlannedHours, PlannedParts
from maintenance.forecasts.weeks import WEEK, monday

LIVE_WEEKS = 3  # so many changed weeks of an organisation are reckoned while the reader waits
BY = ("week", "skill", "level", "site_id", "team_id")


@dataclass(frozen=True, slots=True)
class HourSum:
    """Minutes of open planned work; what was not asked for (`by`) is None. `unknown`: jobs without a duration."""

    week: date | None = None
    skill: str | None = None
    level: int | None = None
    site_id: UUID | None = None
    team_id: UUID | None = None
    minutes: int = 0
    jobs: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class PartSum:
    """What open planned work of a week takes of an item."""

    week: date
    part_id: UUID
    quantity: Decimal
    jobs: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """Weeks whose sums are older than their rows: read from the rows now, or `waiting` for the job."""

    live: tuple[tuple[UUID, date], ...] = ()
    waiting: int = 0


def freshness(session: Session, first: date, last: date, where: Where) -> Freshness:
    """Return which weeks in [first, last) changed since their sums were kept."""
    query: Any = select(ForecastMark.organisation_id, ForecastMark.week).distinct()
    query = _mine(query, ForecastMark, where).where(ForecastMark.week >= first, ForecastMark.week < last)
    changed = [(organisation, week) for organisation, week in session.execute(query.limit(1000))]
    broad = select(func.count()).select_from(ForecastMark).where(ForecastMark.week.is_(None))
    waiting = int(session.scalar(_mine(broad, ForecastMark, where)) or 0)
    if len(changed) <= LIVE_WEEKS:
        return Freshness(tuple(sorted(changed, key=str)), waiting)
    return Freshness((), waiting + len(changed))


def planned_hours(
    session: Session,
    first: date,
    weeks: int,
    *,
    site_id: UUID | None = None,
    region: str | None = None,
    team_id: UUID | None = None,
    skill: str | None = None,
    organisation_ids: Sequence[UUID] | None = None,
    by: Sequence[str] = ("week", "skill"),
) -> list[HourSum]:
    """Return the open planned work of so many weeks from the Monday of `first`, summed up by `by` (of BY)."""
    where = Where(site_id, region, team_id, tuple(organisation_ids) if organisation_ids is not None else None)
    begin = monday(first)
    found = planned_hours_of(session, begin, begin + WEEK * weeks, where, by, skill)
    return found[0]


def planned_hours_of(
    session: Session, first: date, last: date, where: Where, by: Sequence[str], skill: str | None = None
) -> tuple[list[HourSum], Freshness]:
    """Return sums of the weeks in [first, last), and how fresh they are."""
    fresh = freshness(session, first, last, where)
    columns = [getattr(PlannedHours, name) for name in by]
    totals = [func.sum(PlannedHours.minutes), func.sum(PlannedHours.jobs), func.sum(PlannedHours.unknown)]
    query: Any = select(*columns, *totals).where(PlannedHours.week >= first, PlannedHours.week < last)
    query = _placed(_mine(query, PlannedHours, where), PlannedHours, where)
    if where.team_id is not None:
        query = query.where(PlannedHours.team_id == where.team_id)
    if skill is not None:
        query = query.where(PlannedHours.skill == skill)
    if fresh.live:
        query = query.where(tuple_(PlannedHours.organisation_id, PlannedHours.week).not_in(list(fresh.live)))
    cells: dict[tuple[Any, ...], list[int]] = {}
    for row in session.execute(query.group_by(*columns)):
        _add(cells, tuple(row[: len(by)]), [int(each) for each in row[len(by) :]])
    sites = _sites(session, where)
    for organisation, week in fresh.live:
        for key, cell in sum_up(session, week, week + WEEK, [organisation]).hours.items():
            told: dict[str, Any] = dict(zip(("week", "site_id", "team_id", "skill", "level"), key[1:], strict=True))
            if skill is not None and told["skill"] != skill:
                continue
            if _inside(told["site_id"], sites) and where.team_id in (None, told["team_id"]):
                _add(cells, tuple(told[name] for name in by), [cell.minutes, cell.jobs, cell.unknown])
    made = [
        HourSum(**dict(zip(by, key, strict=True)), minutes=cell[0], jobs=cell[1], unknown=cell[2])
        for key, cell in cells.items()
    ]
    return sorted(made, key=lambda each: [str(getattr(each, name)) for name in by]), fresh


def planned_parts(session: Session, first: date, last: date, where: Where) -> tuple[list[PartSum], Freshness]:
    """Return what open planned work of the weeks in [first, last) takes of each item; a team is not asked here."""
    fresh = freshness(session, first, last, where)
    totals = (func.sum(PlannedParts.quantity), func.sum(PlannedParts.jobs))
    query: Any = select(PlannedParts.week, PlannedParts.part_id, *totals)
    query = query.where(PlannedParts.week >= first, PlannedParts.week < last)
    query = _placed(_mine(query, PlannedParts, where), PlannedParts, where)
    if fresh.live:
        query = query.where(tuple_(PlannedParts.organisation_id, PlannedParts.week).not_in(list(fresh.live)))
    cells: dict[tuple[date, UUID], tuple[Decimal, int]] = {}
    for week, part, quantity, jobs in session.execute(query.group_by(PlannedParts.week, PlannedParts.part_id)):
        cells[(week, part)] = (quantity, int(jobs))
    sites = _sites(session, where)
    for organisation, week in fresh.live:
        for (_, _, site, part), (quantity, jobs) in sum_up(session, week, week + WEEK, [organisation]).parts.items():
            if _inside(site, sites):
                before, count = cells.get((week, part), (Decimal(0), 0))
                cells[(week, part)] = (before + quantity, count + jobs)
    return [PartSum(week, part, *cell) for (week, part), cell in sorted(cells.items(), key=str)], fresh


def _add(cells: dict[tuple[Any, ...], list[int]], key: tuple[Any, ...], more: Iterable[int]) -> None:
    held = cells.setdefault(key, [0, 0, 0])
    for place, value in enumerate(more):
        held[place] += value


def _mine(query: Any, table: Any, where: Where) -> Any:
    return query if where.organisation_ids is None else query.where(table.organisation_id.in_(where.organisation_ids))


def _placed(query: Any, table: Any, where: Where) -> Any:
    if where.site_id is not None:
        query = query.where(table.site_id == where.site_id)
    if where.region is not None:
        query = query.where(table.site_id.in_(select(Site.id).where(Site.region == where.region)))
    return query


def _sites(session: Session, where: Where) -> set[UUID] | None:
    if where.site_id is None and where.region is None:
        return None
    query = select(Site.id)
    if where.site_id is not None:
        query = query.where(Site.id == where.site_id)
    if where.region is not None:
        query = query.where(Site.region == where.region)
    return set(session.scalars(query))


def _inside(site: UUID | None, sites: set[UUID] | None) -> bool:
    return sites is None or site in sites
