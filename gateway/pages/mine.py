"""A customer's own machines: sign in by a link that is sent by e-mail, then a list of all of them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import func, select, text, tuple_

from assets.base.access import Actor, Role, may
from assets.base.db import SERVICE_ROLE, enter_actor
from assets.base.errors import Invalid
from assets.people import Membership, Person, normal_email
from assets.registry import Asset, Site
from gateway import texts
from gateway.api.deps import COOKIE, SECURE_COOKIE, Context, Public
from gateway.api.pages import cursor_of, read_cursor
from gateway.notify.email import NotSent, send_email
from gateway.pages.customer import LOOKS, Reader, reader_of, render
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


async def typed_address(request: Request) -> str:
    """Read the address from a form, never more than MAX_FORM bytes."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return ""
    return parse_qs(body.decode(errors="replace")).get("email", [""])[0][:320]


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
    person = _customer(here, address)
    if person is not None:
        link = f"{here.settings.base_url}/a/sign-in/{make_link(here.session, person.id, here.now)}"
        later.add_task(_send, here.settings.smtp_url, person.email or "", person.language, link)
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
        person = use_link(here.session, token, here.now)
    except SignInFailed:
        return _form(reader_of(request), here, "used", 401)
    answer = RedirectResponse("/a/mine", status_code=303)
    secure = "https" in (request.url.scheme, urlsplit(here.settings.base_url).scheme)
    answer.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        open_session(here.session, person, here.now),
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=secure,
    )
    return answer


@router.get("/a/mine", operation_id="customer_machines")
def customer_machines(request: Request, here: Public, after: str | None = None) -> Response:
    """List the machines of whoever is signed in."""
    cookie = request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
    actor = actor_of_session(here.session, cookie, here.now) if cookie else None
    if actor is None or not may(actor, "asset.read"):
        return RedirectResponse("/a/sign-in", status_code=303)
    reader = reader_of(request)
    rows, following = _machines(here, actor, after)
    pages = [(load_customer_page(here.session, code, here.now), site) for code, site in rows]
    shown = [(page, LOOKS[page.state], site) for page, site in pages if page is not None]
    return render(reader, "mine.html", 200, None, machines=shown, following=following)


def _machines(here: Context, actor: Actor, after: str | None) -> tuple[list[tuple[str, str | None]], str | None]:
    """Return (code, site) of one page, under the actor's row policies."""
    enter_actor(here.session, actor)
    found = select(Asset.code, Asset.name, Asset.id, Site.name.label("site")).outerjoin(Site, Site.id == Asset.site_id)
    found = found.where(Asset.lifecycle.not_in(("retired", "scrapped"))).order_by(Asset.name, Asset.id)
    if after:
        try:
            name, key = read_cursor(after, str, str)
            found = found.where(tuple_(Asset.name, Asset.id) > tuple_(name, key))
        except Invalid:
            pass  # a mistyped address begins at the beginning
    rows = here.session.execute(found.limit(AT_ONCE + 1)).all()
    here.session.execute(text(f"SET LOCAL ROLE {SERVICE_ROLE}"))
    page = rows[:AT_ONCE]
    following = cursor_of(page[-1].name, page[-1].id) if len(rows) > AT_ONCE else None
    return [(row.code, row.site) for row in page], following


def _customer(here: Context, address: str) -> Person | None:
    """Return the customer of that address; nobody who may do more, and nobody to whom links went just now."""
    person = here.session.scalar(
        select(Person).where(Person.email == normal_email(address), Person.disabled_at.is_(None))
    )
    if person is None:
        return None
    roles = set(here.session.scalars(select(Membership.role).where(Membership.person_id == person.id)))
    fresh = SignInLink.expires_at > here.now + LINK_LIFE - FAILURE_WINDOW
    waiting = select(func.count()).select_from(SignInLink).where(SignInLink.person_id == person.id, fresh)
    if roles != {Role.CUSTOMER} or (here.session.scalar(waiting) or 0) >= MAX_LINKS:
        return None
    return person


def _send(smtp_url: str, address: str, language: str, link: str) -> None:
    try:
        subject = texts.text(language, "mine.mail.subject")
        send_email(smtp_url, address, subject, texts.text(language, "mine.mail.body", link=link))
    except NotSent:
        pass  # nobody is told whether an address is known; the person asks again


def _form(reader: Reader, here: Context, step: str, status: int = 200) -> Response:
    return render(reader, "sign_in.html", status, None, step=step)
