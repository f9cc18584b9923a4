"""The customer's own portal: all their requests, each with its thread, and a form for every service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy import ColumnElement, func, or_, select

from assets.base.errors import Conflict, Invalid
from assets.people import Organisation, Person
from assets.registry import Asset, Customer
from gateway.api.deps import Context, Public
from gateway.pages.ask import Sent, ask_page, open_with_files, shown_file
from gateway.pages.customer import missing, problem, reader_of, render
from gateway.pages.forms import Choice, choices_for
from gateway.pages.machine import report_of
from gateway.pages.mine import Owner, owner_of
from gateway.pages.tracking import answer, as_json, tracking_page, wants_json
from ticketing.models import Request as ServiceRequest
from ticketing.requests import MAX_WAITING, follow

router = APIRouter(include_in_schema=False)

AT_ONCE = 50
MAX_MACHINES = 300  # in a list to choose from; more are found by their labels


@dataclass(frozen=True, slots=True)
class Row:
    """One request as it stands in the list."""

    id: UUID
    number: str
    title: str
    machine: str
    progress: str
    at: Any


@router.get("/a/mine/requests", operation_id="customer_requests")
def customer_requests(request: Request, here: Public) -> Response:
    """List the requests of whoever is signed in, newest first."""
    owner = owner_of(request, here)
    if owner is None:
        return RedirectResponse("/a/sign-in", status_code=303)
    wanted = select(ServiceRequest).where(_theirs(owner)).order_by(ServiceRequest.id.desc()).limit(AT_ONCE)
    rows = [_row(here, each) for each in here.session.scalars(wanted)]
    if wants_json(request):
        return JSONResponse(
            {"items": [{"id": str(row.id), "number": row.number, "state": row.progress} for row in rows]}
        )
    return render(reader_of(request), "requests.html", 200, None, rows=rows)


@router.get("/a/mine/ask", operation_id="customer_portal_ask")
def customer_portal_ask(
    request: Request, here: Public, type: str | None = None, machine: str | None = None
) -> Response:
    """Choose a service, or fill in its form; for one of one's machines or none."""
    owner = owner_of(request, here)
    if owner is None:
        return RedirectResponse("/a/sign-in", status_code=303)
    kinds = _kinds(here, owner, reader_of(request).language)
    kind = next((each for each in kinds if each.code == type), None)
    return _form(request, here, owner, kinds, kind, None, None, 200)


@router.post("/a/mine/requests", operation_id="customer_portal_request")
def customer_portal_request(request: Request, here: Public, sent: Sent, type: str | None = None) -> Response:
    """Open a request of the signed-in customer's."""
    owner = owner_of(request, here)
    if owner is None:
        return problem(401, "not_signed_in", "sign in") if sent.as_json else RedirectResponse("/a/sign-in", 303)
    if sent.trapped:
        return RedirectResponse("/a/mine/requests", status_code=303)
    kinds = _kinds(here, owner, reader_of(request).language)
    wanted = type or sent.words.get("service_type")
    kind = next((each for each in kinds if each.code == wanted), None)
    try:
        if kind is None:
            raise Invalid("there is no such service", field="service_type", allowed=[each.code for each in kinds])
        asset = _machine(here, owner, sent.words.get("machine", ""))
        customer = _customer(here, owner, asset)
        _check_flood(here, owner, customer)
        made = open_with_files(
            here,
            sent,
            kind,
            asset=asset,
            channel="portal",
            contact=_contact(here, owner, customer),
            customer=customer,
            organisation_id=owner.organisation_id,
        )
    except (Invalid, Conflict) as error:
        status = 409 if isinstance(error, Conflict) else 422
        if sent.as_json:
            return problem(status, error.code, str(error), error.params)
        return _form(request, here, owner, kinds, kind, sent, error, status)
    link = f"/a/mine/requests/{made.id}"
    if sent.as_json:
        return JSONResponse({"number": made.number, "link": link}, status_code=201, headers={"Location": link})
    return RedirectResponse(link, status_code=303)


@router.get("/a/mine/requests/{request_id}", operation_id="customer_portal_tracking")
def customer_portal_tracking(request_id: UUID, request: Request, here: Public) -> Response:
    """Show how far a request is, with its thread, appointment and reports."""
    found = _found(request, here, request_id)
    if found is None:
        return missing(reader_of(request), report=True)
    asset = here.session.get(Asset, found.asset_id) if found.asset_id else None
    report = report_of(here.session, found, asset)
    if wants_json(request):
        return as_json(report)
    return tracking_page(reader_of(request), report, f"/a/mine/requests/{found.id}", "/a/mine/requests")


@router.post("/a/mine/requests/{request_id}/messages", operation_id="customer_portal_answer")
def customer_portal_answer(request_id: UUID, request: Request, here: Public, sent: Sent) -> Response:
    """Write into the thread of one of one's requests."""
    found = _found(request, here, request_id)
    if found is None:
        return (
            problem(404, "not_found", "no such request") if sent.as_json else missing(reader_of(request), report=True)
        )
    back = f"/a/mine/requests/{found.id}#thread"
    try:
        if not sent.trapped:
            answer(here, found, sent, "portal")
    except (Invalid, Conflict) as error:
        if sent.as_json:
            return problem(409 if isinstance(error, Conflict) else 422, error.code, str(error), error.params)
    return JSONResponse({"link": back}, status_code=201) if sent.as_json else RedirectResponse(back, status_code=303)


@router.get("/a/mine/requests/{request_id}/files/{file_id}", operation_id="customer_portal_file")
def customer_portal_file(request_id: UUID, file_id: UUID, request: Request, here: Public) -> Response:
    """A file of one of one's requests."""
    found = _found(request, here, request_id)
    return missing(reader_of(request), report=True) if found is None else shown_file(here, found, file_id)


def _found(request: Request, here: Context, request_id: UUID) -> ServiceRequest | None:
    owner = owner_of(request, here)
    if owner is None:
        return None
    return here.session.scalar(select(ServiceRequest).where(ServiceRequest.id == request_id, _theirs(owner)))


def _theirs(owner: Owner) -> ColumnElement[bool]:
    """What is about their machines while these are theirs, and what they asked for about none."""
    machines = select(Asset.id).where(or_(*owner.machines), Asset.organisation_id == ServiceRequest.organisation_id)
    about = ServiceRequest.asset_id.in_(machines)
    if owner.records:
        none = ServiceRequest.asset_id.is_(None)
        return or_(about, none & ServiceRequest.customer_id.in_(owner.records))
    own = select(Organisation.id).where(Organisation.id == owner.organisation_id)
    return or_(about, ServiceRequest.asset_id.is_(None) & ServiceRequest.organisation_id.in_(own))


def _row(here: Context, request: ServiceRequest) -> Row:
    asset = here.session.get(Asset, request.asset_id) if request.asset_id else None
    first = next((line for line in request.text.splitlines() if line.strip()), "")
    progress = follow(here.session, request)
    return Row(request.id, request.number, first[:120], asset.name if asset else "", progress, request.created_at)


def _kinds(here: Context, owner: Owner, language: str) -> list[Choice]:
    return choices_for(here, owner.organisation_id, language)


def _machine(here: Context, owner: Owner, told: str) -> Asset | None:
    if not told:
        return None
    found = here.session.scalar(select(Asset).where(Asset.code == told, or_(*owner.machines)))
    if found is None:
        raise Invalid("this is none of your machines", field="machine")
    return found


def _customer(here: Context, owner: Owner, asset: Asset | None) -> Customer | None:
    if asset is not None:
        return here.session.get(Customer, asset.customer_id) if asset.customer_id else None
    if owner.records:
        return here.session.get(Customer, owner.records[0])
    own = select(Customer).where(Customer.organisation_id == owner.organisation_id, Customer.merged_into_id.is_(None))
    return here.session.scalar(own.order_by(Customer.id).limit(1))


def _contact(here: Context, owner: Owner, customer: Customer | None) -> dict[str, str | None]:
    person = here.session.get(Person, owner.person_id) if owner.person_id else None
    if person is not None:
        return {"name": person.name, "phone": person.phone, "email": person.email}
    return {"name": customer.name, "phone": customer.phone, "email": customer.email} if customer else {}


def _check_flood(here: Context, owner: Owner, customer: Customer | None) -> None:
    """As for one machine: what one customer may have waiting about none."""
    of = (
        ServiceRequest.customer_id == customer.id
        if customer
        else ServiceRequest.organisation_id == owner.organisation_id
    )
    counted = (
        select(func.count())
        .select_from(ServiceRequest)
        .where(of, ServiceRequest.asset_id.is_(None), ServiceRequest.state == "new")
    )
    if (here.session.scalar(counted) or 0) >= MAX_WAITING:
        raise Conflict("too many requests wait already", what="too_many_requests", limit=MAX_WAITING)


def _form(
    request: Request,
    here: Context,
    owner: Owner,
    kinds: list[Choice],
    kind: Choice | None,
    sent: Any,
    error: Invalid | Conflict | None,
    status: int,
) -> Response:
    wanted = select(Asset.code, Asset.name, Asset.serial).where(or_(*owner.machines))
    wanted = wanted.where(Asset.lifecycle.not_in(("retired", "scrapped"))).order_by(Asset.name).limit(MAX_MACHINES)
    machines = [(code, f"{name} · {serial}") for code, name, serial in here.session.execute(wanted)]
    return ask_page(
        reader_of(request),
        kinds,
        kind,
        sent,
        error,
        status,
        here="/a/mine/ask",
        post="/a/mine/requests",
        back="/a/mine/requests",
        machine=None,
        machines=machines,
    )
