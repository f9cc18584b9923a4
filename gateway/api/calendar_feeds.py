"""The secret address of one's own calendar, and what it answers to programs that read it without signing in."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import select

from assets.base.errors import Forbidden, NotFound
from assets.people import Person
from gateway.api.deps import Context, Here, Public, no_store
from gateway.notify.feeds import calendar_of_person, feed_of, new_feed
from gateway.notify.rule_models import CalendarFeed

router = APIRouter(prefix="/api/v1", tags=["notifications"])


class CalendarFeedItem(BaseModel):
    """One's own calendar address; the address itself is told once, when it is made."""

    id: UUID
    language: str
    created_at: datetime
    read_at: datetime | None


class CalendarFeeds(BaseModel):
    """One's own calendar address, if there is one."""

    items: list[CalendarFeedItem]
    next: str | None = None


class CalendarFeedMade(CalendarFeedItem):
    """A new address."""

    url: str


def own_person(here: Context) -> Person:
    """Return who asks. Raises Forbidden for a token that is nobody's."""
    person = here.session.get(Person, here.actor.person_id) if here.actor.person_id else None
    if person is None:
        raise Forbidden("this is for people; the token belongs to nobody")
    return person


@router.get("/calendar-feeds", operation_id="list_calendar_feeds")
def list_calendar_feeds(here: Here) -> CalendarFeeds:
    """One's own calendar address."""
    person = own_person(here)
    rows = here.session.scalars(select(CalendarFeed).where(CalendarFeed.person_id == person.id))
    return CalendarFeeds(items=[_item(row) for row in rows])


@router.post("/calendar-feeds", operation_id="create_calendar_feed", status_code=201, dependencies=[Depends(no_store)])
def create_calendar_feed(here: Here) -> CalendarFeedMade:
    """Make one's own calendar address; the one before, if there was one, ends."""
    person = own_person(here)
    token = new_feed(here.session, person, person.language, here.now)
    row = here.session.scalars(select(CalendarFeed).where(CalendarFeed.person_id == person.id)).one()
    url = f"{here.settings.base_url}/api/v1/calendar-feeds/{token}.ics"
    return CalendarFeedMade(**_item(row).model_dump(), url=url)


@router.delete("/calendar-feeds/{feed_id}", operation_id="delete_calendar_feed", status_code=204)
def delete_calendar_feed(feed_id: UUID, here: Here) -> None:
    """End one's own calendar address; whoever reads it finds nothing from now on."""
    person = own_person(here)
    row = here.session.scalar(
        select(CalendarFeed).where(CalendarFeed.id == feed_id, CalendarFeed.person_id == person.id).with_for_update()
    )
    if row is None:
        raise NotFound("no such calendar address", kind="calendar_feed")
    here.session.delete(row)
    here.session.flush()


@router.get(
    "/calendar-feeds/{token}.ics",
    operation_id="read_calendar_feed",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}}},
)
def read_calendar_feed(token: Annotated[str, "secret"], request: Request, here: Public) -> Response:
    """The calendar of whoever the address belongs to: planned visits from a month ago to three months ahead."""
    found = feed_of(here.session, token, here.now)
    if found is None:
        raise NotFound("no such calendar", kind="calendar_feed")
    row, person = found
    body = calendar_of_person(here.session, person, row.language, here.settings.base_url, here.now)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=300", "X-Robots-Tag": "noindex"}
    if tag in (each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = 'inline; filename="visits.ics"'
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


def _item(row: CalendarFeed) -> CalendarFeedItem:
    return CalendarFeedItem(id=row.id, language=row.language, created_at=row.created_at, read_at=row.read_at)
