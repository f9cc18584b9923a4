"""Open planned work by week, straight from its rows: grouped for sums, one by one for what lies behind a sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from maintenance.forecasts.needs import Need, Rules, read_work
from maintenance.forecasts.weeks import WEEK

# The same work of one site and team is one row; what a paused plan has ahead will not come.
_FROM = """
FROM occurrences o
JOIN maintenance_plans p ON p.id = o.plan_id
JOIN assets a ON a.id = o.asset_id
CROSS JOIN LATERAL (
  SELECT jsonb_agg(jsonb_build_array(k.procedure_id, k.duration_minutes) ORDER BY k.position, k.id) AS packs
  FROM jsonb_array_elements(o.packages) e
  JOIN plan_packages k ON k.plan_id = o.plan_id AND k.code = e ->> 'code') k
WHERE o.due_on >= :first AND o.due_on < :last
  AND (o.state = 'released' OR (o.state = 'planned' AND p.state = 'active'))
  AND (CAST(:organisations AS uuid[]) IS NULL OR o.organisation_id = ANY(CAST(:organisations AS uuid[])))
"""
_WORK = "p.skills, p.duration_minutes, p.procedure_id, p.round_id, k.packs"
_GROUPED = text(f"""
SELECT o.organisation_id, (date_trunc('week', o.due_on))::date AS week, a.site_id, p.team_id, {_WORK},
  count(*) AS jobs
{_FROM} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
""")
_SINGLE = f"""
SELECT o.id, o.organisation_id, o.due_on, o.state, o.plan_id, p.code AS plan_code, p.name AS plan_name, o.asset_id,
  a.name AS asset_name, a.site_id, p.team_id, o.work_order_id, o.released_at, {_WORK}, 1 AS jobs
{_FROM}
  AND (CAST(:site AS uuid) IS NULL OR a.site_id = :site)
  AND (CAST(:team AS uuid) IS NULL OR p.team_id = :team)
  AND (CAST(:region AS text) IS NULL OR a.site_id IN (SELECT id FROM sites WHERE region = :region))
  AND (CAST(:after_day AS date) IS NULL OR (o.due_on, o.id) > (:after_day, CAST(:after_id AS uuid)))
ORDER BY o.due_on, o.id LIMIT :limit
"""
_ONE_BY_ONE = text(_SINGLE)
CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Where:
    """Whose work: of a site, a region or a team; of some organisations, else of all that the reader sees."""

    site_id: UUID | None = None
    region: str | None = None
    team_id: UUID | None = None
    organisation_ids: tuple[UUID, ...] | None = None


@dataclass(slots=True)
class Labour:
    """Minutes, jobs, and jobs without a duration."""

    minutes: int = 0
    jobs: int = 0
    unknown: int = 0


HourKey = tuple[UUID, date, UUID | None, UUID | None, str, int]  # organisation, week, site, team, skill, level
PartKey = tuple[UUID, date, UUID | None, UUID]


@dataclass
class Summed:
    """Planned work of some weeks, summed up."""

    hours: dict[HourKey, Labour] = field(default_factory=lambda: defaultdict(Labour))
    parts: dict[PartKey, tuple[Decimal, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of planned work with what it needs."""

    row: Any
    need: Need


def sum_up(session: Session, first: date, last: date, organisation_ids: Sequence[UUID] | None = None) -> Summed:
    """Return sums of the open planned work with days in [first, last)."""
    told = {"first": first, "last": last, "organisations": list(organisation_ids) if organisation_ids else None}
    rows = session.execute(_GROUPED, told).all()
    works = [read_work(row) for row in rows]
    rules = Rules()
    rules.load(session, works)
    made = Summed()
    for row, work in zip(rows, works, strict=True):
        _add(made, row, rules.need(work))
    return made


def _add(made: Summed, row: Any, need: Need) -> None:
    place = (row.organisation_id, row.week, row.site_id)
    for (skill, level), minutes in need.labour.items():
        cell = made.hours[(*place, row.team_id, skill, level)]
        cell.minutes += minutes * row.jobs
        cell.jobs += row.jobs
        cell.unknown += row.jobs if need.unknown else 0
    for part, quantity in need.parts.items():
        before, jobs = made.parts.get((*place, part), (Decimal(0), 0))
        made.parts[(*place, part)] = (before + quantity * row.jobs, jobs + row.jobs)


def jobs(
    session: Session,
    first: date,
    last: date,
    where: Where,
    after: tuple[date, UUID] | None = None,
    rules: Rules | None = None,
) -> Iterator[Job]:
    """Yield the open planned work with days in [first, last) one by one, by day."""
    rules = rules or Rules()
    while True:
        day, key = after or (None, None)
        told: Mapping[str, Any] = {
            "first": first, "last": last, "site": where.site_id, "region": where.region, "team": where.team_id,
            "organisations": list(where.organisation_ids) if where.organisation_ids else None,
            "after_day": day, "after_id": key, "limit": CHUNK,
        }  # fmt: skip
        rows = session.execute(_ONE_BY_ONE, told).all()
        works = [read_work(row) for row in rows]
        rules.load(session, works)
        for row, work in zip(rows, works, strict=True):
            yield Job(row, rules.need(work))
        if len(rows) < CHUNK:
            return
        after = (rows[-1].due_on, rows[-1].id)


def week_of(session: Session, week: date, organisation_ids: Sequence[UUID]) -> Summed:
    """Return the sums of one week."""
    return sum_up(session, week, week + WEEK, organisation_ids)
