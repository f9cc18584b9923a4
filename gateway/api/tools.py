"""Tools over HTTP: who has which, and their hours."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import or_, select, tuple_

from assets.base.access import may
from assets.base.errors import Conflict, Forbidden, Invalid
from assets.people import Person
from assets.stock.items import Part, add_part, part_for
from assets.stock.numbers import next_number
from assets.stock.places import StockLocation, get_location
from assets.stock.tables import StockBalance, StockEntry, StockMovement, StockSerial
from assets.stock.text import folded
from assets.stock.tools import Tool, ToolHours, add_tool, check_rate, get_tool, hand_over, hours_of, state_of, use_hours
from assets.stock.usages import check_hands
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.stock_rows import (
    Amount,
    AmountIn,
    Currency,
    IfMatch,
    Name,
    Names,
    Note,
    Number,
    OrderRef,
    PartRef,
    PersonRef,
    PlaceRef,
    asset_of,
    check_version,
    order_ref,
    work_of,
)

router = APIRouter(prefix="/api/v1", tags=["tools"])
MAX_HISTORY = 200


class NewTool(BaseModel):
    """A tool to register: of an item of kind 'tool', or by its names."""

    number: Number | None = None
    part_id: UUID | None = None
    name_en: Name | None = None
    name_zh: Name | None = None
    serial: Number
    location_id: UUID
    hourly_rate: AmountIn | None = None
    currency: Currency | None = None
    calibration_due_on: date | None = None


class ToolChange(BaseModel):
    """What changes; `retired`: it is used no more."""

    name_en: Name | None = None
    name_zh: Name | None = None
    hourly_rate: AmountIn | None = None
    currency: Currency | None = None
    calibration_due_on: date | None = None
    retired: bool | None = None


class Custody(BaseModel):
    """To whom, or to which place."""

    person_id: UUID | None = None
    location_id: UUID | None = None
    note: Note | None = None


class Hours(BaseModel):
    """Hours for an order or a machine."""

    hours: Annotated[Decimal, Field(gt=0, le=1000, max_digits=8, decimal_places=4)]
    work_order_id: UUID | None = None
    work_order: Annotated[str | None, Field(max_length=80)] = None
    asset_id: UUID | None = None
    occurred_at: Moment | None = None


class ToolItem(BaseModel):
    """A tool, and who has it."""

    id: UUID
    number: str
    name_en: str
    name_zh: str
    part: PartRef
    serial: str | None
    serial_id: UUID
    hourly_rate: Amount | None
    currency: str | None
    custodian: PersonRef | None
    location: PlaceRef | None
    calibration_due_on: date | None
    calibration_overdue: bool
    state: str
    legal: list[str]
    version: int


class Tools(BaseModel):
    """A page of tools."""

    items: list[ToolItem]
    next: str | None = None


class CustodyRow(BaseModel):
    """It was at a place from then on."""

    at: datetime
    location: PlaceRef | None
    custodian: PersonRef | None
    by: PersonRef | None
    note: str | None


class HoursRow(BaseModel):
    """Hours for an order, at the rate that held then."""

    id: UUID
    hours: Amount
    rate: Amount | None
    amount: Amount | None
    currency: str | None
    work_order: OrderRef | None
    person: PersonRef | None
    occurred_at: datetime


class ToolDetail(ToolItem):
    """A tool with who had it, newest first, and its hours."""

    custody: list[CustodyRow]
    hours: list[HoursRow]
    hours_total: Amount


@router.get("/tools", operation_id="list_tools")
def list_tools(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    number: str | None = None,
    person_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Tools:
    """List tools by number; `person_id`: those that somebody has."""
    here.require("stock.read")
    query = select(Tool).order_by(Tool.number, Tool.id).limit(limit + 1)
    for word in folded(q).split()[:8] if q else ():
        serials = select(StockSerial.id).where(StockSerial.serial.icontains(word, autoescape=True))
        columns = (Tool.number, Tool.name_en, Tool.name_zh)
        query = query.where(
            or_(*(each.icontains(word, autoescape=True) for each in columns), Tool.serial_id.in_(serials))
        )
    if number is not None:
        query = query.where(Tool.number == number)
    if person_id is not None:
        held = select(StockBalance.serial_id).join(StockLocation, StockLocation.id == StockBalance.location_id)
        held = held.where(StockBalance.quantity > 0, StockLocation.person_id == person_id)
        query = query.where(Tool.serial_id.in_(held))
    if after:
        query = query.where(tuple_(Tool.number, Tool.id) > tuple_(*read_cursor(after, str, UUID)))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Tools(items=_items(here, page), next=cursor_of(page[-1].number, page[-1].id) if len(rows) > limit else None)


@router.post("/tools", operation_id="create_tool", status_code=201)
def create_tool(body: NewTool, here: Here) -> ToolDetail:
    """Register a tool."""
    here.require("stock.manage")
    place = get_location(here.session, body.location_id)
    owner = place.organisation_id
    number = body.number or next_number(here.session, "TL")
    part = (
        part_for(here.session, owner, part_id=body.part_id) if body.part_id else _tool_part(here, owner, number, body)
    )
    tool = Tool(
        organisation_id=owner,
        number=number,
        name_en=body.name_en or part.name_en,
        name_zh=body.name_zh or part.name_zh,
        hourly_rate=body.hourly_rate,
        currency=body.currency,
        calibration_due_on=body.calibration_due_on,
    )
    return _detail(here, add_tool(here.session, tool, part, body.serial, place, here.now, here.actor))


def _tool_part(here: Context, owner: UUID, number: str, body: NewTool) -> Part:
    if not body.name_en or not body.name_zh:
        raise Invalid("a tool has names in both languages, or an item that has", field="name_en")
    return add_part(
        here.session,
        Part(
            organisation_id=owner,
            number=number,
            name_en=body.name_en,
            name_zh=body.name_zh,
            kind="tool",
            unit="pcs",
            decimals=0,
            tracking="serial",
            active=True,
            created_at=here.now,
        ),
    )


@router.get("/tools/{tool_id}", operation_id="get_tool")
def get_one_tool(tool_id: UUID, here: Here) -> ToolDetail:
    """One tool."""
    here.require("stock.read")
    return _detail(here, get_tool(here.session, tool_id))


@router.patch("/tools/{tool_id}", operation_id="change_tool")
def change_tool(tool_id: UUID, body: ToolChange, here: Here, if_match: IfMatch = None) -> ToolDetail:
    """Change a tool."""
    here.require("stock.manage")
    tool = get_tool(here.session, tool_id, lock=True)
    check_version(if_match, tool.version, tool.number)
    changes = body.model_dump(exclude_unset=True)
    if changes.pop("retired", None) is not None:
        tool.retired_at = here.now if body.retired else None
    for name, value in changes.items():
        if value is None and name.startswith("name_"):
            raise Invalid(f"{name} cannot be empty", field=name)
        setattr(tool, name, value)
    check_rate(tool)
    here.session.flush()
    return _detail(here, tool)


@router.post("/tools/{tool_id}/custody", operation_id="hand_over_tool")
def hand_over_tool(tool_id: UUID, body: Custody, here: Here) -> ToolDetail:
    """Give a tool to somebody, or put it at a place; who has one gives it on, who keeps the store gives any."""
    here.require("stock.use")
    tool = get_tool(here.session, tool_id, lock=True)
    person = here.session.get(Person, body.person_id) if body.person_id else None
    if body.person_id and person is None:
        raise Invalid("no such person", field="person_id")
    place = get_location(here.session, body.location_id) if body.location_id else None
    if place is not None and place.organisation_id != tool.organisation_id:
        raise Invalid("no such location of this organisation", field="location_id")
    _may_hand_over(here, tool, person)
    hand_over(here.session, tool, here.now, here.actor, person=person, place=place, note=body.note)
    return _detail(here, tool)


def _may_hand_over(here: Context, tool: Tool, person: Person | None) -> None:
    """A technician takes what is free for themselves and gives on what they have."""
    if may(here.actor, "stock.manage"):
        return
    at = _places(here, [tool]).get(tool.serial_id)
    if at is not None:
        check_hands(at, here.actor)
    own = at is not None and at.person_id is not None and at.person_id == here.actor.person_id
    if person is not None and person.id != here.actor.person_id and not own:
        raise Forbidden("a free tool is taken for oneself")


@router.post("/tools/{tool_id}/hours", operation_id="note_tool_hours", status_code=201)
def note_tool_hours(tool_id: UUID, body: Hours, here: Here) -> ToolDetail:
    """Note hours for an order or a machine."""
    here.require("stock.use")
    tool = get_tool(here.session, tool_id)
    work, asset = work_of(here, body.work_order_id, body.work_order)
    asset = asset_of(here, body.asset_id) or asset
    if work is None and asset is None:
        raise Invalid("for which order or machine", field="work_order")
    at = body.occurred_at or here.now
    if at > here.now:
        raise Conflict("hours are noted when they are over", field="occurred_at")
    use_hours(here.session, tool, body.hours, at, here.actor, work=work, asset=asset, now=here.now)
    return _detail(here, tool)


def _places(here: Context, tools: list[Tool]) -> dict[UUID, StockLocation]:
    rows = here.session.execute(
        select(StockBalance.serial_id, StockLocation)
        .join(StockLocation, StockLocation.id == StockBalance.location_id)
        .where(StockBalance.serial_id.in_([tool.serial_id for tool in tools]), StockBalance.quantity > 0)
        .order_by(StockBalance.floored)
    )
    return {serial: place for serial, place in rows if serial}


def _items(here: Context, rows: list[Tool]) -> list[ToolItem]:
    places = _places(here, rows)
    names = Names(here).load(
        parts=[row.part_id for row in rows],
        serials=[row.serial_id for row in rows],
        people=[place.person_id for place in places.values()],
        places=[place.id for place in places.values()],
    )
    return [_item(here, row, places.get(row.serial_id), names) for row in rows]


def _item(here: Context, row: Tool, place: StockLocation | None, names: Names) -> ToolItem:
    serial = names.serial(row.serial_id)
    priced = may(here.actor, "price.read")
    due = row.calibration_due_on
    return ToolItem(
        id=row.id,
        number=row.number,
        name_en=row.name_en,
        name_zh=row.name_zh,
        part=names.part(row.part_id),
        serial=serial.serial if serial else None,
        serial_id=row.serial_id,
        hourly_rate=row.hourly_rate if priced else None,
        currency=row.currency if priced else None,
        custodian=names.person(place.person_id) if place else None,
        location=names.place(place.id) if place else None,
        calibration_due_on=due,
        calibration_overdue=due is not None and due < here.now.date(),
        state=state_of(row, place),
        legal=[] if row.retired_at else ["custody", "hours"],
        version=row.version,
    )


def _detail(here: Context, tool: Tool) -> ToolDetail:
    here.session.flush()
    priced = may(here.actor, "price.read")
    used = here.session.scalars(
        select(ToolHours).where(ToolHours.tool_id == tool.id).order_by(ToolHours.id.desc()).limit(MAX_HISTORY)
    ).all()
    names = Names(here).load(people=[each.person_id for each in used])
    return ToolDetail(
        **_items(here, [tool])[0].model_dump(),
        custody=_custody(here, tool),
        hours=[
            HoursRow(
                id=each.id,
                hours=each.hours,
                rate=each.rate if priced else None,
                amount=each.rate * each.hours if priced and each.rate is not None else None,
                currency=each.currency if priced else None,
                work_order=order_ref(each.work_order_id, each.work_order_number),
                person=names.person(each.person_id),
                occurred_at=each.occurred_at,
            )
            for each in used
        ],
        hours_total=hours_of(here.session, tool.id),
    )


def _custody(here: Context, tool: Tool) -> list[CustodyRow]:
    rows = here.session.execute(
        select(StockMovement, StockLocation)
        .join(StockEntry, StockEntry.movement_id == StockMovement.id)
        .join(StockLocation, StockLocation.id == StockEntry.location_id)
        .where(StockEntry.serial_id == tool.serial_id, StockEntry.quantity > 0)
        .order_by(StockMovement.id.desc())
        .limit(MAX_HISTORY)
    ).all()
    names = Names(here).load(
        people=[key for movement, place in rows for key in (movement.by_id, place.person_id)],
        places=[place.id for _, place in rows],
    )
    return [
        CustodyRow(
            at=movement.occurred_at,
            location=names.place(place.id),
            custodian=names.person(place.person_id),
            by=names.person(movement.by_id),
            note=movement.note,
        )
        for movement, place in rows
    ]
