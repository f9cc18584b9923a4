"""Timesheets over HTTP: available, planned and worked hours by day, week and month, down to the visits."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel
from sqlalchemy import Select, select, tuple_

from assets.base.access import may
from assets.base.errors import Forbidden, NotFound
from assets.people import Person
from gateway.api.deps import Context, Here
from gateway.api.edits import Ref, contains
from gateway.api.pages import After, cursor_of, read_cursor
from gateway.api.sheets import Format, sheet_file
from ticketing.people.tables import TeamMember
from ticketing.people.teams import member_at
from ticketing.technicians import MAX_LIST, sent_people
from ticketing.timesheets import Entry, Hours, check_range, entries, numbers_of, timesheets

router = APIRouter(prefix="/api/v1", tags=["people"])

Period = Literal["day", "week", "month"]
Day = Annotated[date, Query()]
FORMULA = {
    "available": "shifts - lunch - holidays - approved absences",
    "planned": "sum of planned_end - planned_start of visits that are not cancelled",
    "worked": "labour lines of the visit, else its end - begin - breaks; labour without a visit",
    "travel": "travel lines of the visit, else begin - setting out",
}
_HEADINGS = {
    "en": ("Person", "Period", "Available h", "Planned h", "Worked h", "Travel h", "Visits", "Load %", "Used %"),
    "zh": ("人员", "周期", "可用工时", "计划工时", "实际工时", "路途工时", "上门次数", "负荷 %", "利用率 %"),
}


class HoursItem(BaseModel):
    """Minutes in one period. `load` is planned by available, `used` worked and travel by available; null: none."""

    period: date
    available_minutes: float
    planned_minutes: float
    worked_minutes: float
    travel_minutes: float
    visits: int
    load: float | None
    used: float | None


class TimesheetItem(BaseModel):
    """One person's periods, and their sum."""

    person: Ref
    periods: list[HoursItem]
    total: HoursItem


class Timesheets(BaseModel):
    """A page of people with their hours; `formula` says how each figure is made."""

    items: list[TimesheetItem]
    next: str | None = None
    formula: dict[str, str] = FORMULA


class HoursEntry(BaseModel):
    """A row that a figure comes from."""

    day: date
    figure: Literal["planned", "worked", "travel"]
    source: Literal["visit", "line"]
    minutes: float
    work_order_id: UUID
    number: str | None
    visit_id: UUID | None
    line_id: UUID | None
    starts_at: datetime | None
    ends_at: datetime | None


class HoursEntries(BaseModel):
    """The rows that a person's hours come from, by day."""

    items: list[HoursEntry]
    next: str | None = None


@router.get("/timesheets", operation_id="list_timesheets")
def list_timesheets(
    here: Here,
    from_: Annotated[date, Query(alias="from")],
    until: Day,
    period: Period = "day",
    person_id: UUID | None = None,
    team_id: UUID | None = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: After = None,
) -> Timesheets:
    """Hours of people on the days from `from` to `until`, by name; others than the desk see their own."""
    query = _people(here, person_id, team_id, q).limit(limit + 1)
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(Person.name, Person.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    hours = timesheets(here.session, [person.id for person in page], from_, until, period, here.now)
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    items = [
        _sheet(person, {day: of for (key, day), of in hours.items() if key == person.id}, from_) for person in page
    ]
    return Timesheets(items=items, next=following)


@router.get("/timesheets/export", operation_id="export_timesheets", response_class=FileResponse)
def export_timesheets(
    here: Here,
    from_: Annotated[date, Query(alias="from")],
    until: Day,
    period: Period = "day",
    person_id: UUID | None = None,
    team_id: UUID | None = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
    format: Format = "csv",
    language: Literal["en", "zh"] = "en",
) -> FileResponse:
    """The same hours as a file, a row for each person and period."""
    people = list(here.session.scalars(_people(here, person_id, team_id, q).limit(MAX_LIST)))
    hours = timesheets(here.session, [person.id for person in people], from_, until, period, here.now)
    names = {person.id: person.name for person in people}
    rows = (_row(names[key], day, of) for (key, day), of in hours.items())
    return sheet_file(f"timesheets-{from_}-{until}", _HEADINGS[language], rows, format, title="Timesheets")


@router.get("/timesheets/{person_id}/entries", operation_id="list_timesheet_entries")
def list_timesheet_entries(
    person_id: UUID, here: Here, from_: Annotated[date, Query(alias="from")], until: Day
) -> HoursEntries:
    """The visits and lines that a person's planned, worked and travel hours come from."""
    person = here.session.scalar(_people(here, person_id, None, None))
    if person is None:
        raise NotFound("no such technician", kind="person")
    check_range(1, from_, until)
    found = entries(here.session, [person.id], from_, until, here.now)
    numbers = numbers_of(here.session, {entry.work_order_id for entry in found})
    return HoursEntries(items=[_entry(entry, numbers) for entry in found])


def _people(here: Context, person_id: UUID | None, team_id: UUID | None, q: str | None) -> Select[Any]:
    """Return the query for whose hours the actor may read. Raises Forbidden for others'."""
    query = select(Person).where(Person.id.in_(sent_people())).order_by(Person.name, Person.id)
    if may(here.actor, "timesheet.read"):
        query = query.where(Person.id == person_id) if person_id else query.where(Person.disabled_at.is_(None))
    else:
        here.require("timesheet.own")
        if person_id not in (None, here.actor.person_id):
            raise Forbidden("one reads one's own hours; the desk reads all", action="timesheet.read")
        query = query.where(Person.id == (here.actor.person_id or UUID(int=0)))
    if team_id is not None:
        of = select(TeamMember.person_id).where(TeamMember.team_id == team_id, member_at(here.now))
        query = query.where(Person.id.in_(of))
    return query.where(Person.name.ilike(contains(q))) if q else query


def _sheet(person: Person, periods: dict[date, Hours], first: date) -> TimesheetItem:
    total = Hours()
    for of in periods.values():
        total.available += of.available
        total.planned += of.planned
        total.worked += of.worked
        total.travel += of.travel
        total.visits |= of.visits
    shown = [_hours(day, of) for day, of in sorted(periods.items())]
    return TimesheetItem(person=Ref(id=person.id, name=person.name), periods=shown, total=_hours(first, total))


def _hours(day: date, of: Hours) -> HoursItem:
    load, used = of.load(), of.used()
    return HoursItem(
        period=day,
        available_minutes=round(of.available, 1),
        planned_minutes=round(of.planned, 1),
        worked_minutes=round(of.worked, 1),
        travel_minutes=round(of.travel, 1),
        visits=len(of.visits),
        load=round(load, 3) if load is not None else None,
        used=round(used, 3) if used is not None else None,
    )


def _row(name: str, day: date, of: Hours) -> list[Any]:
    load, used = of.load(), of.used()
    shares = [round(share * 100, 1) if share is not None else None for share in (load, used)]
    minutes = (of.available, of.planned, of.worked, of.travel)
    return [name, day, *(round(each / 60, 2) for each in minutes), len(of.visits), *shares]


def _entry(entry: Entry, numbers: dict[UUID, str]) -> HoursEntry:
    return HoursEntry(
        day=entry.day,
        figure=entry.figure,  # type: ignore[arg-type]
        source=entry.source,  # type: ignore[arg-type]
        minutes=round(entry.minutes, 1),
        work_order_id=entry.work_order_id,
        number=numbers.get(entry.work_order_id),
        visit_id=entry.visit_id,
        line_id=entry.line_id,
        starts_at=entry.starts_at,
        ends_at=entry.ends_at,
    )
