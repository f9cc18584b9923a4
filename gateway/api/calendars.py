"""Business calendars over HTTP: when a site or a desk is open, in its own time zone."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select, tuple_

from assets.base.calendars import Calendar, calendar_of, is_open
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
Zone = Annotated[str, Field(min_length=1, max_length=100)]


class CalendarItem(BaseModel):
    """Open spans by weekday ("0" is Monday) in the calendar's zone; days in `exceptions` go before."""

    id: UUID
    name: str
    time_zone: str
    hours: Hours
    exceptions: Exceptions
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


class CalendarChange(BaseModel):
    """What is to change."""

    name: Name | None = None
    time_zone: Zone | None = None
    hours: Hours | None = None
    exceptions: Exceptions | None = None


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
    return _item(row)


@router.delete("/calendars/{calendar_id}", operation_id="delete_calendar", status_code=204)
def delete_calendar(calendar_id: UUID, here: Here, if_match: IfMatch = None) -> None:
    """Remove a calendar; sites that followed it follow none."""
    here.require("calendar.manage")
    here.session.delete(locked(here, Calendar, calendar_id, "calendar", if_match))
    here.session.flush()


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


def _item(row: Calendar) -> CalendarItem:
    return CalendarItem(
        id=row.id,
        name=row.name,
        time_zone=row.time_zone,
        hours=row.hours,
        exceptions=row.exceptions,
        organisation_id=row.organisation_id,
        version=row.version,
    )
