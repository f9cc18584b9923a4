"""Partners' applications over HTTP: sent without sign-in, decided by the operator."""

from __future__ import annotations

import hashlib
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.access import Role
from assets.base.db import service_rights
from assets.base.errors import Conflict
from assets.people import Organisation, root_organisation
from gateway.api.deps import Context, Here, Public
from gateway.api.edits import IfMatch, Reason, Ref, locked, person_names, seen
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.partner_mail import write_to_applicant
from gateway.sign_in import make_link
from gateway.texts import LANGUAGES
from ticketing.people.applications import Applied, apply, approve, confirm, reject
from ticketing.people.tables import PartnerApplication

router = APIRouter(prefix="/api/v1", tags=["people"])

ApplicationState = Literal["unconfirmed", "waiting", "approved", "rejected"]
Long = Annotated[str | None, Field(max_length=2000)]


class NewApplication(BaseModel):
    """What a company tells of itself. Nothing of it is checked by anybody but the operator."""

    company: Annotated[str, Field(max_length=200)]
    contact_name: Annotated[str, Field(max_length=200)]
    email: Annotated[str, Field(max_length=320)]
    phone: Annotated[str | None, Field(max_length=60)] = None
    address: Annotated[str | None, Field(max_length=500)] = None
    regions: Annotated[str | None, Field(max_length=500)] = None
    skills: Annotated[str | None, Field(max_length=1000)] = None
    message: Long = None
    language: Literal["en", "zh"] = "en"


class ApplicationReceived(BaseModel):
    """What happens next; the same answer whether or not the address wrote before."""

    next: Literal["confirm_by_mail", "wait_for_decision"]


class ApplicationConfirmation(BaseModel):
    """The code from the e-mail."""

    code: Annotated[str, Field(min_length=1, max_length=200)]


class ApplicationItem(BaseModel):
    """An application, for the operator's administrators."""

    id: UUID
    company: str
    contact_name: str
    email: str
    phone: str | None
    address: str | None
    regions: str | None
    skills: str | None
    message: str | None
    language: str
    state: ApplicationState
    created_at: datetime
    confirmed_at: datetime | None
    decided_at: datetime | None
    decided_by: Ref | None
    decision_reason: str | None
    partner_organisation_id: UUID | None
    person_id: UUID | None
    version: int


class Applications(BaseModel):
    """A page of applications."""

    items: list[ApplicationItem]
    next: str | None = None


class ApplicationApproval(BaseModel):
    """What the first person of the new organisation may do there."""

    roles: Annotated[list[Role], Field(min_length=1, max_length=3)] = [Role.PARTNER]


class ApprovedApplication(ApplicationItem):
    """An approved application; `mailed` when the sign-in link went to its sender, else pass it on from the person."""

    mailed: bool


class ApplicationRejection(BaseModel):
    """Why; the sender reads it."""

    reason: Reason


@router.post("/partner-applications", operation_id="apply_as_partner", status_code=202)
def apply_as_partner(
    body: NewApplication, request: Request, here: Public, later: BackgroundTasks
) -> ApplicationReceived:
    """Ask to become a partner; where mail can be sent, the address has to be confirmed first."""
    fields = body.model_dump(exclude={"language"})
    receive(here, request, fields, body.language, later)
    return ApplicationReceived(next="confirm_by_mail" if here.settings.smtp_url else "wait_for_decision")


@router.post("/partner-applications/confirmations", operation_id="confirm_partner_application", status_code=202)
def confirm_partner_application(body: ApplicationConfirmation, here: Public) -> ApplicationReceived:
    """Confirm the address with the code that was mailed."""
    confirm(here.session, body.code, here.now)
    return ApplicationReceived(next="wait_for_decision")


@router.get("/partner-applications", operation_id="list_partner_applications")
def list_partner_applications(
    here: Here, state: ApplicationState | None = None, limit: Limit = 100, after: After = None
) -> Applications:
    """List applications, newest first; those whose address is not confirmed only when asked for."""
    here.require("partner_application.decide")
    query = select(PartnerApplication).order_by(PartnerApplication.id.desc()).limit(limit + 1)
    shown = PartnerApplication.state == state if state else PartnerApplication.state != "unconfirmed"
    query = query.where(shown)
    if after is not None:
        query = query.where(PartnerApplication.id < read_cursor(after, UUID)[0])
    found = list(here.session.scalars(query))
    page = found[:limit]
    following = cursor_of(page[-1].id) if len(found) > limit else None
    return Applications(items=_items(here, page), next=following)


@router.get("/partner-applications/{application_id}", operation_id="get_partner_application")
def get_partner_application(application_id: UUID, here: Here) -> ApplicationItem:
    """One application."""
    here.require("partner_application.decide")
    return _items(here, [seen(here, PartnerApplication, application_id, "partner_application")])[0]


@router.post("/partner-applications/{application_id}/approve", operation_id="approve_partner_application")
def approve_partner_application(
    application_id: UUID,
    here: Here,
    later: BackgroundTasks,
    body: ApplicationApproval | None = None,
    if_match: IfMatch = None,
) -> ApprovedApplication:
    """Make the partner organisation and its first person, and mail them a sign-in link."""
    here.require("partner_application.decide")
    application = locked(here, PartnerApplication, application_id, "partner_application", if_match)
    operator = here.session.get_one(Organisation, application.organisation_id)
    roles = frozenset(body.roles if body else [Role.PARTNER])
    _, person = approve(here.session, application, operator, here.now, roles=roles, by=here.actor)
    mailed = bool(here.settings.smtp_url)
    if here.settings.smtp_url:
        page = "/m/sign-in" if roles == {Role.TECHNICIAN} else "/sign-in"
        link = f"{here.settings.base_url}{page}?token={_link(here, person.id)}"
        later.add_task(
            write_to_applicant, here.settings.smtp_url, application.email, application.language, "approved",
            company=application.company, link=link,
        )  # fmt: skip
    return ApprovedApplication(**_items(here, [application])[0].model_dump(), mailed=mailed)


@router.post("/partner-applications/{application_id}/reject", operation_id="reject_partner_application")
def reject_partner_application(
    application_id: UUID, body: ApplicationRejection, here: Here, later: BackgroundTasks, if_match: IfMatch = None
) -> ApplicationItem:
    """Refuse an application; its sender reads the reason."""
    here.require("partner_application.decide")
    application = locked(here, PartnerApplication, application_id, "partner_application", if_match)
    reject(here.session, application, body.reason, here.now, by=here.actor)
    if here.settings.smtp_url:
        later.add_task(
            write_to_applicant, here.settings.smtp_url, application.email, application.language, "rejected",
            company=application.company, reason=body.reason.strip(),
        )  # fmt: skip
    return _items(here, [application])[0]


def receive(
    here: Context, request: Request, fields: dict[str, str | None], language: str, later: BackgroundTasks
) -> Applied:
    """Take an application and write to its sender, for the page and the API. Raises Conflict before set-up."""
    operator = root_organisation(here.session)
    if operator is None:
        raise Conflict("nobody runs this server yet")
    smtp_url = here.settings.smtp_url
    applied = apply(
        here.session,
        operator,
        fields,
        here.now,
        language=language if language in LANGUAGES else LANGUAGES[0],
        address_hash=_address_hash(request),
        confirm=bool(smtp_url),
    )
    if smtp_url and applied.code:
        link = f"{here.settings.base_url}/a/partner/confirm/{applied.code}"
        application = applied.application
        later.add_task(
            write_to_applicant, smtp_url, application.email, application.language, "confirm",
            company=application.company, link=link,
        )  # fmt: skip
    return applied


def _address_hash(request: Request) -> str:
    """Where an application comes from, so that their number can be bounded; an IPv6 host has a whole /64."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    whole = str(ip_network((address, 64), strict=False)) if address and address.version == 6 else host
    return hashlib.sha256(f"partner {whole}".encode()).hexdigest()


def _link(here: Context, person_id: UUID) -> str:
    with service_rights(here.session):  # links are no tenant's rows
        return make_link(here.session, person_id, here.now)


def _items(here: Context, applications: list[PartnerApplication]) -> list[ApplicationItem]:
    names = person_names(here, [each.decided_by_id for each in applications])
    plain = set(ApplicationItem.model_fields) - {"decided_by"}
    return [
        ApplicationItem(
            decided_by=names.get(each.decided_by_id) if each.decided_by_id else None,
            **{field: getattr(each, field) for field in plain},
        )
        for each in applications
    ]
