"""The timeline of an asset: everything that happened to it, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select, tuple_

from assets.base.events import Event
from assets.people import Person
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from ticketing.models import WorkOrder

router = APIRouter(prefix="/api/v1", tags=["assets"])

INTERNAL = frozenset(
    {"note", "reason", "person_id", "person", "repair_code", "assignee", "technician_id", "devices", "from_id", "to_id"}
)


class TimelineActor(BaseModel):
    """Who did it."""

    kind: str
    name: str | None


class TimelineOrder(BaseModel):
    """The work order that an entry is about."""

    id: UUID
    number: str


class TimelineItem(BaseModel):
    """One thing that happened."""

    id: int
    at: datetime
    kind: str
    actor: TimelineActor
    payload: dict[str, Any]
    work_order: TimelineOrder | None


class Timeline(BaseModel):
    """A page of the timeline, newest first."""

    items: list[TimelineItem]
    next: str | None


@router.get("/assets/{asset_id}/timeline", operation_id="get_timeline")
def get_timeline(asset_id: UUID, here: Here, limit: Limit = 50, after: After = None) -> Timeline:
    """Everything that happened to the asset, newest first."""
    here.require("event.read")
    seen(here, Asset, asset_id, "asset")
    statement = select(Event).where(Event.asset_id == asset_id)
    statement = statement.order_by(Event.at.desc(), Event.id.desc()).limit(limit + 1)
    if after:
        at, number = read_cursor(after, datetime.fromisoformat, int)
        statement = statement.where(tuple_(Event.at, Event.id) < tuple_(at, number))
    rows = list(here.session.scalars(statement))
    page = rows[:limit]
    return Timeline(
        items=timeline_items(here, page),
        next=cursor_of(page[-1].at.isoformat(), page[-1].id) if len(rows) > limit else None,
    )


def timeline_items(here: Context, events: list[Event]) -> list[TimelineItem]:
    """Return events with the names that they refer to."""
    people = {e.actor_id for e in events if e.actor_kind == "person" and e.actor_id}
    staff = here.actor.roles != {"customer"}  # customers see what was done, not who did it
    names: dict[UUID, str] = {}
    if staff and people:
        names = {
            key: name for key, name in here.session.execute(select(Person.id, Person.name).where(Person.id.in_(people)))
        }
    orders = [e.subject_id for e in events if e.subject_kind == "work_order"]
    numbers: dict[UUID, str] = {}
    if orders:
        rows = here.session.execute(select(WorkOrder.id, WorkOrder.number).where(WorkOrder.id.in_(orders)))
        numbers = {key: number for key, number in rows}
    return [
        TimelineItem(
            id=e.id,
            at=e.at,
            kind=e.kind,
            actor=TimelineActor(kind=e.actor_kind, name=names.get(e.actor_id) if e.actor_id else None),
            payload=e.payload if staff else {k: v for k, v in e.payload.items() if k not in INTERNAL},
            work_order=TimelineOrder(id=e.subject_id, number=numbers[e.subject_id])
            if e.subject_id in numbers
            else None,
        )
        for e in events
    ]
