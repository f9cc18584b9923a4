"""Shifts: weekly patterns that people and teams follow from one day to another."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.calendars import Calendar
from assets.base.errors import Conflict, Invalid
from assets.people import Organisation, Person
from ticketing.people.availability import pattern_of
from ticketing.people.logging import key, log
from ticketing.people.patterns import MAX_OVERTIME_MINUTES
from ticketing.people.tables import Shift, ShiftAssignment, Team

MAX_ASSIGNMENTS = 200  # of one person or team at once; more is a roster that belongs into a rotation


def keep_shift(session: Session, shift: Shift, now: datetime, *, word: str, by: Actor | None) -> Shift:
    """Keep a shift, new (`word` added) or changed. Raises Invalid, and Conflict for a name that is taken."""
    with session.no_autoflush:
        calendar = session.get(Calendar, shift.calendar_id) if shift.calendar_id else None
        if shift.calendar_id is not None and calendar is None:
            raise Invalid("there is no such calendar", field="calendar_id")
        pattern_of(shift, calendar)
        if not 0 <= shift.overtime_minutes <= MAX_OVERTIME_MINUTES:
            raise Invalid(f"overtime is 0 to {MAX_OVERTIME_MINUTES} minutes", field="overtime_minutes")
        taken = select(Shift.id).where(Shift.organisation_id == shift.organisation_id, Shift.name == shift.name)
        if session.scalar(taken.where(Shift.id != shift.id)) is not None:
            raise Conflict(f"there is a shift {shift.name!r} already", name=shift.name)
    session.add(shift)
    session.flush()
    log(session, f"shift.{word}", subject=shift, word="shift", now=now, by=by, payload={"name": shift.name})
    return shift


def assign(
    session: Session,
    shift: Shift,
    of: Person | Team,
    now: datetime,
    *,
    valid_from: date,
    valid_until: date | None = None,
    by: Actor | None = None,
) -> ShiftAssignment:
    """Let a person or a team follow a shift. Raises Invalid for a shift of others, Conflict for the same again."""
    if valid_until is not None and valid_until < valid_from:
        raise Invalid("it ends after it begins", field="valid_until")
    if shift.archived_at is not None:
        raise Invalid("this shift is archived", field="shift_id")
    owner = session.get(Organisation, of.organisation_id)
    if owner is None or shift.organisation_id not in owner.ancestors:
        raise Invalid("this shift belongs to another organisation", field="shift_id")
    column = ShiftAssignment.person_id if isinstance(of, Person) else ShiftAssignment.team_id
    same = select(ShiftAssignment.id).where(
        column == of.id, ShiftAssignment.shift_id == shift.id, ShiftAssignment.valid_from == valid_from
    )
    if session.scalar(same) is not None:
        raise Conflict("they follow this shift from that day on already", shift_id=str(shift.id))
    if (session.scalar(select(func.count()).where(column == of.id)) or 0) >= MAX_ASSIGNMENTS:
        raise Conflict(f"at most {MAX_ASSIGNMENTS} assignments of shifts", limit=MAX_ASSIGNMENTS)
    made = ShiftAssignment(
        organisation_id=of.organisation_id,
        shift_id=shift.id,
        person_id=of.id if isinstance(of, Person) else None,
        team_id=of.id if isinstance(of, Team) else None,
        valid_from=valid_from,
        valid_until=valid_until,
        created_at=now,
    )
    session.add(made)
    session.flush()
    _log(session, "shift.assigned", made, now, by)
    return made


def unassign(
    session: Session, made: ShiftAssignment, now: datetime, *, last: date | None = None, by: Actor | None
) -> None:
    """End an assignment with the day `last`; without it, or before it began, take it back."""
    _log(session, "shift.unassigned", made, now, by, last)
    if last is None or last < made.valid_from:
        session.delete(made)
    else:
        made.valid_until = last
    session.flush()


def shift_in_use(session: Session, shift_id: UUID, today: date) -> bool:
    """Return whether somebody follows a shift today or later."""
    lasting = or_(ShiftAssignment.valid_until.is_(None), ShiftAssignment.valid_until >= today)
    return session.scalar(select(ShiftAssignment.id).where(ShiftAssignment.shift_id == shift_id, lasting)) is not None


def _log(
    session: Session, kind: str, made: ShiftAssignment, now: datetime, by: Actor | None, last: date | None = None
) -> None:
    until = last or made.valid_until
    payload = {
        "shift_id": key(made.shift_id),
        "person_id": key(made.person_id),
        "team_id": key(made.team_id),
        "from": str(made.valid_from),
        "until": str(until) if until else None,
    }
    log(session, kind, subject=made, word="shift_assignment", now=now, by=by, payload=payload)
