"""Sign-in, sign-out, and who I am."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Cookie, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.access import ACTIONS, Role
from assets.base.db import service_rights
from assets.base.errors import Conflict, Invalid, NotFound
from assets.base.events import append_event
from assets.people import Membership, Organisation, Person, actor_of
from gateway.api.deps import COOKIE, SECURE_COOKIE, Context, Here, Public
from gateway.settings import VERSION
from gateway.sign_in import (
    MAX_PASSWORD,
    SESSION_LIFE,
    Credential,
    SignInFailed,
    close_session,
    make_link,
    open_session,
    set_password,
    sign_in,
    use_link,
)
from ingest.store.schema import detect_edition

router = APIRouter(prefix="/api/v1", tags=["session"])

LANGUAGES = ("en", "zh")


class PersonRef(BaseModel):
    """A person as others see them."""

    id: UUID
    name: str
    language: str
    email: str | None


class OrganisationRef(BaseModel):
    """An organisation by name."""

    id: UUID
    name: str


class ServerInfo(BaseModel):
    """What answers."""

    version: str
    store_edition: str


class Me(BaseModel):
    """Who is signed in, what their roles allow, and what this server is."""

    person: PersonRef | None
    organisation: OrganisationRef
    roles: list[str]
    actions: list[str]
    demo: bool
    has_password: bool
    server: ServerInfo


class SignIn(BaseModel):
    """E-mail and password."""

    email: str = Field(max_length=320)
    password: str = Field(max_length=MAX_PASSWORD)


class SignInWithLink(BaseModel):
    """A one-time token, and a password to set on the way."""

    token: str = Field(max_length=200)
    password: str | None = Field(default=None, max_length=MAX_PASSWORD)


class MeChange(BaseModel):
    """What one may change about oneself."""

    language: str | None = None
    password: str | None = Field(default=None, max_length=MAX_PASSWORD)


@router.post("/sign-in", operation_id="sign_in")
def sign_in_with_password(body: SignIn, here: Public, request: Request, response: Response) -> Me:
    """Sign in with e-mail and password; sets the session cookie."""
    try:
        person = sign_in(here.session, body.email, body.password, here.now)
    except SignInFailed:
        here.session.commit()  # the failure counts even though the request fails
        raise
    return _signed_in(here, person, request, response)


@router.post("/sign-in/link", operation_id="sign_in_with_link")
def sign_in_with_link(body: SignInWithLink, here: Public, request: Request, response: Response) -> Me:
    """Use up a one-time link; optionally set a password on the way."""
    person = use_link(here.session, body.token, here.now)
    if body.password:
        set_password(here.session, person, body.password, here.now)
    return _signed_in(here, person, request, response)


@router.post("/sign-out", operation_id="sign_out", status_code=204)
def sign_out(
    here: Public, request: Request, response: Response, forewarn_session: Annotated[str | None, Cookie()] = None
) -> None:
    """Forget this browser's session."""
    for token in (request.cookies.get(SECURE_COOKIE), forewarn_session):
        if token:
            close_session(here.session, token)
    response.delete_cookie(COOKIE)
    response.delete_cookie(SECURE_COOKIE, secure=True)


@router.get("/me", operation_id="get_me")
def get_me(here: Here) -> Me:
    """Who is signed in."""
    with service_rights(here.session):  # a bound customer sees nothing of the organisation, but themselves
        person = here.session.get(Person, here.actor.person_id) if here.actor.person_id else None
    return _me(here.session, person, here.actor.organisation_id, sorted(here.actor.roles))


@router.patch("/me", operation_id="change_me")
def change_me(
    body: MeChange, here: Here, request: Request, forewarn_session: Annotated[str | None, Cookie()] = None
) -> Me:
    """Change one's language or password; a new password signs every other browser out."""
    person = here.session.get(Person, here.actor.person_id) if here.actor.person_id else None
    if person is None:
        raise NotFound("a token has no person to change")
    if body.language is not None:
        if body.language not in LANGUAGES:
            raise Invalid(f"language is one of {', '.join(LANGUAGES)}", field="language")
        person.language = body.language
    if body.password is not None:
        _as_service(here.session)
        kept = request.cookies.get(SECURE_COOKIE) or forewarn_session
        set_password(here.session, person, body.password, here.now, keep_session=kept)
        _note(here, "person.password_changed", person)
    return _me(here.session, person, here.actor.organisation_id, sorted(here.actor.roles))


def _signed_in(here: Context, person: Person, request: Request, response: Response) -> Me:
    token = open_session(here.session, person, here.now)
    secure = "https" in (request.url.scheme, urlsplit(here.settings.base_url).scheme)
    response.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        token,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=secure,
    )
    actor = actor_of(here.session, person)
    _note(here, "person.signed_in", person, by=person.id)
    return _me(here.session, person, person.organisation_id, sorted(actor.roles))


def _me(session: Session, person: Person | None, organisation_id: UUID, roles: list[Role]) -> Me:
    organisation = session.get(Organisation, organisation_id)
    edition = detect_edition(session)
    demo = bool(session.scalar(text("SELECT EXISTS (SELECT 1 FROM assets WHERE demo)")))
    _as_service(session)
    has_password = bool(person and session.get(Credential, person.id))
    return Me(
        person=PersonRef(id=person.id, name=person.name, language=person.language, email=person.email)
        if person
        else None,
        organisation=OrganisationRef(id=organisation_id, name=organisation.name if organisation else ""),
        roles=list(roles),
        actions=sorted(action for action, allowed in ACTIONS.items() if allowed & set(roles)),
        demo=demo,
        has_password=has_password,
        server=ServerInfo(version=VERSION, store_edition=edition),
    )


def _note(here: Context, kind: str, person: Person, by: UUID | None = None, **payload: object) -> None:
    """Who lets whom in is part of the audit trail; names and addresses stand beside, where they can be erased."""
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=person.organisation_id,
        subject_kind="person",
        subject_id=person.id,
        actor_kind="person" if by else here.actor.kind,
        actor_id=by or here.actor.person_id,
        payload=payload,
        personal={"name": person.name, "email": person.email} if kind == "person.added" else None,
    )


def _as_service(session: Session) -> None:
    """Credentials are no tenant's rows: only the service role reaches them."""
    session.flush()
    session.execute(text("SET LOCAL ROLE forewarn_service"))


# ---- people ---------------------------------------------------------------------------------------------------------


class Link(BaseModel):
    """A one-time sign-in link."""

    url: str


@router.post("/people/{person_id}/sign-in-link", operation_id="create_sign_in_link", status_code=201)
def create_sign_in_link(person_id: UUID, here: Here, response: Response) -> Link:
    """Make a one-time sign-in link for a person."""
    here.require("people.manage")
    person = here.session.get(Person, person_id)  # row-level security: only people the actor may see
    if person is None:
        raise NotFound("no such person")
    if person.disabled_at:
        raise Conflict("this person is disabled", person_id=person.id)
    roles = set(here.session.scalars(select(Membership.role).where(Membership.person_id == person.id)))
    _note(here, "person.link_made", person)
    response.headers["Cache-Control"] = "no-store"
    _as_service(here.session)
    token = make_link(here.session, person.id, here.now)
    page = "/m/sign-in" if roles == {Role.TECHNICIAN} else "/sign-in"
    return Link(url=f"{here.settings.base_url}{page}?token={token}")
