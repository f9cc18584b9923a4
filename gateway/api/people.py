"""People over HTTP: who they are, their roles, and whether they may sign in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Select, func, select, text, tuple_
from sqlalchemy.exc import IntegrityError

from assets.base.access import Role
from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.people import Membership, Organisation, Person, add_person
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, Ref, contains, locked, named, seen
from gateway.api.pages import After, Limit, aware, cursor_of, read_cursor
from gateway.texts import LANGUAGES

router = APIRouter(prefix="/api/v1", tags=["people"])


class PersonItem(BaseModel):
    """A person with their roles."""

    id: UUID
    name: str
    email: str | None
    roles: list[str]
    organisation_id: UUID
    disabled_at: datetime | None
    demo: bool
    version: int


class People(BaseModel):
    """People that the actor sees."""

    items: list[PersonItem]
    next: str | None = None


class NewPerson(BaseModel):
    """A person to add to an organisation, left out: one's own."""

    name: Name
    email: str | None = Field(default=None, min_length=3, max_length=320, pattern="@")
    phone: Annotated[str | None, Field(max_length=60)] = None
    roles: list[Role] = Field(min_length=1, max_length=len(Role))
    language: str = "en"
    organisation_id: UUID | None = None


class PersonDetail(BaseModel):
    """A person with roles and organisation."""

    id: UUID
    name: str
    email: str | None
    phone: str | None
    language: str
    roles: list[Role]
    organisation: Ref | None
    disabled_at: datetime | None
    demo: bool
    version: int


class PersonChange(BaseModel):
    """What is to change; null takes a phone away."""

    name: Name | None = None
    phone: Annotated[str | None, Field(max_length=60)] = None
    language: Annotated[str | None, Field(max_length=10)] = None
    disabled: bool | None = None


class NewRoles(BaseModel):
    """All roles of a person in their organisation."""

    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))]


@router.get("/people", operation_id="list_people")
def list_people(
    here: Here,
    q: str | None = None,
    organisation_id: UUID | None = None,
    role: Role | None = None,
    limit: Limit = 500,
    after: After = None,
) -> People:
    """List people with their roles, oldest first."""
    here.require("people.read")
    query = select(Person).order_by(Person.created_at, Person.id).limit(limit + 1)
    if q:
        query = query.where(Person.name.ilike(contains(q)))
    if organisation_id is not None:
        query = query.where(Person.organisation_id == organisation_id)
    if role is not None:
        query = query.where(Person.id.in_(select(Membership.person_id).where(Membership.role == role)))
    if after is not None:
        at, key = read_cursor(after, aware, UUID)
        query = query.where(tuple_(Person.created_at, Person.id) > tuple_(at, key))
    found = list(here.session.scalars(query))
    page = found[:limit]
    roles: dict[UUID, list[str]] = {}
    held = select(Membership).where(Membership.person_id.in_([person.id for person in page])).order_by(Membership.role)
    for membership in here.session.scalars(held):
        roles.setdefault(membership.person_id, []).append(membership.role)
    following = cursor_of(page[-1].created_at.isoformat(), page[-1].id) if len(found) > limit else None
    return People(items=[_item(person, roles.get(person.id, [])) for person in page], next=following)


@router.post("/people", operation_id="create_person", status_code=201)
def create_person(body: NewPerson, here: Here) -> PersonItem:
    """Add a person to one's own organisation, or to one below."""
    here.require("people.manage")
    if body.language not in LANGUAGES:
        raise Invalid(f"language is one of {', '.join(LANGUAGES)}", field="language")
    organisation = named(here, Organisation, body.organisation_id, "organisation_id")
    roles = sorted(set(body.roles))
    owner = organisation.id if organisation else here.actor.organisation_id
    check_customers(here, owner, roles)
    try:
        with here.session.begin_nested():
            person = add_person(
                here.session,
                organisation_id=owner,
                name=body.name.strip(),
                email=body.email,
                roles=roles,
                language=body.language,
                now=here.now,
            )
            person.phone = body.phone
    except IntegrityError:  # perhaps of an organisation that the actor does not see
        raise Invalid("somebody with this e-mail is already here", field="email") from None
    log_person(here, person, "person.added", list(roles), {"name": person.name, "email": person.email})
    return _item(person, [str(role) for role in roles])


@router.get("/people/{person_id}", operation_id="get_person")
def get_person(person_id: UUID, here: Here) -> PersonDetail:
    """One person."""
    here.require("people.read")
    return detail_of(here, seen(here, Person, person_id, "person"))


@router.patch("/people/{person_id}", operation_id="change_person")
def change_person(person_id: UUID, body: PersonChange, here: Here, if_match: IfMatch = None) -> PersonDetail:
    """Change a person; one who is disabled is signed out at once and cannot sign in."""
    here.require("people.manage")
    person = locked(here, Person, person_id, "person", if_match)
    if body.language is not None and body.language not in LANGUAGES:
        raise Invalid(f"language is one of {', '.join(LANGUAGES)}", field="language")
    if body.name is not None:
        person.name = body.name.strip()
    if body.language is not None:
        person.language = body.language
    if "phone" in body.model_fields_set:
        person.phone = body.phone
    if body.disabled is not None and body.disabled != (person.disabled_at is not None):
        check_not_last(here, person, set() if body.disabled else None)
        person.disabled_at = here.now if body.disabled else None
        log_person(here, person, "person.disabled" if body.disabled else "person.enabled", [])
    person.version += 1
    here.session.flush()
    return detail_of(here, person)


@router.put("/people/{person_id}/roles", operation_id="set_person_roles")
def set_person_roles(person_id: UUID, body: NewRoles, here: Here, if_match: IfMatch = None) -> PersonDetail:
    """Set a person's roles; the last administrator of an organisation stays one."""
    here.require("people.manage")
    person = locked(here, Person, person_id, "person", if_match)
    wanted = set(body.roles)
    if Role.DEVICE in wanted:
        raise Invalid("a person is no device", field="roles")
    check_customers(here, person.organisation_id, wanted)
    check_not_last(here, person, {str(role) for role in wanted})
    memberships = here.session.scalars(memberships_of(person)).all()
    for membership in memberships:
        if membership.role not in wanted:
            here.session.delete(membership)
    known = {membership.role for membership in memberships}
    for role in sorted(wanted - known):
        here.session.add(Membership(organisation_id=person.organisation_id, person_id=person.id, role=role))
    person.version += 1
    here.session.flush()
    if wanted != known:
        log_person(here, person, "person.roles_set", sorted(wanted))
    return detail_of(here, person)


def _item(person: Person, roles: list[str]) -> PersonItem:
    return PersonItem(
        id=person.id,
        name=person.name,
        email=person.email,
        roles=roles,
        organisation_id=person.organisation_id,
        disabled_at=person.disabled_at,
        demo=person.demo,
        version=person.version,
    )


def check_customers(here: Context, organisation_id: UUID, roles: Collection[Role]) -> None:
    """Raise Invalid for a customer among others: a customer sees all that the organisation owns."""
    organisation = here.session.get(Organisation, organisation_id)
    if Role.CUSTOMER in roles and (organisation is None or organisation.kind != "customer"):
        raise Invalid("customers are people of a customer's organisation", field="roles", reason="not_a_customer")


def check_not_last(here: Context, person: Person, roles: set[str] | None) -> None:
    """Raise Conflict when the change would leave an organisation without an administrator who may sign in."""
    if roles is None or Role.ADMINISTRATOR in roles:
        return
    # Two administrators who take each other's role at once would both see the other one stay.
    here.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:o, 13))"), {"o": str(person.organisation_id)}
    )
    administrators = (
        select(func.count())
        .select_from(Membership)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.organisation_id == person.organisation_id, Membership.role == Role.ADMINISTRATOR)
        .where(Person.disabled_at.is_(None))
    )
    is_one = here.session.scalar(administrators.where(Person.id == person.id))
    if is_one and not here.session.scalar(administrators.where(Person.id != person.id)):
        raise Conflict("the last administrator stays one", reason="last_administrator")


def memberships_of(person: Person) -> Select[Membership]:
    return select(Membership).where(
        Membership.person_id == person.id, Membership.organisation_id == person.organisation_id
    )


def detail_of(here: Context, person: Person) -> PersonDetail:
    organisation = here.session.get(Organisation, person.organisation_id)
    return PersonDetail(
        id=person.id,
        name=person.name,
        email=person.email,
        phone=person.phone,
        language=person.language,
        roles=sorted(Role(membership.role) for membership in here.session.scalars(memberships_of(person))),
        organisation=Ref(id=organisation.id, name=organisation.name) if organisation else None,
        disabled_at=person.disabled_at,
        demo=person.demo,
        version=person.version,
    )


def log_person(
    here: Context, person: Person, kind: str, roles: list[Role], personal: dict[str, str | None] | None = None
) -> None:
    append_event(
        here.session,
        kind,
        at=here.now,
        organisation_id=person.organisation_id,
        subject_kind="person",
        subject_id=person.id,
        actor_kind=here.actor.kind,
        actor_id=here.actor.person_id,
        payload={"roles": [str(role) for role in roles]} if roles else {},
        personal=dict(personal) if personal else None,
    )
