"""Transfers over HTTP: planned, shipped, confirmed by who receives."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from assets.base.access import may, require
from assets.stock.places import StockLocation, get_location
from assets.stock.transfers import (
    LEGAL,
    Asked,
    Packed,
    StockTransfer,
    StockTransferLine,
    cancel,
    get_transfer,
    plan,
    receive,
    ship,
)
from assets.stock.usages import check_hands
from assets.stock.words import MAX_LINES, PERSONAL
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.stock_rows import Amount, Names, Note, PartRef, PersonRef, PlaceRef
from gateway.api.work_orders import id_of_cursor

router = APIRouter(prefix="/api/v1", tags=["stock"])


class AskedLine(BaseModel):
    """An item to send."""

    part_id: UUID
    quantity: Annotated[Decimal, Field(gt=0, max_digits=13, decimal_places=4)] = Decimal(1)
    lot: Annotated[str | None, Field(max_length=80)] = None
    serial: Annotated[str | None, Field(max_length=80)] = None


class NewTransfer(BaseModel):
    """What goes from where to where; `ship`: it leaves at once."""

    from_location_id: UUID
    to_location_id: UUID
    expected_on: date | None = None
    carrier: Annotated[str | None, Field(max_length=120)] = None
    tracking_number: Annotated[str | None, Field(max_length=120)] = None
    note: Note | None = None
    ship: bool = False
    lines: Annotated[list[AskedLine], Field(min_length=1, max_length=MAX_LINES)]


class PackedLine(BaseModel):
    """What goes of a line, when it differs from the plan."""

    line_id: UUID
    quantity: Annotated[Decimal | None, Field(gt=0, max_digits=13, decimal_places=4)] = None
    lot: Annotated[str | None, Field(max_length=80)] = None
    serials: Annotated[list[Annotated[str, Field(min_length=1, max_length=80)]], Field(max_length=MAX_LINES)] = []


class Shipping(BaseModel):
    """How it leaves."""

    lines: Annotated[list[PackedLine], Field(max_length=MAX_LINES)] = []
    carrier: Annotated[str | None, Field(max_length=120)] = None
    tracking_number: Annotated[str | None, Field(max_length=120)] = None
    expected_on: date | None = None
    ignore_reservations: bool = False


class CountedLine(BaseModel):
    """How much of a line has come."""

    line_id: UUID
    received: Annotated[Decimal, Field(ge=0, max_digits=13, decimal_places=4)]


class Receiving(BaseModel):
    """What has come; without lines: all. `final`: the rest is not coming."""

    lines: Annotated[list[CountedLine] | None, Field(max_length=MAX_LINES)] = None
    final: bool = True
    note: Note | None = None


class TransferLine(BaseModel):
    """An item on its way; `difference` is what came less (below zero) or more than was shipped, once it is over."""

    id: UUID
    part: PartRef
    lot: str | None
    serial: str | None
    quantity: Amount
    shipped: Amount
    received: Amount
    difference: Amount


class TransferItem(BaseModel):
    """A transfer with its lines."""

    id: UUID
    number: str
    state: str
    from_: Annotated[PlaceRef | None, Field(alias="from", serialization_alias="from")]
    to: PlaceRef | None
    expected_on: date | None
    carrier: str | None
    tracking_number: str | None
    note: str | None
    created_at: datetime
    shipped_at: datetime | None
    shipped_by: PersonRef | None
    received_at: datetime | None
    received_by: PersonRef | None
    lines: list[TransferLine]
    legal: list[str]
    version: int


class Transfers(BaseModel):
    """A page of transfers."""

    items: list[TransferItem]
    next: str | None = None


@router.get("/stock-transfers", operation_id="list_stock_transfers")
def list_stock_transfers(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    state: str | None = None,
    number: str | None = None,
    location_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Transfers:
    """List transfers, newest first."""
    here.require("stock.read")
    query = select(StockTransfer).order_by(StockTransfer.id.desc()).limit(limit + 1)
    if q:
        text = q.strip()
        query = query.where(
            or_(
                StockTransfer.number.icontains(text, autoescape=True),
                StockTransfer.tracking_number.icontains(text, autoescape=True),
            )
        )
    if state is not None:
        query = query.where(StockTransfer.state == state)
    if number is not None:
        query = query.where(StockTransfer.number == number)
    if location_id is not None:
        query = query.where(or_(StockTransfer.from_id == location_id, StockTransfer.to_id == location_id))
    if after:
        query = query.where(StockTransfer.id < id_of_cursor(after))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Transfers(items=transfer_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/stock-transfers", operation_id="create_stock_transfer", status_code=201)
def create_stock_transfer(body: NewTransfer, here: Here) -> TransferItem:
    """Plan a transfer; a technician asks for their own van, who keeps the store also sends it off."""
    here.require("stock.use")
    source = get_location(here.session, body.from_location_id, "from_location_id")
    target = get_location(here.session, body.to_location_id, "to_location_id")
    for place in (source, target):
        check_hands(place, here.actor)
    made = StockTransfer(
        organisation_id=source.organisation_id,
        from_id=source.id,
        to_id=target.id,
        expected_on=body.expected_on,
        carrier=body.carrier,
        tracking_number=body.tracking_number,
        note=body.note,
    )
    asked = [Asked(each.part_id, each.quantity, each.lot, each.serial) for each in body.lines]
    plan(here.session, made, asked, here.now, here.actor)
    if body.ship:
        _may_send(here, source)
        ship(here.session, get_transfer(here.session, made.id, lock=True), [], here.now, here.actor)
    return transfer_items(here, [made])[0]


@router.get("/stock-transfers/{transfer_id}", operation_id="get_stock_transfer")
def get_stock_transfer(transfer_id: UUID, here: Here) -> TransferItem:
    """One transfer."""
    here.require("stock.read")
    return transfer_items(here, [get_transfer(here.session, transfer_id)])[0]


@router.post("/stock-transfers/{transfer_id}/ship", operation_id="ship_stock_transfer")
def ship_stock_transfer(transfer_id: UUID, body: Shipping, here: Here) -> TransferItem:
    """Send it off: it is in transit."""
    here.require("stock.use")
    made = get_transfer(here.session, transfer_id, lock=True)
    _may_send(here, here.session.get_one(StockLocation, made.from_id))
    if body.ignore_reservations:
        require(here.actor, "stock.manage")
    for name in ("carrier", "tracking_number", "expected_on"):
        if getattr(body, name) is not None:
            setattr(made, name, getattr(body, name))
    packed = [Packed(each.line_id, each.quantity, each.lot, tuple(each.serials)) for each in body.lines]
    ship(here.session, made, packed, here.now, here.actor, ignore_reservations=body.ignore_reservations)
    return transfer_items(here, [made])[0]


@router.post("/stock-transfers/{transfer_id}/receive", operation_id="receive_stock_transfer")
def receive_stock_transfer(transfer_id: UUID, body: Receiving, here: Here) -> TransferItem:
    """Confirm what came; a difference is booked and stays on the transfer."""
    here.require("stock.use")
    made = get_transfer(here.session, transfer_id, lock=True)
    _may_send(here, here.session.get_one(StockLocation, made.to_id))
    counted = {each.line_id: each.received for each in body.lines} if body.lines is not None else None
    receive(here.session, made, counted, here.now, here.actor, final=body.final, note=body.note)
    return transfer_items(here, [made])[0]


@router.post("/stock-transfers/{transfer_id}/cancel", operation_id="cancel_stock_transfer")
def cancel_stock_transfer(transfer_id: UUID, here: Here) -> TransferItem:
    """Take it back."""
    here.require("stock.use")
    made = get_transfer(here.session, transfer_id, lock=True)
    _may_send(here, here.session.get_one(StockLocation, made.from_id))
    cancel(here.session, made, here.now, here.actor)
    return transfer_items(here, [made])[0]


def _may_send(here: Context, place: StockLocation) -> None:
    """Who answers for a place sends from it and receives at it: a person for their own, else a storekeeper."""
    if place.kind in PERSONAL and place.person_id is not None:
        check_hands(place, here.actor)
    elif not may(here.actor, "stock.manage"):
        require(here.actor, "stock.manage")


def transfer_items(here: Context, rows: list[StockTransfer]) -> list[TransferItem]:
    """Return transfers with their lines."""
    here.session.flush()
    lines = here.session.scalars(
        select(StockTransferLine)
        .where(StockTransferLine.transfer_id.in_([row.id for row in rows]))
        .order_by(StockTransferLine.line, StockTransferLine.id)
    ).all()
    names = Names(here).load(
        parts=[line.part_id for line in lines],
        lots=[line.lot_id for line in lines],
        serials=[line.serial_id for line in lines],
        places=[key for row in rows for key in (row.from_id, row.to_id)],
        people=[key for row in rows for key in (row.shipped_by_id, row.received_by_id)],
    )
    of_transfer: dict[UUID, list[StockTransferLine]] = defaultdict(list)
    for line in lines:
        of_transfer[line.transfer_id].append(line)
    return [_item(row, of_transfer[row.id], names) for row in rows]


def _item(row: StockTransfer, lines: list[StockTransferLine], names: Names) -> TransferItem:
    return TransferItem(
        id=row.id,
        number=row.number,
        state=row.state,
        **{"from": names.place(row.from_id)},
        to=names.place(row.to_id),
        expected_on=row.expected_on,
        carrier=row.carrier,
        tracking_number=row.tracking_number,
        note=row.note,
        created_at=row.created_at,
        shipped_at=row.shipped_at,
        shipped_by=names.person(row.shipped_by_id),
        received_at=row.received_at,
        received_by=names.person(row.received_by_id),
        lines=[_line(row, line, names) for line in lines],
        legal=LEGAL[row.state],
        version=row.version,
    )


def _line(row: StockTransfer, line: StockTransferLine, names: Names) -> TransferLine:
    serial = names.serial(line.serial_id)
    return TransferLine(
        id=line.id,
        part=names.part(line.part_id),
        lot=names.lot(line.lot_id),
        serial=serial.serial if serial else None,
        quantity=line.quantity,
        shipped=line.shipped,
        received=line.received,
        difference=line.received - line.shipped if row.state == "received" else Decimal(0),
    )
