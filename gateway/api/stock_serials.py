"""Serials and lots, traced to their receipt; rotables and their repairs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import func, select, tuple_

from assets.base.access import may
from assets.base.errors import NotFound
from assets.stock.items import Part
from assets.stock.rotables import (
    get_serial,
    legal_conditions,
    repair_cost,
    set_condition,
)
from assets.stock.tables import StockBalance, StockEntry, StockLot, StockMovement, StockSerial
from assets.stock.text import containing
from assets.stock.words import MAX_LINES
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.api.stock_movements import MovementItem, movement_items
from gateway.api.stock_rows import (
    Amount,
    AssetRef,
    Names,
    PartRef,
    PlaceRef,
    Reason,
)
from gateway.api.work_orders import id_of_cursor

router = APIRouter(prefix="/api/v1", tags=["stock"])


class SerialItem(BaseModel):
    """One piece: its condition, where it is, and where it came from."""

    id: UUID
    part: PartRef
    serial: str
    lot: str | None
    condition: str
    location: PlaceRef | None
    asset: AssetRef | None
    received_at: datetime | None
    purchase_order: str | None
    legal: list[str]
    version: int


class Serials(BaseModel):
    """A page of serials."""

    items: list[SerialItem]
    next: str | None = None


class RepairCost(BaseModel):
    """What repairs cost so far."""

    currency: str
    cost: Amount
    repairs: int


class SerialDetail(SerialItem):
    """One piece with its whole way, oldest first."""

    trace: list[MovementItem]
    repair_costs: list[RepairCost]


class LotItem(BaseModel):
    """A lot: how much is left of it, and where it came from."""

    id: UUID
    part: PartRef
    lot: str
    expires_at: date | None
    on_hand: Amount
    received_at: datetime | None
    purchase_order: str | None


class Lots(BaseModel):
    """A page of lots."""

    items: list[LotItem]
    next: str | None = None


class LotDetail(LotItem):
    """A lot with its whole way, oldest first."""

    trace: list[MovementItem]


class ConditionChange(BaseModel):
    """What a piece on the shelf turned out to be."""

    condition: str
    reason: Reason


@router.get("/stock-serials", operation_id="list_stock_serials")
def list_stock_serials(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    serial: str | None = None,
    part_id: UUID | None = None,
    asset_id: UUID | None = None,
    condition: str | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Serials:
    """List pieces by serial; `q` looks into the serial and the item's number and names."""
    here.require("stock.read")
    query = select(StockSerial).order_by(StockSerial.serial, StockSerial.id).limit(limit + 1)
    if q:
        named = select(Part.id).where(containing(Part.search_text, Part.search_pairs, q))
        query = query.where(StockSerial.serial.icontains(q.strip(), autoescape=True) | StockSerial.part_id.in_(named))
    for column, value in (
        (StockSerial.serial, serial),
        (StockSerial.part_id, part_id),
        (StockSerial.asset_id, asset_id),
        (StockSerial.condition, condition),
    ):
        if value is not None:
            query = query.where(column == value)
    if after:
        query = query.where(tuple_(StockSerial.serial, StockSerial.id) > tuple_(*read_cursor(after, str, UUID)))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    more = cursor_of(page[-1].serial, page[-1].id) if len(rows) > limit else None
    return Serials(items=_serials(here, page), next=more)


@router.get("/parts/{part_id}/serials", operation_id="list_part_serials")
def list_part_serials(part_id: UUID, here: Here, limit: Limit = 100, after: After = None) -> Serials:
    """List the pieces of an item."""
    _part(here, part_id)
    return list_stock_serials(here, part_id=part_id, limit=limit, after=after)


@router.get("/stock-serials/{serial_id}", operation_id="get_stock_serial")
def get_stock_serial(serial_id: UUID, here: Here) -> SerialDetail:
    """One piece with its whole way."""
    here.require("stock.read")
    return _serial_detail(here, get_serial(here.session, serial_id))


@router.post("/stock-serials/{serial_id}/condition", operation_id="set_stock_serial_condition")
def set_stock_serial_condition(serial_id: UUID, body: ConditionChange, here: Here) -> SerialDetail:
    """Say that a piece on the shelf is defective, or good after all."""
    here.require("stock.manage")
    serial = get_serial(here.session, serial_id, lock=True)
    set_condition(here.session, serial, body.condition, body.reason, here.now, here.actor)
    return _serial_detail(here, serial)


def _serial_detail(here: Context, serial: StockSerial) -> SerialDetail:
    costs = repair_cost(here.session, serial.id) if may(here.actor, "price.read") else []
    return SerialDetail(
        **_serials(here, [serial])[0].model_dump(),
        trace=_trace(here, StockEntry.serial_id == serial.id),
        repair_costs=[RepairCost(currency=currency, cost=cost, repairs=count) for currency, cost, count in costs],
    )


def _trace(here: Context, condition: object) -> list[MovementItem]:
    moved = select(StockEntry.movement_id).where(condition)  # type: ignore[arg-type]
    rows = here.session.scalars(
        select(StockMovement).where(StockMovement.id.in_(moved)).order_by(StockMovement.id).limit(MAX_LINES)
    )
    return movement_items(here, list(rows))


@router.get("/parts/{part_id}/lots", operation_id="list_part_lots")
def list_part_lots(part_id: UUID, here: Here, limit: Limit = 100, after: After = None) -> Lots:
    """List the lots of an item, newest first."""
    here.require("stock.read")
    _part(here, part_id)
    query = select(StockLot).where(StockLot.part_id == part_id).order_by(StockLot.id.desc()).limit(limit + 1)
    if after:
        query = query.where(StockLot.id < id_of_cursor(after))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Lots(items=_lots(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


def _part(here: Context, part_id: UUID) -> None:
    here.require("stock.read")
    if here.session.get(Part, part_id) is None:
        raise NotFound("no such part", kind="part")


@router.get("/stock-lots/{lot_id}", operation_id="get_stock_lot")
def get_stock_lot(lot_id: UUID, here: Here) -> LotDetail:
    """One lot with its whole way."""
    here.require("stock.read")
    lot = here.session.get(StockLot, lot_id)
    if lot is None:
        raise NotFound("no such lot", kind="stock_lot")
    return LotDetail(**_lots(here, [lot])[0].model_dump(), trace=_trace(here, StockEntry.lot_id == lot.id))


def _receipts(here: Context, keys: Sequence[UUID | None]) -> dict[UUID, StockMovement]:
    found = select(StockMovement).where(StockMovement.id.in_([key for key in keys if key]))
    return {each.id: each for each in here.session.scalars(found)}


def _ordered_by(movement: StockMovement | None) -> str | None:
    return movement.reference_number if movement and movement.reference_kind == "purchase_order" else None


def _lots(here: Context, rows: list[StockLot]) -> list[LotItem]:
    names = Names(here).load(parts=[row.part_id for row in rows])
    receipts = _receipts(here, [row.movement_id for row in rows])
    left = here.session.execute(
        select(StockBalance.lot_id, func.sum(StockBalance.quantity))
        .where(StockBalance.lot_id.in_([row.id for row in rows]), StockBalance.floored)
        .group_by(StockBalance.lot_id)
    )
    quantities = {lot: quantity for lot, quantity in left}
    return [
        LotItem(
            id=row.id,
            part=names.part(row.part_id),
            lot=row.lot,
            expires_at=row.expires_on,
            on_hand=quantities.get(row.id, Decimal(0)),
            received_at=receipts[row.movement_id].occurred_at if row.movement_id in receipts else None,
            purchase_order=_ordered_by(receipts.get(row.movement_id) if row.movement_id else None),
        )
        for row in rows
    ]


def _serials(here: Context, rows: list[StockSerial]) -> list[SerialItem]:
    held = here.session.execute(
        select(StockBalance.serial_id, StockBalance.location_id)
        .where(StockBalance.serial_id.in_([row.id for row in rows]), StockBalance.quantity > 0)
        .order_by(StockBalance.floored)
    )
    places = {serial: place for serial, place in held}
    names = Names(here).load(
        parts=[row.part_id for row in rows],
        assets=[row.asset_id for row in rows],
        lots=[row.lot_id for row in rows],
        places=places.values(),
    )
    receipts = _receipts(here, [row.movement_id for row in rows])
    return [
        SerialItem(
            id=row.id,
            part=names.part(row.part_id),
            serial=row.serial,
            lot=names.lot(row.lot_id),
            condition=row.condition,
            location=names.place(places.get(row.id)),
            asset=names.asset(row.asset_id),
            received_at=receipts[row.movement_id].occurred_at if row.movement_id in receipts else None,
            purchase_order=_ordered_by(receipts.get(row.movement_id) if row.movement_id else None),
            legal=legal_conditions(row),
            version=row.version,
        )
        for row in rows
    ]
