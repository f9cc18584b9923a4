"""Shifts over HTTP: weekly patterns, and which people and teams follow them."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, or_, select, tuple_

from assets.base.calendars import Calendar
from assets.base.errors import Invalid
from assets.people import Person
from gateway.api.calendars import Hours, Zone
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, Ref, contains, locked, named, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ticketing.people.patterns import MAX_LUNCH_MINUTES, MAX_OVERTIME_MINUTES, MAX_WEEKS
from ticketing.people.shifts import assign, keep_shift, unassign
from ticketing.people.tables import Shift, ShiftAssignment, Team

router = APIRouter(prefix="/api/v1", tags=["people"])

Weeks = Annotated[list[Hours], Field(min_length=1, max_length=MAX_WEEKS)]
Lunch = Annotated[int, Field(ge=0, le=MAX_LUNCH_MINUTES)]
Overtime = Annotated[int, Field(ge=0, le=MAX_OVERTIME_MINUTES)]


class ShiftItem(BaseModel):
    """A pattern: weeks that take turns, each by weekday ("0" is Monday); lunch somewhere between two times."""

    id: UUID
    name: str
    time_zone: str
    weeks: list[dict[str, Any]]
    lunch_minutes: int
    lunch_from: time | None
    lunch_until: time | None
    overtime_minutes: int
    calendar: Ref | None
    people: int
    teams: int
    archived_at: datetime | None
    organisation_id: UUID
    version: int


class Shifts(BaseModel):
    """A page of shifts."""

    items: list[ShiftItem]
    next: str | None = None


class NewShift(BaseModel):
    """A shift of one's own organisation; those below it may follow it."""

    name: Name
    time_zone: Zone
    weeks: Weeks
    lunch_minutes: Lunch = 0
    lunch_from: time | None = None
    lunch_until: time | None = None
    overtime_minutes: Overtime = 0
    calendar_id: UUID | None = None


class ShiftChange(BaseModel):
    """What is to change; null takes away."""

    name: Name | None = None
    time_zone: Zone | None = None
    weeks: Weeks | None = None
    lunch_minutes: Lunch | None = None
    lunch_from: time | None = None
    lunch_until: time | None = None
    overtime_minutes: Overtime | None = None
    calendar_id: UUID | None = None
    archived: bool | None = None


class AssignmentItem(BaseModel):
    """A person or a team follows a shift, both days included."""

    id: UUID
    shift: Ref
    person: Ref | None
    team: Ref | None
    valid_from: date
    valid_until: date | None


class Assignments(BaseModel):
    """A page of assignments."""

    items: list[AssignmentItem]
    next: str | None = None


class NewAssignment(BaseModel):
    """Who follows the shift from which day on."""

    person_id: UUID | None = None
    team_id: UUID | None = None
    valid_from: date
    valid_until: date | None = None


@router.get("/shifts", operation_id="list_shifts")
def list_shifts(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    archived: bool = False,
    limit: Limit = 200,
    after: After = None,
) -> Shifts:
    """List shifts by name."""
    here.require("technician.read")
    query = select(Shift).order_by(Shift.name, Shift.id).limit(limit + 1)
    if not archived:
        query = query.where(Shift.archived_at.is_(None))
    if q:
        query = query.where(Shift.name.ilike(contains(q)))
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(Shift.name, Shift.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    return Shifts(items=_items(here, page), next=following)


@router.post("/shifts", operation_id="create_shift", status_code=201)
def create_shift(body: NewShift, here: Here) -> ShiftItem:
    """Add a shift."""
    here.require("shift.manage")
    named(here, Calendar, body.calendar_id, "calendar_id")
    shift = Shift(organisation_id=here.actor.organisation_id, version=1, **_plain(body.model_dump()))
    keep_shift(here.session, shift, here.now, word="added", by=here.actor)
    return _items(here, [shift])[0]


@router.get("/shifts/{shift_id}", operation_id="get_shift")
def get_shift(shift_id: UUID, here: Here) -> ShiftItem:
    """One shift."""
    here.require("technician.read")
    return _items(here, [seen(here, Shift, shift_id, "shift")])[0]


@router.patch("/shifts/{shift_id}", operation_id="change_shift")
def change_shift(shift_id: UUID, body: ShiftChange, here: Here, if_match: IfMatch = None) -> ShiftItem:
    """Change a shift, for everybody who follows it."""
    here.require("shift.manage")
    shift = locked(here, Shift, shift_id, "shift", if_match)
    named(here, Calendar, body.calendar_id, "calendar_id")
    nullable = {"lunch_from", "lunch_until", "calendar_id"}
    with here.session.no_autoflush:
        for field, value in _plain(body.model_dump(include=body.model_fields_set - {"archived"})).items():
            if value is not None or field in nullable:
                setattr(shift, field, value)
        if body.archived is not None:
            shift.archived_at = (shift.archived_at or here.now) if body.archived else None
        shift.version += 1
        keep_shift(here.session, shift, here.now, word="changed", by=here.actor)
    return _items(here, [shift])[0]


@router.get("/shift-assignments", operation_id="list_shift_assignments")
def list_shift_assignments(
    here: Here,
    shift_id: UUID | None = None,
    person_id: UUID | None = None,
    team_id: UUID | None = None,
    past: bool = False,
    limit: Limit = 200,
    after: After = None,
) -> Assignments:
    """List who follows which shift, oldest first; with `past` also what has ended."""
    here.require("technician.read")
    query = select(ShiftAssignment).order_by(ShiftAssignment.id).limit(limit + 1)
    for column, value in (
        (ShiftAssignment.shift_id, shift_id),
        (ShiftAssignment.person_id, person_id),
        (ShiftAssignment.team_id, team_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if not past:
        lasting = or_(ShiftAssignment.valid_until.is_(None), ShiftAssignment.valid_until >= here.now.date())
        query = query.where(lasting)
    if after is not None:
        query = query.where(ShiftAssignment.id > read_cursor(after, UUID)[0])
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].id) if len(found) > limit else None
    return Assignments(items=_assignments(here, page), next=following)


@router.post("/shifts/{shift_id}/assignments", operation_id="assign_shift", status_code=201)
def assign_shift(shift_id: UUID, body: NewAssignment, here: Here) -> AssignmentItem:
    """Let a person or a team follow a shift; a person's own goes before the team's, a later one before an earlier."""
    here.require("shift.manage")
    shift = seen(here, Shift, shift_id, "shift")
    person = named(here, Person, body.person_id, "person_id")
    team = named(here, Team, body.team_id, "team_id")
    if (person is None) == (team is None):
        raise Invalid("a person or a team follows a shift", field="person_id")
    of = person or team
    assert of is not None
    made = assign(
        here.session, shift, of, here.now, valid_from=body.valid_from, valid_until=body.valid_until, by=here.actor
    )
    return _assignments(here, [made])[0]


@router.delete("/shift-assignments/{assignment_id}", operation_id="end_shift_assignment", status_code=204)
def end_shift_assignment(assignment_id: UUID, here: Here, last: Annotated[date | None, Query()] = None) -> None:
    """End an assignment with the day `last`; without it, take it back as if it had never been."""
    here.require("shift.manage")
    made = locked(here, ShiftAssignment, assignment_id, "shift_assignment")
    unassign(here.session, made, here.now, last=last, by=here.actor)


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as they are stored; clock times of a calendar's own have no zone."""
    for name in ("lunch_from", "lunch_until"):
        if (clock := fields.get(name)) is not None and clock.tzinfo is not None:
            raise Invalid("clock times have no zone of their own", field=name)
    return fields


def _items(here: Context, shifts: list[Shift]) -> list[ShiftItem]:
    keys = [shift.id for shift in shifts]
    counted = (
        select(ShiftAssignment.shift_id, func.count(ShiftAssignment.person_id), func.count(ShiftAssignment.team_id))
        .where(ShiftAssignment.shift_id.in_(keys))
        .where(or_(ShiftAssignment.valid_until.is_(None), ShiftAssignment.valid_until >= here.now.date()))
        .group_by(ShiftAssignment.shift_id)
    )
    follow = {key: (int(people), int(teams)) for key, people, teams in here.session.execute(counted)}
    calendars = _names(here, Calendar, {shift.calendar_id for shift in shifts if shift.calendar_id})
    return [
        ShiftItem(
            id=shift.id,
            name=shift.name,
            time_zone=shift.time_zone,
            weeks=shift.weeks,
            lunch_minutes=shift.lunch_minutes,
            lunch_from=shift.lunch_from,
            lunch_until=shift.lunch_until,
            overtime_minutes=shift.overtime_minutes,
            calendar=calendars.get(shift.calendar_id) if shift.calendar_id else None,
            people=follow.get(shift.id, (0, 0))[0],
            teams=follow.get(shift.id, (0, 0))[1],
            archived_at=shift.archived_at,
            organisation_id=shift.organisation_id,
            version=shift.version,
        )
        for shift in shifts
    ]


def _assignments(here: Context, made: list[ShiftAssignment]) -> list[AssignmentItem]:
    shifts = _names(here, Shift, {each.shift_id for each in made})
    people = _names(here, Person, {each.person_id for each in made if each.person_id})
    teams = _names(here, Team, {each.team_id for each in made if each.team_id})
    return [
        AssignmentItem(
            id=each.id,
            shift=shifts.get(each.shift_id) or Ref(id=each.shift_id, name="—"),
            person=people.get(each.person_id) if each.person_id else None,
            team=teams.get(each.team_id) if each.team_id else None,
            valid_from=each.valid_from,
            valid_until=each.valid_until,
        )
        for each in made
    ]


def _names(
    here: Context, kind: type[Calendar] | type[Shift] | type[Person] | type[Team], keys: set[UUID]
) -> dict[UUID, Ref]:
    rows = here.session.execute(select(kind.id, kind.name).where(kind.id.in_(keys)))
    return {key: Ref(id=key, name=name) for key, name in rows}
