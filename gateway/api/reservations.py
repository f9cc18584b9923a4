"""Reservations over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.stock.items import part_for
from assets.stock.places import get_location
from assets.stock.promises import StockReservation, cancel, get_reservation, reserve
from gateway.api.deps import Context, Here
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.stock_rows import (
    Amount,
    Names,
    Note,
    OrderRef,
    PartRef,
    PersonRef,
    PlaceRef,
    order_ref,
    work_of,
)
from gateway.api.work_orders import id_of_cursor

router = APIRouter(prefix="/api/v1", tags=["stock"])


class NewReservation(BaseModel):
    """What to keep, where and for which day; a soft one (`hard` false) keeps nothing from others."""

    part_id: UUID
    location_id: UUID
    quantity: Annotated[Decimal, Field(gt=0, max_digits=13, decimal_places=4)]
    needed_on: date
    hard: bool = True
    work_order_id: UUID | None = None
    work_order: Annotated[str | None, Field(max_length=80)] = None
    note: Note | None = None


class ReservationItem(BaseModel):
    """What is kept."""

    id: UUID
    part: PartRef
    location: PlaceRef | None
    quantity: Amount
    fulfilled: Amount
    needed_on: date
    hard: bool
    state: str
    work_order: OrderRef | None
    note: str | None
    by: PersonRef | None
    created_at: datetime
    legal: list[str]


class Reservations(BaseModel):
    """A page of reservations."""

    items: list[ReservationItem]
    next: str | None = None


@router.get("/reservations", operation_id="list_reservations")
def list_reservations(
    here: Here,
    part_id: UUID | None = None,
    location_id: UUID | None = None,
    work_order_id: UUID | None = None,
    work_order: str | None = None,
    state: str | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Reservations:
    """List reservations, newest first."""
    here.require("stock.read")
    query = select(StockReservation).order_by(StockReservation.id.desc()).limit(limit + 1)
    for column, value in (
        (StockReservation.part_id, part_id),
        (StockReservation.location_id, location_id),
        (StockReservation.work_order_id, work_order_id),
        (StockReservation.work_order_number, work_order),
        (StockReservation.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    if after:
        query = query.where(StockReservation.id < id_of_cursor(after))
    rows = list(here.session.scalars(query))
    page = rows[:limit]
    return Reservations(items=_items(here, page), next=cursor_of(page[-1].id) if len(rows) > limit else None)


@router.post("/reservations", operation_id="create_reservation", status_code=201)
def create_reservation(body: NewReservation, here: Here) -> ReservationItem:
    """Keep something for a day."""
    here.require("stock.use")
    location = get_location(here.session, body.location_id)
    part = part_for(here.session, location.organisation_id, part_id=body.part_id)
    work, _ = work_of(here, body.work_order_id, body.work_order)
    made = reserve(
        here.session,
        part,
        location,
        body.quantity,
        body.needed_on,
        here.now,
        here.actor,
        hard=body.hard,
        work=work,
        note=body.note,
    )
    return _items(here, [made])[0]


@router.get("/reservations/{reservation_id}", operation_id="get_reservation")
def get_one_reservation(reservation_id: UUID, here: Here) -> ReservationItem:
    """One reservation."""
    here.require("stock.read")
    return _items(here, [get_reservation(here.session, reservation_id)])[0]


@router.post("/reservations/{reservation_id}/cancel", operation_id="cancel_reservation")
def cancel_one_reservation(reservation_id: UUID, here: Here) -> ReservationItem:
    """Give it up."""
    here.require("stock.use")
    made = get_reservation(here.session, reservation_id)
    cancel(here.session, made)
    return _items(here, [made])[0]


def _items(here: Context, rows: list[StockReservation]) -> list[ReservationItem]:
    names = Names(here).load(
        parts=[row.part_id for row in rows],
        places=[row.location_id for row in rows],
        people=[row.by_id for row in rows],
    )
    return [
        ReservationItem(
            id=row.id,
            part=names.part(row.part_id),
            location=names.place(row.location_id),
            quantity=row.quantity,
            fulfilled=row.fulfilled,
            needed_on=row.needed_on,
            hard=row.hard,
            state=row.state,
            work_order=order_ref(row.work_order_id, row.work_order_number),
            note=row.note,
            by=names.person(row.by_id),
            created_at=row.created_at,
            legal=["cancel"] if row.state == "open" else [],
        )
        for row in rows
    ]
