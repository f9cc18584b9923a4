"""A customer's own machines: sign in by a link that is sent by e-mail, then a list of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import ColumnElement, Uuid, any_, func, literal, or_, select, tuple_

from assets.base.access import Actor, Role, may
from assets.base.errors import Invalid
from assets.people import Membership, Organisation, Person, normal_email
from assets.registry import Asset, Customer, Site
from gateway import texts
from gateway.api.deps import COOKIE, SECURE_COOKIE, Context, Public
from gateway.api.pages import cursor_of, read_cursor
from gateway.customer_sign_in import (
    customer_of,
    make_customer_link,
    records_of_session,
    use_customer_link,
    waiting_links,
)
from gateway.notify.email import NotSent, send_email
from gateway.pages.customer import LOOKS, Reader, plain_words, reader_of, render
from gateway.pages.machine import load_customer_page
from gateway.sign_in import (
    FAILURE_WINDOW,
    LINK_LIFE,
    SESSION_LIFE,
    SignInFailed,
    SignInLink,
    actor_of_session,
    make_link,
    open_session,
    use_link,
)

router = APIRouter(include_in_schema=False)

AT_ONCE = 25  # machines on one page; each is looked at as on its own page
MAX_LINKS = 3  # that wait for one person, in a quarter of an hour
MAX_FORM = 4096
# Beside the session of a person: this one opens the list of machines and nothing else.
MINE_COOKIE, SECURE_MINE_COOKIE = "forewarn_mine", "__Host-forewarn_mine"


async def typed_address(request: Request) -> str:
    """Read the address from a form, never more than MAX_FORM bytes."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return ""
    return plain_words(parse_qs(body.decode(errors="replace")).get("email", [""])[0])[:320]


@router.get("/a/sign-in", operation_id="customer_sign_in")
def customer_sign_in(request: Request, here: Public) -> Response:
    """Ask for the e-mail address."""
    return _form(reader_of(request), here, "ask" if here.settings.smtp_url else "no_mail")


@router.post("/a/sign-in", operation_id="customer_sign_in_link")
def customer_sign_in_link(
    request: Request, here: Public, later: BackgroundTasks, address: Annotated[str, Depends(typed_address)]
) -> Response:
    """Send a link when the address is a customer's; the answer does not tell whether it is."""
    reader = reader_of(request)
    if not here.settings.smtp_url:
        return _form(reader, here, "no_mail")
    if (found := _link(here, address, reader)) is not None:
        to, language, token = found
        later.add_task(_send, here.settings.smtp_url, to, language, f"{here.settings.base_url}/a/sign-in/{token}")
    answer = _form(reader, here, "sent")
    answer.background = later
    return answer


@router.get("/a/sign-in/{token}", operation_id="customer_link")
def customer_link(token: str, request: Request, here: Public) -> Response:
    """Ask once more: programs that look into mails open links, but press no button."""
    return _form(reader_of(request), here, "enter")


@router.post("/a/sign-in/{token}", operation_id="customer_enter")
def customer_enter(token: str, request: Request, here: Public) -> Response:
    """Use the link up and show the machines."""
    try:
        used = use_customer_link(here.session, token, here.now)
        mine, person = used if used is not None else (None, use_link(here.session, token, here.now))
    except SignInFailed:
        return _form(reader_of(request), here, "used", 401)
    answer = RedirectResponse("/a/mine", status_code=303)
    secure = "https" in (request.url.scheme, urlsplit(here.settings.base_url).scheme)
    opened = open_session(here.session, person, here.now) if person else None
    # Whoever was signed in here before is not any more: two customers' machines are never one list.
    for name, value in (
        (SECURE_COOKIE if secure else COOKIE, opened),
        (SECURE_MINE_COOKIE if secure else MINE_COOKIE, mine),
    ):
        age = int(SESSION_LIFE.total_seconds()) if value else 0
        answer.set_cookie(name, value or "", max_age=age, httponly=True, samesite="lax", secure=secure)
    return answer


@router.get("/a/mine", operation_id="customer_machines")
def customer_machines(request: Request, here: Public, after: str | None = None) -> Response:
    """List the machines of whoever is signed in."""
    of_reader = owned(request, here)
    if not of_reader:
        return RedirectResponse("/a/sign-in", status_code=303)
    reader = reader_of(request)
    rows, following = _machines(here, or_(*of_reader), after)
    pages = [(load_customer_page(here.session, code, here.now), site) for code, site in rows]
    shown = [(page, LOOKS[page.state], site) for page, site in pages if page is not None]
    return render(reader, "mine.html", 200, None, machines=shown, following=following)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever is signed in: what makes a machine theirs, and whose customer records or organisation they are of."""

    machines: list[ColumnElement[bool]]
    records: list[UUID]
    organisation_id: UUID
    person_id: UUID | None


def owned(request: Request, here: Context) -> list[ColumnElement[bool]]:
    """Return what makes a machine the reader's: the customer's record it is of, or the organisation it belongs to."""
    owner = owner_of(request, here)
    return owner.machines if owner is not None else []


def owner_of(request: Request, here: Context) -> Owner | None:
    """Return who is signed in; None for nobody, or somebody whose machines these are not."""
    found: list[ColumnElement[bool]] = []
    mine = request.cookies.get(SECURE_MINE_COOKIE) or request.cookies.get(MINE_COOKIE)
    records = records_of_session(here.session, mine, here.now) if mine else []
    if records:
        found.append(Asset.customer_id.in_(records))
    cookie = request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
    actor = actor_of_session(here.session, cookie, here.now) if cookie else None
    if actor is not None and may(actor, "asset.read") and not _is_outsider(here, actor):
        below = literal(actor.organisation_id, Uuid()) == any_(Organisation.ancestors)
        found.append(Asset.organisation_id.in_(select(Organisation.id).where(below)))
    else:
        actor = None
    first = here.session.get(Customer, records[0]) if records else None
    organisation_id = first.organisation_id if first else actor.organisation_id if actor else None
    if not found or organisation_id is None:
        return None
    return Owner(found, records, organisation_id, actor.person_id if actor else None)


def _is_outsider(here: Context, actor: Actor) -> bool:
    """Return whether this is a customer in an organisation of others: its machines are not theirs."""
    return actor.roles <= {Role.CUSTOMER} and not _is_customers(here, actor.organisation_id)


def _is_customers(here: Context, organisation_id: UUID) -> bool:
    organisation = here.session.get(Organisation, organisation_id)
    return organisation is not None and organisation.kind == "customer"


def _machines(
    here: Context, owned: ColumnElement[bool], after: str | None
) -> tuple[list[tuple[str, str | None]], str | None]:
    """Return (code, site) of one page."""
    found = select(Asset.code, Asset.name, Asset.id, Site.name.label("site")).outerjoin(Site, Site.id == Asset.site_id)
    found = found.where(owned, Asset.lifecycle.not_in(("retired", "scrapped"))).order_by(Asset.name, Asset.id)
    if after:
        try:
            name, key = read_cursor(after, plain_words, UUID)
            found = found.where(tuple_(Asset.name, Asset.id) > tuple_(name, key))
        except Invalid:
            pass  # a mistyped address begins at the beginning
    rows = here.session.execute(found.limit(AT_ONCE + 1)).all()
    page = rows[:AT_ONCE]
    following = cursor_of(page[-1].name, page[-1].id) if len(rows) > AT_ONCE else None
    return [(row.code, row.site) for row in page], following


def _link(here: Context, address: str, reader: Reader) -> tuple[str, str, str] | None:
    """Return (address, language, token) of a new link; None when the address is no customer's or was sent enough."""
    person, customer = _person(here, address), customer_of(here.session, address)
    if customer is not None and customer.email:
        if waiting_links(here.session, customer, here.now) >= MAX_LINKS:
            return None
        token = make_customer_link(here.session, customer, person, here.now)
        return customer.email, person.language if person else reader.language, token
    if person is None or not person.email:
        return None
    fresh = SignInLink.expires_at > here.now + LINK_LIFE - FAILURE_WINDOW
    waiting = select(func.count()).select_from(SignInLink).where(SignInLink.person_id == person.id, fresh)
    if (here.session.scalar(waiting) or 0) >= MAX_LINKS:
        return None
    return person.email, person.language, make_link(here.session, person.id, here.now)


def _person(here: Context, address: str) -> Person | None:
    """Return the person of a customer's organisation with that address; nobody who may do more."""
    person = here.session.scalar(
        select(Person).where(Person.email == normal_email(address), Person.disabled_at.is_(None))
    )
    if person is None:
        return None
    roles = set(here.session.scalars(select(Membership.role).where(Membership.person_id == person.id)))
    return person if roles == {Role.CUSTOMER} and _is_customers(here, person.organisation_id) else None


def _send(smtp_url: str, address: str, language: str, link: str) -> None:
    try:
        subject = texts.text(language, "mine.mail.subject")
        send_email(smtp_url, address, subject, texts.text(language, "mine.mail.body", link=link))
    except NotSent:
        pass  # nobody is told whether an address is known; the person asks again


def _form(reader: Reader, here: Context, step: str, status: int = 200) -> Response:
    return render(reader, "sign_in.html", status, None, step=step)
