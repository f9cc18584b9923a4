"""Repair orders over HTTP: a defective piece goes to a shop and comes back good, with its cost, or not at all."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select

from assets.base.access import may
from assets.stock.places import get_location
from assets.stock.rotables import RepairOrder, end, get_repair, get_serial, send
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.stock_rows import Amount, AmountIn, Currency, Names, Note, PartRef, PersonRef, PlaceRef, Reason
from gateway.api.work_orders import id_of_cursor

router = APIRouter(prefix="/api/v1", tags=["stock"])


class NewRepair(BaseModel):
    """A defective piece to send to a repair shop."""

    serial_id: UUID
    shop_location_id: UUID
    fault: Note | None = None


class RepairReturn(BaseModel):
    """It is back in a store, good again."""

    to_location_id: UUID
    cost: AmountIn | None = None
    currency: Currency | None = None
    note: Note | None = None


class RepairScrap(BaseModel):
    """It is beyond repair."""

    reason: Reason
    cost: AmountIn | None = None
    currency: Currency | None = None


class RepairItem(BaseModel):
    """One piece at one repair shop, once."""

    id: UUID
    number: str
    part: PartRef
    serial_id: UUID
    serial: str | None
    shop: PlaceRef | None
    state: str
    fault: str | None
    result: str | None
    cost: Amount | None
    currency: str | None
    sent_at: datetime
    returned_at: datetime | None
    sent_by: PersonRef | None
    legal: list[str]


class Repairs(BaseModel):
    """A page of repair orders."""

    items: list[RepairItem]
    next: str | None = None


@router.get("/repair-orders", operation_id="list_repair_orders")
def list_repair_orders(
    here: Here,
    state: str | None = None,
    part_id: UUID | None = None,
    serial_id: UUID | None = None,
    number: str | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Repairs:
    """List repair orders, newest first."""
    here.require("stock.read")
    query = select(RepairOrder).order_by(RepairOrder.id.desc()).limit(limit + 1)
    for column, value in (
        (RepairOrder.state, state),
        (RepairOrder.part_id, part_id),
        (RepairOrder.serial_id, serial_id),
        (RepairOrder.number, number),
    ):
        if value is not None:
            query = query.where(column == value)
    if after:
        query = query.where(RepairOrder.id < id_of_cursor(after))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Repairs(items=_repairs(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/repair-orders", operation_id="create_repair_order", status_code=201)
def create_repair_order(body: NewRepair, here: Here) -> RepairItem:
    """Send a defective piece to a repair shop."""
    here.require("stock.manage")
    serial = get_serial(here.session, body.serial_id, lock=True)
    shop = get_location(here.session, body.shop_location_id, "shop_location_id")
    return _repairs(here, [send(here.session, serial, shop, body.fault, here.now, here.actor)])[0]


@router.get("/repair-orders/{repair_id}", operation_id="get_repair_order")
def get_repair_order(repair_id: UUID, here: Here) -> RepairItem:
    """One repair order."""
    here.require("stock.read")
    return _repairs(here, [get_repair(here.session, repair_id)])[0]


@router.post("/repair-orders/{repair_id}/return", operation_id="return_repair_order")
def return_repair_order(repair_id: UUID, body: RepairReturn, here: Here) -> RepairItem:
    """Take a piece back, good again."""
    here.require("stock.manage")
    repair = get_repair(here.session, repair_id)
    target = get_location(here.session, body.to_location_id, "to_location_id")
    end(
        here.session,
        repair,
        target,
        here.now,
        here.actor,
        cost=body.cost,
        currency=body.currency,
        result=body.note,
    )
    return _repairs(here, [repair])[0]


@router.post("/repair-orders/{repair_id}/scrap", operation_id="scrap_repair_order")
def scrap_repair_order(repair_id: UUID, body: RepairScrap, here: Here) -> RepairItem:
    """Scrap a piece that is beyond repair."""
    here.require("stock.manage")
    repair = get_repair(here.session, repair_id)
    end(
        here.session,
        repair,
        None,
        here.now,
        here.actor,
        cost=body.cost,
        currency=body.currency,
        result=body.reason,
    )
    return _repairs(here, [repair])[0]


def _repairs(here: Context, rows: list[RepairOrder]) -> list[RepairItem]:
    priced = may(here.actor, "price.read")
    names = Names(here).load(
        parts=[row.part_id for row in rows],
        serials=[row.serial_id for row in rows],
        places=[row.shop_id for row in rows],
        people=[row.sent_by_id for row in rows],
    )
    return [_repair(row, names, priced) for row in rows]


def _repair(row: RepairOrder, names: Names, priced: bool) -> RepairItem:
    serial = names.serial(row.serial_id)
    return RepairItem(
        id=row.id,
        number=row.number,
        part=names.part(row.part_id),
        serial_id=row.serial_id,
        serial=serial.serial if serial else None,
        shop=names.place(row.shop_id),
        state=row.state,
        fault=row.fault,
        result=row.result,
        cost=row.cost if priced else None,
        currency=row.currency if priced else None,
        sent_at=row.sent_at,
        returned_at=row.ended_at,
        sent_by=names.person(row.sent_by_id),
        legal=["return", "scrap"] if row.state == "sent" else [],
    )
