"""Staffing gaps: weeks in which those who can do it lack hours; each is told once, and once more when it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import any_, literal, select
from sqlalchemy.orm import Session

from assets.base.events import append_event
from assets.people import Organisation
from maintenance.forecasts.asking import Cell, Question, forecast
from maintenance.forecasts.planned import Where
from maintenance.forecasts.staffing import Skill
from maintenance.forecasts.tables import CapacityWeek, PlannedHours, StaffingGap
from maintenance.forecasts.weeks import monday
from ticketing.people.tables import Team

AHEAD = 26  # weeks: people can still be found
LEAST_MINUTES = 60  # less than an hour is no gap
AGAIN = timedelta(days=1)  # what closed and opens again within so long is told no second time


def keep_gaps(session: Session, organisation_id: UUID, now: datetime) -> int:
    """Bring the gaps of an organisation, with all below it, up to date; return how many are open."""
    below = tuple(
        session.scalars(select(Organisation.id).where(literal(organisation_id) == any_(Organisation.ancestors)))
    )
    first = monday(now.date())
    found: dict[tuple[date, UUID | None, str, int], Cell] = {}
    whole = forecast(session, now, Question(first, AHEAD, Where(organisation_ids=below)))
    # Without anybody's hours there is nothing to compare with.
    if whole.people:
        _collect(found, None, whole.by_level)
        for team_id in _teams(session, organisation_id, below):
            told = forecast(session, now, Question(first, AHEAD, Where(team_id=team_id, organisation_ids=below)))
            if told.people:
                _collect(found, team_id, told.by_level)
    return _store(session, organisation_id, found, now)


def _collect(
    found: dict[tuple[date, UUID | None, str, int], Cell],
    team_id: UUID | None,
    cells: Mapping[tuple[date, Skill], Cell],
) -> None:
    for (week, (skill, level)), cell in cells.items():
        if cell.missing >= LEAST_MINUTES:
            found[(week, team_id, skill, level)] = cell


def _teams(session: Session, organisation_id: UUID, below: tuple[UUID, ...]) -> list[UUID]:
    """The organisation's own teams that planned work names."""
    named = select(PlannedHours.team_id).where(PlannedHours.organisation_id.in_(below))
    mine = select(Team.id).where(
        Team.organisation_id == organisation_id, Team.archived_at.is_(None), Team.id.in_(named)
    )
    return list(session.scalars(mine.order_by(Team.id).limit(200)))


def _store(
    session: Session, organisation_id: UUID, found: Mapping[tuple[date, UUID | None, str, int], Cell], now: datetime
) -> int:
    query = select(StaffingGap).where(
        StaffingGap.organisation_id == organisation_id, StaffingGap.week >= monday(now.date())
    )
    held: dict[tuple[date, UUID | None, str, int], StaffingGap] = {}
    for one in session.scalars(query.order_by(StaffingGap.opened_at)):
        held[(one.week, one.team_id, one.skill, one.level)] = one
    for key, cell in found.items():
        row = held.get(key)
        told = row is not None and (row.closed_at is None or now - row.closed_at < AGAIN)
        if row is None or (row.closed_at is not None and not told):
            row = StaffingGap(
                organisation_id=organisation_id, week=key[0], team_id=key[1], skill=key[2], level=key[3], opened_at=now
            )
            session.add(row)
        _write(row, cell, now)
        if not told:
            session.flush()
            _log(session, row, "staffing_gap.opened", now)
    over = select(StaffingGap).where(StaffingGap.organisation_id == organisation_id, StaffingGap.closed_at.is_(None))
    session.flush()
    for gap in session.scalars(over).all():
        if (gap.week, gap.team_id, gap.skill, gap.level) not in found:
            gap.closed_at = now
            if gap.week >= monday(now.date()):  # a week that has passed closes without a word
                _log(session, gap, "staffing_gap.closed", now)
    return len(found)


def _write(row: StaffingGap, cell: Cell, now: datetime) -> None:
    values: dict[str, Any] = {
        "needed_minutes": round(cell.mean),
        "needed_high_minutes": round(cell.high),
        "capacity_minutes": cell.capacity,
        "missing_minutes": cell.missing,
        "missing_high_minutes": cell.missing_high,
        "made_of": {"plans": cell.planned, "predictions": round(cell.predicted), "demand": round(cell.demand)},
        "closed_at": None,
    }
    if any(getattr(row, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(row, name, value)
        row.changed_at = now


def _log(session: Session, row: StaffingGap, kind: str, now: datetime) -> None:
    team = session.get(Team, row.team_id) if row.team_id is not None else None
    append_event(
        session,
        kind,
        at=now,
        organisation_id=row.organisation_id,
        subject_kind="staffing_gap",
        subject_id=row.id,
        actor_kind="system",
        payload={
            "week": row.week.isoformat(),
            "skill": row.skill,
            "level": row.level,
            "team_id": str(row.team_id) if row.team_id is not None else None,
            "team": team.name if team is not None else None,
            "missing_hours": round(row.missing_minutes / 60, 1),
            "missing_hours_high": round(row.missing_high_minutes / 60, 1),
            "needed_hours": round(row.needed_minutes / 60, 1),
            "capacity_hours": round(row.capacity_minutes / 60, 1),
            "hours_of": {name: round(minutes / 60, 1) for name, minutes in row.made_of.items()},
        },
    )


def watched(session: Session) -> list[UUID]:
    """Return the organisations that have people whose hours are known."""
    return list(session.scalars(select(CapacityWeek.organisation_id).distinct()))
