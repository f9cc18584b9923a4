"""The timeline of an asset: everything that happened to it, newest first; filtered, checked and written out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Select, select, tuple_

from assets.base.access import Role
from assets.base.events import Event
from assets.people import Person
from assets.registry import Asset, AssetModel, Customer, Site
from assets.timeline import MAX_CHECKED, broken, group_of, timeline_of
from gateway import texts
from gateway.api.deps import Context, Here
from gateway.api.edits import seen
from gateway.api.imports import file_response
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.history_files import MAX_PDF_ROWS, HistoryOf, HistoryRow, history_csv, history_pdf
from gateway.outside import outside
from gateway.wording import words
from ticketing.models import WorkOrder
from ticketing.order_log import INSIDE_KINDS

router = APIRouter(prefix="/api/v1", tags=["assets"])

AT_ONCE = 500

Group = Annotated[str | None, Query(max_length=200, description="one or more groups, separated by commas")]
Since = Annotated[AwareDatetime | None, Query(alias="from")]
Until = Annotated[AwareDatetime | None, Query(alias="to")]


class TimelineActor(BaseModel):
    """Who did it."""

    kind: str
    name: str | None


class TimelineOrder(BaseModel):
    """The work order that an entry is about."""

    id: UUID
    number: str


class TimelineItem(BaseModel):
    """One thing that happened; `intact`: its hash and its link to what went before still hold."""

    id: int
    at: datetime
    kind: str
    group: str
    actor: TimelineActor
    payload: dict[str, Any]
    work_order: TimelineOrder | None
    intact: bool


class Timeline(BaseModel):
    """A page of the timeline, newest first."""

    items: list[TimelineItem]
    next: str | None


class Checked(BaseModel):
    """Whether everything that is written of the asset still holds, and the ids of what does not."""

    events: int
    intact: bool
    broken: list[int]


@router.get("/assets/{asset_id}/timeline", operation_id="get_timeline")
def get_timeline(
    asset_id: UUID,
    here: Here,
    group: Group = None,
    kind: str | None = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    after: After = None,
) -> Timeline:
    """Everything that happened to the asset, newest first."""
    here.require("event.read")
    seen(here, Asset, asset_id, "asset")
    statement = _wanted(here, asset_id, group, kind, since, until).limit(limit + 1)
    if after:
        at, number = read_cursor(after, aware, int)
        statement = statement.where(tuple_(Event.at, Event.id) < tuple_(at, number))
    rows = list(here.session.scalars(statement))
    page = rows[:limit]
    return Timeline(
        items=timeline_items(here, page),
        next=cursor_of(page[-1].at.isoformat(), page[-1].id) if len(rows) > limit else None,
    )


@router.get("/assets/{asset_id}/timeline/check", operation_id="check_timeline")
def check_timeline(asset_id: UUID, here: Here) -> Checked:
    """Go through all that is written of the asset, hash by hash."""
    here.require("event.read")
    seen(here, Asset, asset_id, "asset")
    found: list[int] = []
    count = 0
    for batch in _batches(here, timeline_of(asset_id).limit(MAX_CHECKED)):
        found += sorted(broken(here.session, batch))
        count += len(batch)
    return Checked(events=count, intact=not found, broken=found)


@router.get("/assets/{asset_id}/timeline/export", operation_id="export_timeline", response_class=Response)
def export_timeline(
    asset_id: UUID,
    here: Here,
    format: Literal["csv", "pdf"] = "pdf",
    language: Literal["en", "zh"] = "en",
    group: Group = None,
    kind: str | None = None,
    since: Since = None,
    until: Until = None,
) -> Response:
    """The timeline as a file: CSV, or a PDF to print."""
    here.require("event.read")
    asset = seen(here, Asset, asset_id, "asset")
    most = MAX_PDF_ROWS + 1 if format == "pdf" else MAX_CHECKED
    rows: list[HistoryRow] = []
    for events in _batches(here, _wanted(here, asset_id, group, kind, since, until).limit(most)):
        hashes = {event.id: event.hash.hex() for event in events}
        rows += [_row(item, language, hashes[item.id]) for item in timeline_items(here, events)]
    name = (
        f"history-{''.join(c for c in asset.serial if c.isascii() and (c.isalnum() or c in '-_')) or 'asset'}.{format}"
    )
    if format == "csv":
        return file_response(b"".join(history_csv(language, rows)), "text/csv; charset=utf-8", name)
    return file_response(history_pdf(language, _of(here, asset, language, since, until), rows), "application/pdf", name)


def _batches(here: Context, wanted: Select[Event]) -> Iterator[Sequence[Event]]:
    """Yield events some at a time: a hundred thousand of them at once would take a gigabyte."""
    found = here.session.scalars(wanted, execution_options={"yield_per": AT_ONCE})
    for batch in found.partitions():
        yield batch
        for event in batch:
            here.session.expunge(event)


def _wanted(
    here: Context, asset_id: UUID, group: str | None, kind: str | None, since: datetime | None, until: datetime | None
) -> Select[Event]:
    groups = [each.strip() for each in (group or "").split(",") if each.strip()]
    wanted = timeline_of(asset_id, groups=groups, kind=kind, since=since, until=until)
    return wanted.where(Event.kind.not_in(INSIDE_KINDS)) if here.actor.roles <= {Role.CUSTOMER} else wanted


def timeline_items(here: Context, events: Sequence[Event]) -> list[TimelineItem]:
    """Return events with the names that they refer to."""
    people = {e.actor_id for e in events if e.actor_kind == "person" and e.actor_id}
    people |= {given for e in events if (given := _given_to(e))}
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
    wrong = broken(here.session, events)
    return [
        TimelineItem(
            id=e.id,
            at=e.at,
            kind=e.kind,
            group=group_of(e.kind),
            actor=TimelineActor(kind=e.actor_kind, name=names.get(e.actor_id) if e.actor_id else None),
            payload=_told(e, names) if staff else outside(e.kind, e.payload),
            work_order=TimelineOrder(id=e.subject_id, number=numbers[e.subject_id])
            if e.subject_id in numbers
            else None,
            intact=e.id not in wrong,
        )
        for e in events
    ]


def _given_to(event: Event) -> UUID | None:
    said = event.payload.get("person_id") if event.kind == "work_order.assigned" else None
    return UUID(said) if isinstance(said, str) else None


def _told(event: Event, names: dict[UUID, str]) -> dict[str, Any]:
    """Return the payload, with the name of who was given the work: somebody else, or whoever took it."""
    given = _given_to(event)
    if given is None or given not in names:
        return event.payload
    return {**event.payload, "assignee": names[given], "to": "taken" if given == event.actor_id else "given"}


def _row(item: TimelineItem, language: str, digest: str) -> HistoryRow:
    params = {name: _plain(value) for name, value in item.payload.items()}
    closer = f"{item.kind}.{item.payload.get('to')}"
    code = closer if item.kind == "work_order.assigned" and texts.has(f"event.{closer}") else item.kind
    said = words("event.", code, params | {"who": item.actor.name or ""})
    return HistoryRow(
        at=item.at,
        group=item.group,
        kind=item.kind,
        said=(said.zh if language == "zh" else said.en).strip(),
        who=item.actor.name or texts.text(language, f"history.actor.{item.actor.kind}"),
        work_order=item.work_order.number if item.work_order else "",
        intact=item.intact,
        hash=digest,
    )


def _plain(value: Any) -> Any:
    return ", ".join(str(each) for each in value) if isinstance(value, list) else value


def _of(here: Context, asset: Asset, language: str, since: datetime | None, until: datetime | None) -> HistoryOf:
    model = here.session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None
    customer = here.session.get(Customer, asset.customer_id) if asset.customer_id else None
    site = here.session.get(Site, asset.site_id) if asset.site_id else None
    return HistoryOf(
        name=asset.name,
        serial=asset.serial,
        model=(model.name_zh if language == "zh" else model.name_en) if model else "",
        customer=customer.name if customer else "",
        site=site.name if site else "",
        since=since,
        until=until,
        made_at=here.now,
        zone=texts.zone_of(site.time_zone if site else None),
    )
