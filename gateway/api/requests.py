"""Requests over HTTP: the desk's triage list, accept into a work order, reject with a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.errors import NotFound
from assets.registry import Asset, Customer
from gateway.api.deps import Context, Here
from gateway.api.edits import named, named_assets
from gateway.api.pages import After, Limit, cursor_of
from gateway.api.work_order_rows import WorkOrderDetail, detail_of
from gateway.api.work_orders import id_of_cursor
from ticketing.cases.tables import Case, ServiceType
from ticketing.finding import holding
from ticketing.intake import accept_request
from ticketing.models import Request, WorkOrder
from ticketing.requests import (
    MAX_CONTACT,
    MAX_REASON,
    MAX_TEXT,
    get_request,
    open_request,
    reject_request,
)
from ticketing.work_orders import get_work_order

router = APIRouter(prefix="/api/v1", tags=["requests"])


class AssetOfRequest(BaseModel):
    """The asset that a request is about."""

    id: UUID
    name: str
    serial: str


class WorkOrderOfRequest(BaseModel):
    """The work that a request led to."""

    id: UUID
    number: str
    state: str


class CaseOfRequest(BaseModel):
    """The case that a request is part of."""

    id: UUID
    number: str
    state: str


class RequestItem(BaseModel):
    """A request as the desk sees it; one that came by phone or mail may not know its asset yet."""

    id: UUID
    number: str
    asset: AssetOfRequest | None
    case: CaseOfRequest | None
    service_type_id: UUID | None
    answers: dict[str, Any]
    channel: str
    text: str
    contact_name: str | None
    contact_phone: str | None
    contact_email: str | None
    state: str
    created_at: datetime
    decided_at: datetime | None
    decision_reason: str | None
    work_order: WorkOrderOfRequest | None
    demo: bool


class Requests(BaseModel):
    """A page of requests."""

    items: list[RequestItem]
    next: str | None = None


class NewRequest(BaseModel):
    """A request that somebody of the organisation enters, for example after a call."""

    asset_id: UUID | None = None
    customer_id: UUID | None = None
    case_id: UUID | None = None
    service_type_id: UUID | None = None
    answers: dict[str, Any] | None = None
    priority: str | None = None
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    channel: str = "desk"
    contact_name: str | None = Field(default=None, max_length=MAX_CONTACT)
    contact_phone: str | None = Field(default=None, max_length=MAX_CONTACT)
    contact_email: str | None = Field(default=None, max_length=MAX_CONTACT)


class Acceptance(BaseModel):
    """How urgent it is, and the open work order to join instead of opening one."""

    priority: str | None = None
    work_order_id: UUID | None = None


class Rejection(BaseModel):
    """Why not; the sender reads it."""

    reason: str = Field(min_length=1, max_length=MAX_REASON)


@router.get("/requests", operation_id="list_requests")
def list_requests(
    here: Here,
    state: str | None = None,
    asset_id: UUID | None = None,
    case_id: UUID | None = None,
    number: str | None = None,
    q: str | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Requests:
    """List requests, newest first."""
    here.require("request.read")
    query = select(Request).order_by(Request.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(Request.state == state)
    if asset_id is not None:
        query = query.where(Request.asset_id == asset_id)
    if case_id is not None:
        query = query.where(Request.case_id == case_id)
    if number is not None:
        query = query.where(Request.number == number)
    if q and q.strip():
        query = query.where(holding(here.session, "request", q, here.actor))
    if after is not None:
        query = query.where(Request.id < id_of_cursor(after))
    found = list(here.session.scalars(query))
    page = found[:limit]
    return Requests(items=_items(here, page), next=cursor_of(page[-1].id) if len(found) > limit else None)


@router.get("/requests/{request_id}", operation_id="get_request")
def get_one_request(request_id: UUID, here: Here) -> RequestItem:
    """Show one request."""
    here.require("request.read")
    return _items(here, [get_request(here.session, request_id)])[0]


@router.post("/requests", operation_id="create_request", status_code=201)
def create_request(body: NewRequest, here: Here) -> RequestItem:
    """Enter a request."""
    here.require("request.open")
    session = here.session
    asset = session.get(Asset, body.asset_id) if body.asset_id else None
    if body.asset_id is not None and asset is None:
        raise NotFound("no such asset", kind="asset")
    contact = {"name": body.contact_name, "phone": body.contact_phone, "email": body.contact_email}
    request = open_request(
        session,
        asset=asset,
        customer=named(here, Customer, body.customer_id, "customer_id"),
        organisation_id=here.actor.organisation_id,
        case=named(here, Case, body.case_id, "case_id"),
        service_type=named(here, ServiceType, body.service_type_id, "service_type_id"),
        answers=body.answers,
        priority=body.priority,
        channel=body.channel,
        text=body.text,
        contact=contact,
        now=here.now,
        by=here.actor,
    )
    return _items(here, [request])[0]


@router.post("/requests/{request_id}/accept", operation_id="accept_request")
def accept_one_request(request_id: UUID, here: Here, body: Acceptance | None = None) -> WorkOrderDetail:
    """Accept a request: opens a work order, or joins an open one on the same asset."""
    here.require("request.triage")
    wanted = body or Acceptance()
    into = get_work_order(here.session, wanted.work_order_id, lock=True) if wanted.work_order_id else None
    request = get_request(here.session, request_id, lock=True)
    order = accept_request(here.session, request, here.now, by=here.actor, priority=wanted.priority, into=into)
    return detail_of(here, order)


@router.post("/requests/{request_id}/reject", operation_id="reject_request")
def reject_one_request(request_id: UUID, body: Rejection, here: Here) -> RequestItem:
    """Reject a request with a reason."""
    here.require("request.triage")
    request = get_request(here.session, request_id, lock=True)
    return _items(here, [reject_request(here.session, request, body.reason, here.now, by=here.actor)])[0]


def _items(here: Context, requests: list[Request]) -> list[RequestItem]:
    session = here.session
    assets = named_assets(here, (r.asset_id for r in requests if r.asset_id))
    wanted = {r.work_order_id for r in requests if r.work_order_id}
    orders = {o.id: o for o in session.scalars(select(WorkOrder).where(WorkOrder.id.in_(wanted)))}
    of_cases = {r.case_id for r in requests if r.case_id}
    cases = {c.id: c for c in session.scalars(select(Case).where(Case.id.in_(of_cases)))}
    return [
        _item(
            r,
            assets[r.asset_id] if r.asset_id else None,
            orders.get(r.work_order_id) if r.work_order_id else None,
            cases.get(r.case_id) if r.case_id else None,
        )
        for r in requests
    ]


def _item(request: Request, asset: Asset | None, order: WorkOrder | None, case: Case | None) -> RequestItem:
    return RequestItem(
        id=request.id,
        number=request.number,
        asset=AssetOfRequest(id=asset.id, name=asset.name, serial=asset.serial) if asset else None,
        case=CaseOfRequest(id=case.id, number=case.number, state=case.state) if case else None,
        service_type_id=request.service_type_id,
        answers=request.answers,
        channel=request.channel,
        text=request.text,
        contact_name=request.contact.get("name"),
        contact_phone=request.contact.get("phone"),
        contact_email=request.contact.get("email"),
        state=request.state,
        created_at=request.created_at,
        decided_at=request.decided_at,
        decision_reason=request.decision_reason,
        work_order=WorkOrderOfRequest(id=order.id, number=order.number, state=order.state) if order else None,
        demo=request.demo,
    )
