"""Erasing a person or a customer over HTTP: first what it would change, then with the name typed once more."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from assets.base.db import service_rights
from assets.base.errors import Conflict, Invalid
from assets.people import Person
from assets.registry import Customer
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Name, Reason, locked, seen
from gateway.api.people import check_not_last
from gateway.erasure.erasing import Subject, erase, preview, subject_of, tree_of
from gateway.erasure.everywhere import Found
from gateway.leaving import in_hands

router = APIRouter(prefix="/api/v1", tags=["people"])


class Counted(BaseModel):
    """So many rows at a place: a table, or why they stay."""

    place: str
    rows: int


class Erasure(BaseModel):
    """What an erasure changes and what has to stay: `chained` facts of the log, and `signed` reports.

    `holds`: what somebody else has to take over first. `shared_name`: somebody else has this name, so it stays where
    only words say it.
    """

    name: str
    changed: list[Counted]
    kept: list[Counted]
    holds: list[Counted]
    shared_name: bool
    pseudonym: str | None = None


class NewErasure(BaseModel):
    """Why, and the name as it stands there now: nobody is erased by a slip of the hand."""

    reason: Reason
    confirm: Name


@router.get("/people/{person_id}/erasure", operation_id="preview_person_erasure")
def preview_person(person_id: UUID, here: Here) -> Erasure:
    """What erasing a person would change; nothing changes yet."""
    here.require("person.erase")
    return _preview(here, seen(here, Person, person_id, "person"))


@router.post("/people/{person_id}/erasure", operation_id="erase_person")
def erase_person(person_id: UUID, body: NewErasure, here: Here, if_match: IfMatch = None) -> Erasure:
    """Erase what identifies a person. It cannot be taken back."""
    here.require("person.erase")
    person = locked(here, Person, person_id, "person", if_match)
    if person.id == here.actor.person_id:
        raise Conflict("nobody erases themselves", reason="oneself")
    check_not_last(here, person, set())
    return _erase(here, person, body)


@router.get("/customers/{customer_id}/erasure", operation_id="preview_customer_erasure")
def preview_customer(customer_id: UUID, here: Here) -> Erasure:
    """What erasing a customer would change; nothing changes yet."""
    here.require("person.erase")
    return _preview(here, seen(here, Customer, customer_id, "customer"))


@router.post("/customers/{customer_id}/erasure", operation_id="erase_customer")
def erase_customer(customer_id: UUID, body: NewErasure, here: Here, if_match: IfMatch = None) -> Erasure:
    """Erase what identifies a customer, the records that were put into it included. It cannot be taken back."""
    here.require("person.erase")
    customer = locked(here, Customer, customer_id, "customer", if_match)
    if customer.merged_into_id is not None:
        raise Conflict("this record was put into another: erase that one", what="merged")
    return _erase(here, customer, body)


def _preview(here: Context, who: Person | Customer) -> Erasure:
    with service_rights(here.session):
        tree = tree_of(here.session, here.actor.organisation_id)
        subject = subject_of(here.session, who, tree)
        found = preview(here.session, subject, tree)
        holds = in_hands(here.session, who.id) if isinstance(who, Person) else {}
    return _told(who.name, subject, found, holds, None)


def _erase(here: Context, who: Person | Customer, body: NewErasure) -> Erasure:
    if body.confirm.strip() != who.name.strip():
        raise Invalid("type the name as it stands there", field="confirm", reason="confirm")
    name = who.name
    with service_rights(here.session):
        tree = tree_of(here.session, here.actor.organisation_id)
        subject = subject_of(here.session, who, tree)
        found = erase(here.session, subject, tree, body.reason.strip(), here.actor, here.now)
    return _told(subject.words.clean(name), subject, found, {}, subject.words.pseudonym)


def _told(name: str, subject: Subject, found: Found, holds: dict[str, int], pseudonym: str | None) -> Erasure:
    return Erasure(
        name=pseudonym or name,
        changed=_counted(found.changed),
        kept=_counted(found.kept),
        holds=_counted(holds),
        shared_name=subject.is_shared,
        pseudonym=pseudonym,
    )


def _counted(counts: dict[str, int]) -> list[Counted]:
    return [Counted(place=place, rows=rows) for place, rows in sorted(counts.items()) if rows]
