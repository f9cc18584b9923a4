"""Business calendars over HTTP: when a site or a desk is open, in its own time zone."""

from __future__ import annotations

from datetime import date, datetime
from itertools import islice
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select, tuple_

from assets.base.calendars import Calendar, calendar_of, is_open
from assets.base.errors import Invalid
from assets.base.events import append_event
from assets.base.holiday_days import MAX_YEARS, as_exceptions, countries, holiday_days, is_foreseen
from gateway.api.deps import Here
from gateway.api.edits import IfMatch, Name, locked, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor

router = APIRouter(prefix="/api/v1", tags=["calendars"])

MAX_EXCEPTIONS = 1000  # some years of holidays and shifted days
Spans = Annotated[list[Annotated[list[str], Field(min_length=2, max_length=2)]], Field(max_length=24)]
Hours = dict[Annotated[str, Field(pattern="^[0-6]$")], Spans]
Exceptions = Annotated[
    dict[Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")], Spans], Field(max_length=MAX_EXCEPTIONS)
]
DayNames = Annotated[
    dict[Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")], Annotated[str, Field(max_length=200)]],
    Field(max_length=MAX_EXCEPTIONS),
]
Zone = Annotated[str, Field(min_length=1, max_length=100)]


class HolidaysTaken(BaseModel):
    """Whose holidays were taken over, for which years."""

    country: str
    subdivision: str | None
    years: list[int]


class CalendarItem(BaseModel):
    """Open spans by weekday ("0" is Monday) in the calendar's zone; days in `exceptions` go before.

    Several spans a day leave room for lunch. `day_names` says what the days that differ are called.
    """

    id: UUID
    name: str
    time_zone: str
    hours: Hours
    exceptions: Exceptions
    day_names: dict[str, str]
    holidays: HolidaysTaken | None
    organisation_id: UUID
    version: int


class Calendars(BaseModel):
    """A page of calendars."""

    items: list[CalendarItem]
    next: str | None = None


class NewCalendar(BaseModel):
    """A calendar of one's own organisation; those below may follow it."""

    name: Name
    time_zone: Zone
    hours: Hours
    exceptions: Exceptions = {}
    day_names: DayNames = {}


class CalendarChange(BaseModel):
    """What is to change."""

    name: Name | None = None
    time_zone: Zone | None = None
    hours: Hours | None = None
    exceptions: Exceptions | None = None
    day_names: DayNames | None = None


class HolidayItem(BaseModel):
    """A day off, or one that is worked instead of `works_for`."""

    day: date
    name: str
    works_for: date | None


class HolidayList(BaseModel):
    """A country's days; not `foreseen`: the days worked instead of weekends are not announced yet for all years."""

    items: list[HolidayItem]
    foreseen: bool
    next: str | None = None


class CountryItem(BaseModel):
    """A country whose holidays are known."""

    country: str
    subdivisions: list[str]


class CountryList(BaseModel):
    """The countries."""

    items: list[CountryItem]
    next: str | None = None


class TakeHolidays(BaseModel):
    """Whose holidays to take over. What was entered by hand for a day stays, unless `replace`."""

    country: Annotated[str, Field(min_length=2, max_length=3)]
    subdivision: Annotated[str | None, Field(max_length=20)] = None
    years: Annotated[list[int], Field(min_length=1, max_length=MAX_YEARS)]
    language: Literal["en", "zh"] = "en"
    replace: bool = False


class Openness(BaseModel):
    """Whether it is open at a moment, and when that changes; null: not within two years."""

    at: datetime
    open: bool
    next_change_at: datetime | None


@router.get("/calendars", operation_id="list_calendars")
def list_calendars(here: Here, limit: Limit = 100, after: After = None) -> Calendars:
    """List calendars by name: one's own, those below and those above."""
    here.require("asset.read")
    query = select(Calendar).order_by(Calendar.name, Calendar.id).limit(limit + 1)
    if after is not None:
        name, key = read_cursor(after, str, UUID)
        query = query.where(tuple_(Calendar.name, Calendar.id) > tuple_(name, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].name, page[-1].id) if len(found) > limit else None
    return Calendars(items=[_item(row) for row in page], next=following)


@router.post("/calendars", operation_id="create_calendar", status_code=201)
def create_calendar(body: NewCalendar, here: Here) -> CalendarItem:
    """Add a calendar."""
    here.require("calendar.manage")
    row = Calendar(organisation_id=here.actor.organisation_id, **body.model_dump())
    calendar_of(row)
    here.session.add(row)
    here.session.flush()
    _log(here, row, "created")
    return _item(row)


@router.get("/calendars/{calendar_id}", operation_id="get_calendar")
def get_calendar(calendar_id: UUID, here: Here) -> CalendarItem:
    """One calendar."""
    here.require("asset.read")
    return _item(seen(here, Calendar, calendar_id, "calendar"))


@router.patch("/calendars/{calendar_id}", operation_id="change_calendar")
def change_calendar(calendar_id: UUID, body: CalendarChange, here: Here, if_match: IfMatch = None) -> CalendarItem:
    """Change a calendar."""
    here.require("calendar.manage")
    row = locked(here, Calendar, calendar_id, "calendar", if_match)
    with here.session.no_autoflush:
        for field in body.model_fields_set:
            if (value := getattr(body, field)) is not None:
                setattr(row, field, value)
        calendar_of(row)
    row.version += 1
    here.session.flush()
    _log(here, row, "changed")
    return _item(row)


@router.delete("/calendars/{calendar_id}", operation_id="delete_calendar", status_code=204)
def delete_calendar(calendar_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a calendar; sites that followed it follow none. One that service levels are counted on stays (409)."""
    here.require("calendar.manage")
    row = locked(here, Calendar, calendar_id, "calendar", if_match)
    _log(here, row, "removed")
    here.session.delete(row)
    here.session.flush()


@router.get("/holidays", operation_id="list_holidays")
def list_holidays(
    here: Here,
    country: Annotated[str, Query(min_length=2, max_length=3)],
    year: Annotated[list[int], Query(max_length=MAX_YEARS)],
    subdivision: Annotated[str | None, Query(max_length=20)] = None,
    language: Literal["en", "zh"] = "en",
) -> HolidayList:
    """The public holidays of a country, and the days at weekends that are worked instead."""
    here.require("asset.read")
    days = holiday_days(country, year, subdivision=subdivision, language=language)
    items = [HolidayItem(day=each.day, name=each.name, works_for=each.works_for) for each in days]
    return HolidayList(items=items, foreseen=all(is_foreseen(country, one) for one in year))


@router.get("/holidays/countries", operation_id="list_holiday_countries")
def list_holiday_countries(here: Here) -> CountryList:
    """The countries whose holidays are known."""
    here.require("asset.read")
    return CountryList(items=[CountryItem(country=key, subdivisions=parts) for key, parts in countries().items()])


@router.post("/calendars/{calendar_id}/holidays", operation_id="take_holidays")
def take_holidays(calendar_id: UUID, body: TakeHolidays, here: Here, if_match: IfMatch = None) -> CalendarItem:
    """Take over a country's holidays; taking them twice changes nothing."""
    here.require("calendar.manage")
    row = locked(here, Calendar, calendar_id, "calendar", if_match)
    days = holiday_days(body.country, body.years, subdivision=body.subdivision, language=body.language)
    exceptions, names = as_exceptions(days, row.hours, {} if body.replace else row.exceptions)
    taken = row.holidays or {}
    same = (taken.get("country"), taken.get("subdivision")) == (body.country, body.subdivision)
    years = sorted({*body.years, *(taken.get("years", []) if same else [])})
    with here.session.no_autoflush:
        row.exceptions = dict(sorted((row.exceptions | exceptions).items()))
        row.day_names = dict(sorted((row.day_names | names).items()))
        row.holidays = {"country": body.country, "subdivision": body.subdivision, "years": years}
        if len(row.exceptions) > MAX_EXCEPTIONS:
            raise Invalid(f"at most {MAX_EXCEPTIONS} days that differ", field="years", limit=MAX_EXCEPTIONS)
        calendar_of(row)
    row.version += 1
    here.session.flush()
    _log(here, row, "changed")
    return _item(row)


@router.get("/calendars/{calendar_id}/open", operation_id="get_calendar_open")
def get_calendar_open(calendar_id: UUID, here: Here, at: Annotated[AwareDatetime | None, Query()] = None) -> Openness:
    """Whether the calendar is open at a moment (left out: now)."""
    here.require("asset.read")
    calendar, moment = calendar_of(seen(here, Calendar, calendar_id, "calendar")), at or here.now
    if not is_open(calendar, moment):
        opens = next((start for start, _ in calendar.spans(moment) if start > moment), None)
        return Openness(at=moment, open=False, next_change_at=opens)
    closes = moment
    for start, end in islice(calendar.spans(moment), 1000):  # spans that touch are one
        if start > closes:
            break
        closes = max(closes, end)
    return Openness(at=moment, open=True, next_change_at=closes)


def _log(here: Here, row: Calendar, word: str) -> None:
    append_event(
        here.session,
        f"calendar.{word}",
        at=here.now,
        organisation_id=row.organisation_id,
        subject_kind="calendar",
        subject_id=row.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"name": row.name},
        first=word == "created",
    )


def _item(row: Calendar) -> CalendarItem:
    return CalendarItem(
        id=row.id,
        name=row.name,
        time_zone=row.time_zone,
        hours=row.hours,
        exceptions=row.exceptions,
        day_names=row.day_names,
        holidays=HolidaysTaken.model_validate(row.holidays) if row.holidays else None,
        organisation_id=row.organisation_id,
        version=row.version,
    )
