"""Purchase orders over HTTP, and what came of them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import or_, select

from assets.stock.operations import known_movement
from assets.stock.places import get_location
from assets.stock.purchasing import (
    Arrived,
    PurchaseOrder,
    PurchaseOrderLine,
    Wanted,
    get_order,
    move_order,
    order,
    receipts_of,
    receive,
    set_lines,
)
from assets.stock.text import folded
from assets.stock.words import MAX_LINES, PURCHASE_MOVES, RECEIVABLE
from gateway.api.deps import Context, Here
from gateway.api.edits import Moment
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.stock_movements import MovementItem, movement_items
from gateway.api.stock_rows import Amount, AmountIn, Currency, IfMatch, Names, Note, PartRef, PlaceRef, check_version
from gateway.api.work_orders import id_of_cursor

router = APIRouter(prefix="/api/v1", tags=["purchase orders"])


class WantedLine(BaseModel):
    """An item to order; without a cost its standard cost."""

    part_id: UUID
    quantity: Annotated[Decimal, Field(gt=0, max_digits=13, decimal_places=4)]
    unit_cost: AmountIn | None = None


class NewPurchaseOrder(BaseModel):
    """What to order, from whom, for where."""

    supplier: Annotated[str, Field(min_length=1, max_length=200)]
    supplier_reference: Annotated[str | None, Field(max_length=80)] = None
    currency: Currency
    deliver_to_id: UUID
    expected_on: date | None = None
    note: Note | None = None
    lines: Annotated[list[WantedLine], Field(min_length=1, max_length=MAX_LINES)]


class PurchaseOrderChange(BaseModel):
    """What changes; lines only of a draft."""

    supplier: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    supplier_reference: Annotated[str | None, Field(max_length=80)] = None
    expected_on: date | None = None
    note: Note | None = None
    lines: Annotated[list[WantedLine] | None, Field(min_length=1, max_length=MAX_LINES)] = None


class PurchaseMove(BaseModel):
    """A state to move to."""

    to: str


class ArrivedLine(BaseModel):
    """What came of a line."""

    line_id: UUID
    quantity: Annotated[Decimal, Field(gt=0, max_digits=13, decimal_places=4)]
    lot: Annotated[str | None, Field(max_length=80)] = None
    serials: Annotated[list[Annotated[str, Field(min_length=1, max_length=80)]], Field(max_length=MAX_LINES)] = []
    expires_at: date | None = None
    location_id: UUID | None = None


class Receipt(BaseModel):
    """A delivery."""

    lines: Annotated[list[ArrivedLine], Field(min_length=1, max_length=MAX_LINES)]
    accept_over: bool = False
    operation_id: UUID | None = None
    occurred_at: Moment | None = None
    delivery_note: Note | None = None


class PurchaseLine(BaseModel):
    """An item on an order, and what of it is still open."""

    id: UUID
    part: PartRef
    quantity: Amount
    unit_cost: Amount
    received: Amount
    open: Amount


class PurchaseItem(BaseModel):
    """An order with its lines."""

    id: UUID
    number: str
    supplier: str
    supplier_reference: str | None
    currency: str
    state: str
    deliver_to: PlaceRef | None
    expected_on: date | None
    note: str | None
    created_at: datetime
    ordered_at: datetime | None
    lines: list[PurchaseLine]
    total: Amount
    legal: list[str]
    version: int


class Purchases(BaseModel):
    """A page of orders."""

    items: list[PurchaseItem]
    next: str | None = None


class PurchaseDetail(PurchaseItem):
    """An order with its receipts."""

    receipts: list[MovementItem]


@router.get("/purchase-orders", operation_id="list_purchase_orders")
def list_purchase_orders(
    here: Here,
    q: Annotated[str | None, Query(max_length=200)] = None,
    state: str | None = None,
    number: str | None = None,
    part_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Purchases:
    """List orders, newest first."""
    here.require("price.read")
    query = select(PurchaseOrder).order_by(PurchaseOrder.id.desc()).limit(limit + 1)
    for word in folded(q).split()[:8] if q else ():
        query = query.where(
            or_(
                PurchaseOrder.number.icontains(word, autoescape=True),
                PurchaseOrder.supplier.icontains(word, autoescape=True),
            )
        )
    for column, value in ((PurchaseOrder.state, state), (PurchaseOrder.number, number)):
        if value is not None:
            query = query.where(column == value)
    if part_id is not None:
        lines = select(PurchaseOrderLine.purchase_order_id).where(PurchaseOrderLine.part_id == part_id)
        query = query.where(PurchaseOrder.id.in_(lines))
    if after:
        query = query.where(PurchaseOrder.id < id_of_cursor(after))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Purchases(items=purchase_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/purchase-orders", operation_id="create_purchase_order", status_code=201)
def create_purchase_order(body: NewPurchaseOrder, here: Here) -> PurchaseDetail:
    """Write an order as a draft."""
    here.require("purchase.manage")
    place = get_location(here.session, body.deliver_to_id, "deliver_to_id")
    made = PurchaseOrder(
        organisation_id=place.organisation_id,
        supplier=body.supplier.strip(),
        supplier_reference=body.supplier_reference,
        currency=body.currency,
        location_id=place.id,
        expected_on=body.expected_on,
        note=body.note,
    )
    return _detail(here, order(here.session, made, _wanted(body.lines), here.now, here.actor))


def _wanted(lines: list[WantedLine]) -> list[Wanted]:
    return [Wanted(each.part_id, each.quantity, each.unit_cost) for each in lines]


@router.get("/purchase-orders/{order_id}", operation_id="get_purchase_order")
def get_purchase_order(order_id: UUID, here: Here) -> PurchaseDetail:
    """One order."""
    here.require("price.read")
    return _detail(here, get_order(here.session, order_id))


@router.patch("/purchase-orders/{order_id}", operation_id="change_purchase_order")
def change_purchase_order(
    order_id: UUID, body: PurchaseOrderChange, here: Here, if_match: IfMatch = None
) -> PurchaseDetail:
    """Change an order."""
    here.require("purchase.manage")
    made = get_order(here.session, order_id, lock=True)
    check_version(if_match, made.version, made.number)
    for name, value in body.model_dump(exclude_unset=True, exclude={"lines"}).items():
        if value is not None or name != "supplier":
            setattr(made, name, value)
    if body.lines is not None:
        set_lines(here.session, made, _wanted(body.lines))
    here.session.flush()
    return _detail(here, made)


@router.post("/purchase-orders/{order_id}/transitions", operation_id="move_purchase_order")
def move_purchase_order(order_id: UUID, body: PurchaseMove, here: Here, if_match: IfMatch = None) -> PurchaseDetail:
    """Order it, cancel it, or close it with what has come."""
    here.require("purchase.manage")
    made = get_order(here.session, order_id, lock=True)
    check_version(if_match, made.version, made.number)
    move_order(here.session, made, body.to, here.now, here.actor)
    return _detail(here, made)


@router.post("/purchase-orders/{order_id}/receipts", operation_id="receive_purchase_order", status_code=201)
def receive_purchase_order(order_id: UUID, body: Receipt, here: Here) -> PurchaseDetail:
    """Book a delivery; a repeated operation_id books nothing again."""
    here.require("stock.manage")
    made = get_order(here.session, order_id, lock=True)
    if body.operation_id is None or known_movement(here.session, body.operation_id, made.id) is None:
        receive(
            here.session,
            made,
            [
                Arrived(each.line_id, each.quantity, each.lot, tuple(each.serials), each.expires_at, each.location_id)
                for each in body.lines
            ],
            here.now,
            here.actor,
            accept_over=body.accept_over,
            occurred_at=body.occurred_at,
            operation_id=body.operation_id,
            note=body.delivery_note,
        )
    return _detail(here, made)


def purchase_items(here: Context, rows: list[PurchaseOrder]) -> list[PurchaseItem]:
    """Return orders with their lines."""
    lines = here.session.scalars(
        select(PurchaseOrderLine)
        .where(PurchaseOrderLine.purchase_order_id.in_([row.id for row in rows]))
        .order_by(PurchaseOrderLine.line)
    ).all()
    names = Names(here).load(parts=[line.part_id for line in lines], places=[row.location_id for row in rows])
    of_order: dict[UUID, list[PurchaseOrderLine]] = defaultdict(list)
    for line in lines:
        of_order[line.purchase_order_id].append(line)
    return [_item(row, of_order[row.id], names) for row in rows]


def _item(row: PurchaseOrder, lines: list[PurchaseOrderLine], names: Names) -> PurchaseItem:
    return PurchaseItem(
        id=row.id,
        number=row.number,
        supplier=row.supplier,
        supplier_reference=row.supplier_reference,
        currency=row.currency,
        state=row.state,
        deliver_to=names.place(row.location_id),
        expected_on=row.expected_on,
        note=row.note,
        created_at=row.created_at,
        ordered_at=row.ordered_at,
        lines=[
            PurchaseLine(
                id=line.id,
                part=names.part(line.part_id),
                quantity=line.quantity,
                unit_cost=line.unit_cost,
                received=line.received,
                open=max(line.quantity - line.received, Decimal(0)),
            )
            for line in lines
        ],
        total=sum((line.quantity * line.unit_cost for line in lines), Decimal(0)),
        legal=[*PURCHASE_MOVES[row.state], *(["receive"] if row.state in RECEIVABLE else [])],
        version=row.version,
    )


def _detail(here: Context, made: PurchaseOrder) -> PurchaseDetail:
    here.session.flush()
    item = purchase_items(here, [made])[0]
    receipts = movement_items(here, receipts_of(here.session, made.id))
    return PurchaseDetail(**{name: getattr(item, name) for name in PurchaseItem.model_fields}, receipts=receipts)
