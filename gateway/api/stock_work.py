"""What work used, and the old parts that it owes."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select, tuple_

from assets.base.access import may
from assets.stock.old_parts import OldPartDuty, get_duty, give_back, waive
from assets.stock.operations import known_movement
from assets.stock.places import StockLocation, account, get_location
from assets.stock.tools import Tool, ToolHours
from assets.stock.usages import PartUsage, check_hands, usages_of
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.api.stock_rows import (
    Amount,
    AssetRef,
    Names,
    Note,
    OrderRef,
    PartRef,
    PersonRef,
    PlaceRef,
    Reason,
    order_ref,
)
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["stock"])


class OldPartState(BaseModel):
    """Whether the old part is back."""

    id: UUID
    state: str
    due_at: datetime


class UsageItem(BaseModel):
    """An item that an order used; costs and prices for who may see them."""

    usage_id: UUID
    part: PartRef
    lot: str | None
    serial: str | None
    quantity: Amount
    returned: Amount
    from_: Annotated[PlaceRef | None, Field(alias="from", serialization_alias="from")]
    occurred_at: datetime
    unit_cost: Amount | None
    cost_currency: str | None
    unit_price: Amount | None
    currency: str | None
    in_warranty: bool | None
    old_part: OldPartState | None


class ToolUsageItem(BaseModel):
    """Hours of a tool for an order."""

    tool: str
    name_en: str
    name_zh: str
    hours: Amount
    rate: Amount | None
    amount: Amount | None
    currency: str | None
    occurred_at: datetime


class Total(BaseModel):
    """What it comes to in one currency."""

    currency: str
    cost: Amount
    price: Amount
    tools: Amount


class OrderParts(BaseModel):
    """All that an order used."""

    items: list[UsageItem]
    tools: list[ToolUsageItem]
    totals: list[Total]
    next: str | None = None


class DutyItem(BaseModel):
    """An old part that is to come back."""

    id: UUID
    part: PartRef
    serial_expected: str | None
    quantity: Amount
    returned: Amount
    state: str
    due_at: datetime
    overdue: bool
    person: PersonRef | None
    work_order: OrderRef | None
    asset: AssetRef | None
    reason: str | None
    legal: list[str]


class Duties(BaseModel):
    """A page of duties."""

    items: list[DutyItem]
    next: str | None = None


class OldPartReturn(BaseModel):
    """The old part is here; it may be an earlier item of the same chain."""

    quantity: Annotated[Decimal, Field(gt=0, max_digits=13, decimal_places=4)] = Decimal(1)
    to_location_id: UUID | None = None
    scrap: bool = False
    part_id: UUID | None = None
    serial: Annotated[str | None, Field(max_length=80)] = None
    lot: Annotated[str | None, Field(max_length=80)] = None
    note: Note | None = None
    operation_id: UUID | None = None


class Waiver(BaseModel):
    """Why it does not come."""

    reason: Reason


@router.get("/work-orders/{work_order_id}/parts", operation_id="list_work_order_parts")
def list_work_order_parts(work_order_id: UUID, here: Here) -> OrderParts:
    """All that an order used: parts, tools' hours, and what it comes to."""
    here.require("stock.read")
    order = get_work_order(here.session, work_order_id)
    priced = may(here.actor, "price.read")
    used = list(usages_of(here.session, order.id))
    hours = here.session.execute(
        select(ToolHours, Tool)
        .join(Tool, Tool.id == ToolHours.tool_id)
        .where(ToolHours.work_order_id == order.id)
        .order_by(ToolHours.id)
        .limit(1000)
    ).all()
    tools = [_tool_usage(row, tool, priced) for row, tool in hours]
    return OrderParts(
        items=_usages(here, used, priced),
        tools=tools,
        totals=_totals(used, [row for row, _ in hours]) if priced else [],
    )


def _usages(here: Context, rows: list[PartUsage], priced: bool) -> list[UsageItem]:
    names = Names(here).load(
        parts=[row.part_id for row in rows],
        lots=[row.lot_id for row in rows],
        serials=[row.serial_id for row in rows],
        places=[row.location_id for row in rows],
    )
    found = select(OldPartDuty).where(OldPartDuty.usage_id.in_([row.id for row in rows]))
    duties = {duty.usage_id: duty for duty in here.session.scalars(found)}
    return [_usage(row, names, duties.get(row.id), priced) for row in rows]


def _usage(row: PartUsage, names: Names, duty: OldPartDuty | None, priced: bool) -> UsageItem:
    serial = names.serial(row.serial_id)
    return UsageItem(
        usage_id=row.id,
        part=names.part(row.part_id),
        lot=names.lot(row.lot_id),
        serial=serial.serial if serial else None,
        quantity=row.quantity,
        returned=row.returned,
        **{"from": names.place(row.location_id)},
        occurred_at=row.occurred_at,
        unit_cost=row.unit_cost if priced else None,
        cost_currency=row.cost_currency if priced else None,
        unit_price=row.unit_price if priced else None,
        currency=row.price_currency if priced else None,
        in_warranty=row.in_warranty,
        old_part=OldPartState(id=duty.id, state=duty.state, due_at=duty.due_at) if duty else None,
    )


def _tool_usage(row: ToolHours, tool: Tool, priced: bool) -> ToolUsageItem:
    return ToolUsageItem(
        tool=tool.number,
        name_en=tool.name_en,
        name_zh=tool.name_zh,
        hours=row.hours,
        rate=row.rate if priced else None,
        amount=row.rate * row.hours if priced and row.rate is not None else None,
        currency=row.currency if priced else None,
        occurred_at=row.occurred_at,
    )


def _totals(used: list[PartUsage], hours: list[ToolHours]) -> list[Total]:
    """Sum what stayed used, currency by currency; nothing is converted."""
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in used:
        kept = row.quantity - row.returned
        if row.unit_cost is not None and row.cost_currency:
            sums[row.cost_currency]["cost"] += kept * row.unit_cost
        if row.unit_price is not None and row.price_currency:
            sums[row.price_currency]["price"] += kept * row.unit_price
    for each in hours:
        if each.rate is not None and each.currency:
            sums[each.currency]["tools"] += each.hours * each.rate
    return [
        Total(currency=currency, cost=each["cost"], price=each["price"], tools=each["tools"])
        for currency, each in sorted(sums.items())
    ]


@router.get("/old-part-duties", operation_id="list_old_part_duties")
def list_old_part_duties(
    here: Here,
    state: str | None = None,
    person_id: UUID | None = None,
    part_id: UUID | None = None,
    work_order_id: UUID | None = None,
    work_order: str | None = None,
    overdue: bool = False,
    limit: Limit = 100,
    after: After = None,
) -> Duties:
    """List old parts that are to come back, the most urgent first."""
    here.require("stock.read")
    query = select(OldPartDuty).order_by(OldPartDuty.due_at, OldPartDuty.id).limit(limit + 1)
    for column, value in (
        (OldPartDuty.state, state),
        (OldPartDuty.person_id, person_id),
        (OldPartDuty.part_id, part_id),
        (OldPartDuty.work_order_id, work_order_id),
        (OldPartDuty.work_order_number, work_order),
    ):
        if value is not None:
            query = query.where(column == value)
    if overdue:
        query = query.where(OldPartDuty.state == "open", OldPartDuty.due_at < here.now)
    if after:
        keys = read_cursor(after, aware, UUID)
        query = query.where(tuple_(OldPartDuty.due_at, OldPartDuty.id) > tuple_(*keys))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    more = cursor_of(page[-1].due_at.isoformat(), page[-1].id) if len(rows) > limit else None
    return Duties(items=_duties(here, page), next=more)


@router.post("/old-part-duties/{duty_id}/return", operation_id="return_old_part", status_code=201)
def return_old_part(duty_id: UUID, body: OldPartReturn, here: Here) -> DutyItem:
    """Book an old part into quarantine, a repair shop or scrap."""
    here.require("stock.use")
    duty = get_duty(here.session, duty_id)
    if body.operation_id is not None and known_movement(here.session, body.operation_id, duty.id) is not None:
        return _duties(here, [duty])[0]
    give_back(
        here.session,
        duty,
        body.quantity,
        _old_part_place(here, duty, body),
        here.now,
        here.actor,
        serial=body.serial,
        lot=body.lot,
        part_id=body.part_id,
        note=body.note,
        operation_id=body.operation_id,
    )
    return _duties(here, [duty])[0]


def _old_part_place(here: Context, duty: OldPartDuty, body: OldPartReturn) -> StockLocation:
    if body.to_location_id is not None:
        place = get_location(here.session, body.to_location_id, "to_location_id")
        check_hands(place, here.actor)
        return place
    if body.scrap:
        return account(here.session, duty.organisation_id, "scrap", here.now)
    first = select(StockLocation).where(
        StockLocation.organisation_id == duty.organisation_id,
        StockLocation.kind == "quarantine",
        StockLocation.active,
    )
    found = here.session.scalars(first.order_by(StockLocation.id).limit(1)).first()
    return found or account(here.session, duty.organisation_id, "scrap", here.now)


@router.post("/old-part-duties/{duty_id}/waive", operation_id="waive_old_part")
def waive_old_part(duty_id: UUID, body: Waiver, here: Here) -> DutyItem:
    """Say why an old part does not come."""
    here.require("stock.manage")
    duty = get_duty(here.session, duty_id)
    waive(here.session, duty, body.reason, here.now, here.actor)
    return _duties(here, [duty])[0]


def _duties(here: Context, rows: list[OldPartDuty]) -> list[DutyItem]:
    names = Names(here).load(
        parts=[row.part_id for row in rows],
        people=[row.person_id for row in rows],
        assets=[row.asset_id for row in rows],
    )
    open_moves = ["return", *(["waive"] if may(here.actor, "stock.manage") else [])]
    return [
        DutyItem(
            id=row.id,
            part=names.part(row.part_id),
            serial_expected=row.serial_expected,
            quantity=row.quantity,
            returned=row.returned,
            state=row.state,
            due_at=row.due_at,
            overdue=row.state == "open" and row.due_at < here.now,
            person=names.person(row.person_id),
            work_order=order_ref(row.work_order_id, row.work_order_number),
            asset=names.asset(row.asset_id),
            reason=row.reason,
            legal=open_moves if row.state == "open" else [],
        )
        for row in rows
    ]
