"""When people can work, from their shifts, teams, calendars and absences: one query for each kind of row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from assets.base.calendars import Calendar
from ticketing.people.patterns import Pattern, read_exceptions, read_lunch, read_weeks, read_zone
from ticketing.people.tables import Absence, Shift, ShiftAssignment, TeamMember, TechnicianProfile
from ticketing.people.working import Assigned, Lunch, Moments, WorkingLife, WorkSpan, working_spans

__all__ = ["Lunch", "WorkSpan", "availability", "lives", "pattern_of"]


def availability(
    session: Session, person_ids: Iterable[UUID], start: datetime, end: datetime, *, absences: bool = True
) -> list[WorkSpan]:
    """Return when people can work within [start, end), by person and start; approved absences are taken out.

    Who has no shift has no span. `absences=False` leaves absences in. Raises Invalid for more than 400 days.
    """
    found = lives(session, person_ids, start, end, absences=absences)
    return [span for life in found for span in working_spans(life, start, end)]


def lives(
    session: Session, person_ids: Iterable[UUID], start: datetime, end: datetime, *, absences: bool = True
) -> list[WorkingLife]:
    """Return what says when each of the people works, by person."""
    people = sorted(set(person_ids))
    if not people or end <= start:
        return []
    members = _memberships(session, people)
    assigned = _assignments(session, people, {each.team_id for each in members})
    patterns = _patterns(session, {each.shift_id for each in assigned})
    away = _absences(session, people, start, end) if absences else {}
    own: dict[UUID, list[Assigned]] = defaultdict(list)
    of_team: dict[UUID, list[ShiftAssignment]] = defaultdict(list)
    for each in assigned:
        if each.shift_id not in patterns:
            continue
        if each.person_id is not None:
            own[each.person_id].append(Assigned(patterns[each.shift_id], each.valid_from, each.valid_until))
        elif each.team_id is not None:
            of_team[each.team_id].append(each)
    teams: dict[UUID, list[Assigned]] = defaultdict(list)
    for member in members:
        for each in of_team[member.team_id]:
            joined = Assigned(
                patterns[each.shift_id], each.valid_from, each.valid_until, member.valid_from, member.valid_to
            )
            teams[member.person_id].append(joined)
    overtime = _overtime(session, people)
    return [
        WorkingLife(person, own[person], teams[person], away.get(person, ()), overtime.get(person)) for person in people
    ]


def pattern_of(shift: Shift, calendar: Calendar | None) -> Pattern:
    """Return a stored shift as rules read it. Raises Invalid."""
    return Pattern(
        id=shift.id,
        zone=read_zone(shift.time_zone),
        weeks=read_weeks(shift.weeks),
        lunch=read_lunch(shift.lunch_from, shift.lunch_until, shift.lunch_minutes),
        overtime_minutes=shift.overtime_minutes,
        exceptions=read_exceptions(calendar.exceptions) if calendar else {},
    )


def _memberships(session: Session, people: Sequence[UUID]) -> list[TeamMember]:
    return list(session.scalars(select(TeamMember).where(TeamMember.person_id.in_(people)).order_by(TeamMember.id)))


def _assignments(session: Session, people: Sequence[UUID], teams: set[UUID]) -> list[ShiftAssignment]:
    about = or_(ShiftAssignment.person_id.in_(people), ShiftAssignment.team_id.in_(teams))
    return list(session.scalars(select(ShiftAssignment).where(about).order_by(ShiftAssignment.id)))


def _patterns(session: Session, shifts: set[UUID]) -> dict[UUID, Pattern]:
    joined = select(Shift, Calendar).outerjoin(Calendar, Calendar.id == Shift.calendar_id).where(Shift.id.in_(shifts))
    return {shift.id: pattern_of(shift, calendar) for shift, calendar in session.execute(joined)}


def _absences(session: Session, people: Sequence[UUID], start: datetime, end: datetime) -> dict[UUID, list[Moments]]:
    query = select(Absence.person_id, Absence.starts_at, Absence.ends_at).where(
        Absence.person_id.in_(people), Absence.state == "approved", Absence.starts_at < end, Absence.ends_at > start
    )
    found: dict[UUID, list[Moments]] = defaultdict(list)
    for person, begins, ends in session.execute(query):
        found[person].append((begins.astimezone(UTC), ends.astimezone(UTC)))
    return found


def _overtime(session: Session, people: Sequence[UUID]) -> dict[UUID, int | None]:
    query = select(TechnicianProfile.person_id, TechnicianProfile.overtime_minutes)
    return {
        person: minutes for person, minutes in session.execute(query.where(TechnicianProfile.person_id.in_(people)))
    }
