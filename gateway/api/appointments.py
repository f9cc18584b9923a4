"""Appointments over HTTP: what the plan can keep is offered, booked by the desk, moved, taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import select

from assets.base.db import service_rights
from assets.people import Organisation
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, locked
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_orders import id_of_cursor
from ticketing.dispatch.appointments import book, cancel, offer, windows_for
from ticketing.dispatch.settings import Rules, rules_above
from ticketing.dispatch.tables import Appointment, AppointmentOffer
from ticketing.models import WorkOrder
from ticketing.order_people import check_owner
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["dispatch"])


class AppointmentWindow(BaseModel):
    """A window in which work can begin."""

    window_from: datetime
    window_until: datetime


class AppointmentWindows(BaseModel):
    """Windows that the plan can keep, by time."""

    items: list[AppointmentWindow]


class OfferItem(BaseModel):
    """An offer: `link` is the page on which the customer chooses."""

    id: UUID
    link: str
    windows: list[AppointmentWindow]
    offered_at: datetime
    expires_at: datetime


class AppointmentItem(BaseModel):
    """What was promised. `moves`: how often the customer moved it, of `moves_allowed`."""

    id: UUID
    work_order_id: UUID
    number: str
    window_from: datetime
    window_until: datetime
    state: str
    chosen_by: str
    moves: int
    moves_allowed: int
    booked_at: datetime
    version: int


class Appointments(BaseModel):
    """A page of appointments."""

    items: list[AppointmentItem]
    next: str | None = None


class NewOffer(BaseModel):
    """From when on windows are looked for."""

    from_at: Moment | None = None


class WindowChoice(BaseModel):
    """A window that was chosen."""

    window_from: Moment
    window_until: Moment


def rules_for(here: Context, order: WorkOrder) -> Rules:
    """Return the rules that an order is planned by: the nearest ones above its owner, for the whole house's people."""
    with service_rights(here.session):
        found = rules_above(here.session, order.organisation_id)
        owner = here.session.get(Organisation, order.organisation_id)
        root = owner.ancestors[0] if owner is not None else found.organisation_id
    return found if found.version else replace(found, organisation_id=root)


@router.get("/work-orders/{order_id}/windows", operation_id="list_windows")
def list_windows(
    order_id: UUID, here: Here, from_: Annotated[Moment | None, Query(alias="from")] = None
) -> AppointmentWindows:
    """Windows that the plan can keep for an order; nothing is promised by asking."""
    here.require("dispatch.plan")
    order = get_work_order(here.session, order_id)
    found = windows_for(here.session, rules_for(here, order), order, here.now, from_)
    return AppointmentWindows(
        items=[AppointmentWindow(window_from=each.opens, window_until=each.closes) for each in found]
    )


@router.post("/work-orders/{order_id}/appointment-offers", operation_id="offer_appointment", status_code=201)
def offer_appointment(order_id: UUID, body: NewOffer, here: Here) -> OfferItem:
    """Offer windows by a link that needs no sign-in; 409 when the plan can keep none."""
    here.require("dispatch.plan")
    order = get_work_order(here.session, order_id, lock=True)
    check_owner(here.session, order, here.actor)
    made = offer(here.session, rules_for(here, order), order, here.now, start=body.from_at, by=here.actor)
    return _offered(made)


@router.get("/work-orders/{order_id}/appointments", operation_id="list_appointments_of_work_order")
def of_work_order(order_id: UUID, here: Here) -> Appointments:
    """What was promised for an order, newest first."""
    here.require("work_order.read")
    order = get_work_order(here.session, order_id)
    query = select(Appointment).where(Appointment.work_order_id == order.id).order_by(Appointment.id.desc()).limit(100)
    return Appointments(items=_items(here, list(here.session.scalars(query))))


@router.post("/work-orders/{order_id}/appointments", operation_id="book_appointment", status_code=201)
def book_appointment(order_id: UUID, body: WindowChoice, here: Here) -> AppointmentItem:
    """Promise a window, or move the promise there; the visit is planned so that it is kept."""
    here.require("dispatch.plan")
    order = get_work_order(here.session, order_id)
    check_owner(here.session, order, here.actor)
    made = book(
        here.session, rules_for(here, order), order.id, body.window_from, body.window_until, here.now,
        chosen_by="desk", by=here.actor,
    )  # fmt: skip
    return _items(here, [made])[0]


@router.get("/appointments", operation_id="list_appointments")
def list_appointments(
    here: Here, from_: Annotated[Moment | None, Query(alias="from")] = None, limit: Limit = 100, after: After = None
) -> Appointments:
    """List appointments, newest first."""
    here.require("dispatch.read")
    query = select(Appointment).order_by(Appointment.id.desc()).limit(limit + 1)
    if from_ is not None:
        query = query.where(Appointment.window_until > from_)
    if after is not None:
        query = query.where(Appointment.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return Appointments(items=_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.post("/appointments/{appointment_id}/move", operation_id="move_appointment")
def move_appointment(appointment_id: UUID, body: WindowChoice, here: Here, if_match: IfMatch = None) -> AppointmentItem:
    """Move a promise to another window; the desk may as often as it has to."""
    here.require("dispatch.plan")
    row = locked(here, Appointment, appointment_id, "appointment", if_match)
    order = get_work_order(here.session, row.work_order_id)
    check_owner(here.session, order, here.actor)
    moved = book(
        here.session, rules_for(here, order), order.id, body.window_from, body.window_until, here.now,
        chosen_by="desk", by=here.actor,
    )  # fmt: skip
    return _items(here, [moved])[0]


@router.post("/appointments/{appointment_id}/cancel", operation_id="cancel_appointment")
def cancel_appointment(appointment_id: UUID, here: Here, if_match: IfMatch = None) -> AppointmentItem:
    """Take a promise back; the visit stays planned."""
    here.require("dispatch.plan")
    row = locked(here, Appointment, appointment_id, "appointment", if_match)
    check_owner(here.session, get_work_order(here.session, row.work_order_id), here.actor)
    return _items(here, [cancel(here.session, row, here.now, by=here.actor)])[0]


def _offered(made: AppointmentOffer) -> OfferItem:
    return OfferItem(
        id=made.id,
        link=f"/a/appointments/{made.token}",
        windows=[AppointmentWindow(window_from=each["from"], window_until=each["until"]) for each in made.windows],
        offered_at=made.offered_at,
        expires_at=made.expires_at,
    )


def _items(here: Context, rows: list[Appointment]) -> list[AppointmentItem]:
    orders = {
        each.id: each
        for each in here.session.scalars(select(WorkOrder).where(WorkOrder.id.in_({row.work_order_id for row in rows})))
    }
    allowed = {key: rules_for(here, order).moves_allowed for key, order in _one_of_each(orders).items()}
    plain = [name for name in AppointmentItem.model_fields if name not in ("number", "moves_allowed")]
    return [
        AppointmentItem(
            number=orders[row.work_order_id].number,
            moves_allowed=allowed[orders[row.work_order_id].organisation_id],
            **{name: getattr(row, name) for name in plain},
        )
        for row in rows
        if row.work_order_id in orders
    ]


def _one_of_each(orders: dict[UUID, WorkOrder]) -> dict[UUID, WorkOrder]:
    """Return one order of each owner: the rules are the owner's."""
    return {each.organisation_id: each for each in orders.values()}
