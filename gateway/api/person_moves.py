"""Moving a person to another organisation over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from assets.base.access import Role
from assets.base.db import service_rights
from assets.base.errors import Conflict, Invalid
from assets.people import Membership, Organisation, Person
from gateway.api.deps import Here
from gateway.api.edits import IfMatch, Reason, locked, named
from gateway.api.people import PersonDetail, check_customers, check_not_last, detail_of
from gateway.person_moves import move_person

router = APIRouter(prefix="/api/v1", tags=["people"])


class NewOrganisation(BaseModel):
    """Where a person is to belong, why, and as what; roles left out: the same as before."""

    organisation_id: UUID
    roles: Annotated[list[Role], Field(min_length=1, max_length=len(Role))] | None = None
    reason: Reason


@router.put("/people/{person_id}/organisation", operation_id="move_person")
def move_to_organisation(person_id: UUID, body: NewOrganisation, here: Here, if_match: IfMatch = None) -> PersonDetail:
    """Let a person belong to another organisation that you see; signed out everywhere, hands empty."""
    here.require("people.manage")
    person = locked(here, Person, person_id, "person", if_match)
    if person.id == here.actor.person_id:
        raise Conflict("nobody moves themselves", reason="oneself")
    to = named(here, Organisation, body.organisation_id, "organisation_id")
    assert to is not None
    if to.id == person.organisation_id:
        raise Invalid("they belong there already", field="organisation_id", reason="same")
    held = here.session.scalars(select(Membership.role).where(Membership.person_id == person.id))
    roles = set(body.roles) if body.roles is not None else {Role(role) for role in held}
    if Role.DEVICE in roles:
        raise Invalid("a person is no device", field="roles")
    check_customers(here, to.id, roles)
    check_not_last(here, person, set())
    with service_rights(here.session):
        move_person(here.session, person, to, roles, reason=body.reason.strip(), by=here.actor, now=here.now)
    return detail_of(here, person)
