"""Load planned work as the desk's rules read it: where it lies, its window, what it needs, its neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from maintenance.desk.what_if import Cell, Move, Outcome, Piece, try_out, week_of
from maintenance.forecasts.needs import Need, Rules, read_work
from maintenance.forecasts.sums import planned_hours
from maintenance.forecasts.tables import CapacityWeek
from maintenance.plans.days import Days
from maintenance.plans.reading import definitions, site_zones, zone_of
from maintenance.plans.recurrence import to_local
from maintenance.plans.tables import MaintenancePlan, Occurrence
from ticketing.people.tables import PersonSkill, Skill

ANY = "any"
MAX_MOVES = 500

_WORK = text("""
SELECT o.id, p.skills, p.duration_minutes, p.procedure_id, p.round_id, k.packs
FROM occurrences o JOIN maintenance_plans p ON p.id = o.plan_id
CROSS JOIN LATERAL (
  SELECT jsonb_agg(jsonb_build_array(k.procedure_id, k.duration_minutes) ORDER BY k.position, k.id) AS packs
  FROM jsonb_array_elements(o.packages) e
  JOIN plan_packages k ON k.plan_id = o.plan_id AND k.code = e ->> 'code') k
WHERE o.id = ANY(CAST(:keys AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A piece of planned work with its row and the zone where its machine stands."""

    row: Occurrence
    plan: MaintenancePlan
    zone: ZoneInfo
    piece: Piece

    def local(self, at: datetime) -> date:
        return to_local(at, self.zone).date()


def at_of(row: Occurrence) -> datetime | None:
    """Return when an occurrence lies."""
    return row.put_at or row.due_at


def needs_of(session: Session, keys: Iterable[UUID]) -> dict[UUID, Need]:
    """Return what occurrences need, by the rule of the forecasts."""
    rows = session.execute(_WORK, {"keys": list(keys)}).all()
    works = {row.id: read_work(row) for row in rows}
    rules = Rules()
    rules.load(session, works.values())
    return {key: rules.need(work) for key, work in works.items()}


def minutes_of(need: Need | None) -> dict[str, int]:
    """Return minutes by skill."""
    found: dict[str, int] = defaultdict(int)
    for (skill, _), minutes in (need.labour if need is not None else {}).items():
        found[skill] += minutes
    return dict(found) or {ANY: 0}


def load_pieces(session: Session, rows: Sequence[Occurrence]) -> dict[UUID, Loaded]:
    """Return planned work that has a date, by id."""
    plans = {
        plan.id: plan
        for plan in session.scalars(
            select(MaintenancePlan).where(MaintenancePlan.id.in_({row.plan_id for row in rows}))
        )
    }
    said = definitions(session, list(plans.values()))
    zones = site_zones(session, [row.asset_id for row in rows])
    needs = needs_of(session, [row.id for row in rows])
    beside = _neighbours(session, rows)
    found = {}
    for row in rows:
        at, plan = at_of(row), plans.get(row.plan_id)
        if at is None or plan is None:
            continue
        zone = zones.get(row.asset_id) or zone_of(None)
        before, after = beside.get(row.id, (None, None))
        found[row.id] = Loaded(
            row,
            plan,
            zone,
            Piece(
                row.id,
                row.asset_id,
                at,
                to_local(at, zone).date(),
                minutes_of(needs.get(row.id)),
                row.state,
                row.earliest_at,
                row.latest_at,
                _days(said, plan.id),
                before,
                after,
            ),
        )
    return found


def try_moves(session: Session, goes: Mapping[UUID, datetime], now: datetime) -> tuple[dict[UUID, Loaded], Outcome]:
    """Return what moving planned work would do; nothing is written. What is not seen any more is left out."""
    rows = session.scalars(select(Occurrence).where(Occurrence.id.in_(list(goes)))).all()
    loaded = load_pieces(session, rows)
    moves = [Move(each.piece, goes[key], each.local(goes[key])) for key, each in loaded.items()]
    days = [day for move in moves for day in (move.piece.day, move.day)]
    if not days:
        return loaded, Outcome({}, [])
    first = week_of(min(days))
    weeks = (week_of(max(days)) - first).days // 7 + 1
    return loaded, try_out(moves, load_of(session, first, weeks), capacity_of(session, first, weeks), now)


def load_of(session: Session, first: date, weeks: int) -> dict[Cell, tuple[int, int]]:
    """Return minutes and pieces of planned work by week and skill."""
    sums = planned_hours(session, first, weeks, by=("week", "skill"))
    return {
        (each.week, each.skill): (each.minutes, each.jobs)
        for each in sums
        if each.week is not None and each.skill is not None
    }


def capacity_of(session: Session, first: date, weeks: int) -> dict[Cell, float]:
    """Return minutes that people have by week and skill; who has several skills counts for each. ANY: everybody."""
    weeks_asked = (CapacityWeek.week >= first, CapacityWeek.week < _after(first, weeks))
    everybody: Any = select(CapacityWeek.week, func.sum(CapacityWeek.minutes)).where(*weeks_asked)
    found: dict[Cell, float] = {
        (week, ANY): float(minutes) for week, minutes in session.execute(everybody.group_by(CapacityWeek.week))
    }
    by_skill: Any = (
        select(CapacityWeek.week, Skill.code, func.sum(CapacityWeek.minutes))
        .join(PersonSkill, PersonSkill.person_id == CapacityWeek.person_id)
        .join(Skill, Skill.id == PersonSkill.skill_id)
        .where(*weeks_asked)
        .where(func.coalesce(PersonSkill.valid_from, CapacityWeek.week) <= CapacityWeek.week + 6)
        .where(func.coalesce(PersonSkill.valid_until, CapacityWeek.week) >= CapacityWeek.week)
        .group_by(CapacityWeek.week, Skill.code)
    )
    return found | {(week, code): float(minutes) for week, code, minutes in session.execute(by_skill)}


def _after(first: date, weeks: int) -> date:
    return date.fromordinal(first.toordinal() + 7 * weeks)


def _days(said: Mapping[UUID, Any], plan_id: UUID) -> Days:
    days: Days = said[plan_id].days
    return days


def _neighbours(session: Session, rows: Sequence[Occurrence]) -> dict[UUID, tuple[datetime | None, datetime | None]]:
    """Return when the ones before and after lie, of the same plan and machine."""
    query = (
        select(Occurrence.id, Occurrence.plan_asset_id, func.coalesce(Occurrence.put_at, Occurrence.due_at).label("at"))
        .where(
            Occurrence.plan_asset_id.in_({row.plan_asset_id for row in rows}),
            Occurrence.state.in_(("planned", "released")),
        )
        .order_by(Occurrence.plan_asset_id, "at")
    )
    lines: dict[UUID, list[tuple[UUID, datetime]]] = defaultdict(list)
    for key, machine, at in session.execute(query):
        if at is not None:
            lines[machine].append((key, at))
    found: dict[UUID, tuple[datetime | None, datetime | None]] = {}
    for line in lines.values():
        for place, (key, _) in enumerate(line):
            before = line[place - 1][1] if place else None
            found[key] = (before, line[place + 1][1] if place + 1 < len(line) else None)
    return found
