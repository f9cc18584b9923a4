"""Planned work over HTTP: what is due when, as a list and as a calendar; release, move, skip."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from icalendar import Calendar, Event
from pydantic import BaseModel
from sqlalchemy import Select, func, select, tuple_

from assets.base.errors import Invalid
from assets.registry import Asset
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment, Reason, locked, seen
from gateway.api.pages import After, Limit, cursor_of, day_of, read_cursor
from maintenance.plans.releasing import move, release, skip
from maintenance.plans.tables import MaintenancePlan, Occurrence

router = APIRouter(prefix="/api/v1", tags=["maintenance plans"])

State = Literal["planned", "released", "done", "skipped", "missed", "cancelled", "left_out"]
FEED = 2000
MOST_DAYS = 62
COUNTED = ("planned", "released", "done", "skipped", "missed")


class OccurrenceItem(BaseModel):
    """Planned work on a machine; `due_at` is empty while nobody knows when the meter gets to `target`."""

    id: UUID
    plan_id: UUID
    plan_code: str
    plan_name: dict[str, Any]
    asset_id: UUID
    asset_name: str
    site_id: UUID | None
    slot: str
    packages: list[str]
    covered: list[str]
    source: str
    state: str
    due_at: datetime | None
    due_on: date | None
    put_at: datetime | None
    earliest_at: datetime | None
    latest_at: datetime | None
    low_at: datetime | None
    high_at: datetime | None
    target: float | None
    release_at: datetime | None
    work_order_id: UUID | None
    done_at: datetime | None
    reason: str | None


class OccurrencePage(BaseModel):
    """One page of planned work."""

    items: list[OccurrenceItem]
    next: str | None = None


class OccurrenceDecision(BaseModel):
    """Why."""

    reason: Reason


class OccurrenceMove(OccurrenceDecision):
    """Where it goes, and why."""

    to: Moment


@router.get("/occurrences", operation_id="list_occurrences")
def list_occurrences(
    here: Here,
    since: Annotated[date | None, Query(alias="from", description="first local day")] = None,
    until: Annotated[date | None, Query(description="last local day")] = None,
    plan_id: UUID | None = None,
    asset_id: UUID | None = None,
    site_id: UUID | None = None,
    state: State | None = None,
    limit: Limit = 100,
    after: After = None,
) -> OccurrencePage:
    """Planned work by its local day; what has no date yet only by its machine or plan, without days."""
    here.require("maintenance_plan.read")
    dated = since is not None or until is not None or (plan_id is None and asset_id is None)
    query = _asked(since, until, plan_id, asset_id, site_id, state)
    if dated:
        query = query.where(Occurrence.due_on.is_not(None)).order_by(Occurrence.due_on, Occurrence.id)
        if after is not None:
            day, key = read_cursor(after, day_of, UUID)
            query = query.where(tuple_(Occurrence.due_on, Occurrence.id) > tuple_(day, key))
    else:
        query = query.order_by(Occurrence.id)
        if after is not None:
            query = query.where(Occurrence.id > read_cursor(after, UUID)[0])
    rows = list(here.session.scalars(query.limit(limit + 1)))
    page = rows[:limit]
    last = None
    if len(rows) > limit:
        last = cursor_of(page[-1].due_on, page[-1].id) if dated else cursor_of(page[-1].id)
    return OccurrencePage(items=_items(here, page), next=last)


class OccurrenceDay(BaseModel):
    """How much is planned on a local day, by state."""

    day: date
    planned: int = 0
    released: int = 0
    done: int = 0
    skipped: int = 0
    missed: int = 0


class OccurrenceDays(BaseModel):
    """Days on which something is planned, in order."""

    items: list[OccurrenceDay]


@router.get("/occurrences/days", operation_id="count_occurrences_by_day")
def count_occurrences_by_day(
    here: Here,
    since: Annotated[date, Query(alias="from", description="first local day")],
    until: Annotated[date, Query(description="last local day, at most 62 days later")],
    plan_id: UUID | None = None,
    asset_id: UUID | None = None,
    site_id: UUID | None = None,
) -> OccurrenceDays:
    """How much is planned on each day: what a calendar shows."""
    here.require("maintenance_plan.read")
    if not 0 <= (until - since).days <= MOST_DAYS:
        raise Invalid(f"0 to {MOST_DAYS} days", field="until", limit=MOST_DAYS)
    asked = _asked(since, until, plan_id, asset_id, site_id, None).where(Occurrence.state.in_(COUNTED))
    counted = asked.with_only_columns(Occurrence.due_on, Occurrence.state, func.count())
    days: dict[date, dict[str, int]] = {}
    for day, state, count in here.session.execute(counted.group_by(Occurrence.due_on, Occurrence.state)):
        if day is not None:
            days.setdefault(day, {})[state] = count
    return OccurrenceDays(items=[OccurrenceDay(day=day, **days[day]) for day in sorted(days)])


@router.get(
    "/occurrences.ics",
    operation_id="read_occurrences_calendar",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}}},
)
def read_occurrences_calendar(
    here: Here, plan_id: UUID | None = None, asset_id: UUID | None = None, site_id: UUID | None = None
) -> Response:
    """Planned work from a month ago to a year ahead, for calendar programs."""
    here.require("maintenance_plan.read")
    today = here.now.date()
    query = _asked(today - timedelta(days=31), today + timedelta(days=366), plan_id, asset_id, site_id, None)
    query = query.where(Occurrence.due_on.is_not(None), Occurrence.state.in_(("planned", "released", "done")))
    rows = list(here.session.scalars(query.order_by(Occurrence.due_on, Occurrence.id).limit(FEED)))
    calendar = Calendar()
    calendar.add("prodid", "-//Forewarn//plans//EN")
    calendar.add("version", "2.0")
    for each in _items(here, rows):
        calendar.add_component(_event(each, here.now))
    headers = {"Content-Disposition": 'inline; filename="plans.ics"', "Cache-Control": "private, max-age=300"}
    return Response(calendar.to_ical(), media_type="text/calendar; charset=utf-8", headers=headers)


@router.get("/occurrences/{occurrence_id}", operation_id="get_occurrence")
def get_occurrence(occurrence_id: UUID, here: Here) -> OccurrenceItem:
    """One piece of planned work."""
    here.require("maintenance_plan.read")
    return _items(here, [seen(here, Occurrence, occurrence_id, "occurrence")])[0]


@router.post("/occurrences/{occurrence_id}/release", operation_id="release_occurrence")
def release_occurrence(occurrence_id: UUID, body: OccurrenceDecision, here: Here) -> OccurrenceItem:
    """Open its work order now; 409 when it has one."""
    here.require("occurrence.decide")
    row = locked(here, Occurrence, occurrence_id, "occurrence")
    release(here.session, row, here.now, here.actor)
    row.reason = body.reason
    return _items(here, [row])[0]


@router.post("/occurrences/{occurrence_id}/move", operation_id="move_occurrence")
def move_occurrence(occurrence_id: UUID, body: OccurrenceMove, here: Here) -> OccurrenceItem:
    """Put it elsewhere; it stays there when dates are made anew."""
    here.require("occurrence.decide")
    row = locked(here, Occurrence, occurrence_id, "occurrence")
    move(here.session, row, body.to.astimezone(UTC), here.now, here.actor, body.reason)
    return _items(here, [row])[0]


@router.post("/occurrences/{occurrence_id}/skip", operation_id="skip_occurrence")
def skip_occurrence(occurrence_id: UUID, body: OccurrenceDecision, here: Here) -> OccurrenceItem:
    """Leave it out; the later ones stay where they are."""
    here.require("occurrence.decide")
    row = locked(here, Occurrence, occurrence_id, "occurrence")
    skip(here.session, row, here.now, here.actor, body.reason)
    return _items(here, [row])[0]


def _asked(
    since: date | None,
    until: date | None,
    plan_id: UUID | None,
    asset_id: UUID | None,
    site_id: UUID | None,
    state: str | None,
) -> Select[Occurrence]:
    query = select(Occurrence)
    for column, value in ((Occurrence.plan_id, plan_id), (Occurrence.asset_id, asset_id), (Occurrence.state, state)):
        if value is not None:
            query = query.where(column == value)
    if since is not None:
        query = query.where(Occurrence.due_on >= since)
    if until is not None:
        query = query.where(Occurrence.due_on <= until)
    if site_id is not None:
        query = query.where(Occurrence.asset_id.in_(select(Asset.id).where(Asset.site_id == site_id)))
    return query


def _event(each: OccurrenceItem, now: datetime) -> Event:
    event = Event()
    event.add("uid", f"{each.id}@forewarn")
    event.add("dtstamp", now)
    event.add("dtstart", each.due_on)
    name = each.plan_name.get("en") or each.plan_name.get("zh") or each.plan_code
    event.add("summary", f"{name} · {'+'.join(each.packages)} · {each.asset_name}")
    event.add("status", "TENTATIVE" if each.state == "planned" else "CONFIRMED")
    return event


def _items(here: Context, rows: list[Occurrence]) -> list[OccurrenceItem]:
    wanted = {row.plan_id for row in rows}
    plans = {row.id: row for row in here.session.scalars(select(MaintenancePlan).where(MaintenancePlan.id.in_(wanted)))}
    keys = {row.asset_id for row in rows}
    assets = {row.id: row for row in here.session.scalars(select(Asset).where(Asset.id.in_(keys)))}
    return [_item(row, plans.get(row.plan_id), assets.get(row.asset_id)) for row in rows]


def _item(row: Occurrence, plan: MaintenancePlan | None, asset: Asset | None) -> OccurrenceItem:
    names = OccurrenceItem.model_fields.keys() & set(Occurrence.__mapper__.columns.keys())
    told = {name: getattr(row, name) for name in names - {"packages", "covered"}}
    return OccurrenceItem(
        **told,
        plan_code=plan.code if plan else "—",
        plan_name=plan.name if plan else {},
        asset_name=asset.name if asset else "—",
        site_id=asset.site_id if asset else None,
        packages=[str(each.get("code")) for each in row.packages],
        covered=[str(each.get("code")) for each in row.covered],
    )
