"""Erase a person or a customer: first say what that would change and what has to stay, then do it, once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict
from assets.base.events import Event, append_event
from assets.people import Organisation, Person
from assets.registry import Customer
from assets.warranty.tables import WarrantyRegistration
from gateway.erasure.everywhere import Found, erase_everywhere
from gateway.erasure.records import (
    OF_CUSTOMER,
    OF_PERSON,
    erase_events,
    erase_reports,
    records_of,
    run_all,
)
from gateway.erasure.words import Words, words_of
from gateway.leaving import close_doors, require_empty_hands

ERASED = ("person.erased", "customer.erased")


@dataclass(frozen=True)
class Subject:
    """Who is erased: a person, or the records of a customer."""

    kind: str
    id: UUID
    organisation_id: UUID
    ids: tuple[UUID, ...]
    words: Words
    is_shared: bool  # somebody else has this name: it is left where only words say it


def subject_of(session: Session, who: Person | Customer, tree: Sequence[UUID]) -> Subject:
    """Return what is known of a person or customer. Raises Conflict when they are erased already.

    Needs the service role, as all of this does.
    """
    kind = "person" if isinstance(who, Person) else "customer"
    done = select(Event.id).where(Event.subject_id == who.id, Event.kind.in_(ERASED)).limit(1)
    if session.scalar(done) is not None:
        raise Conflict("this was erased already", reason="erased")
    names, emails, phones = [who.name], [who.email], [who.phone]
    ids: tuple[UUID, ...] = (who.id,)
    if isinstance(who, Customer):
        ids = tuple(records_of(session, who.id))
        for other in session.scalars(select(Customer).where(Customer.id.in_(ids))):
            names, emails, phones = [*names, other.name], [*emails, other.email], [*phones, other.phone]
        for sent in session.scalars(select(WarrantyRegistration).where(WarrantyRegistration.customer_id.in_(ids))):
            names, emails, phones = [*names, sent.name], [*emails, sent.email], [*phones, sent.phone]
    pseudonym = f"erased-{secrets.token_hex(4)}"
    shared = [each for each in names if each and _is_others(session, each, emails, tree, ids)]
    words = words_of([each for each in names if each not in shared], emails, phones, pseudonym)
    return Subject(kind, who.id, who.organisation_id, ids, words, bool(shared))


def _is_others(
    session: Session, name: str, emails: Sequence[str | None], tree: Sequence[UUID], ids: Sequence[UUID]
) -> bool:
    """Return whether a person or customer with another e-mail has this name, or one that it is a part of."""
    own = [each.lower() for each in emails if each]
    tables: tuple[Any, ...] = (Person, Customer)
    for table in tables:
        others = select(table.id).where(
            table.organisation_id.in_(tree),
            table.id.not_in(ids),
            func.lower(table.name).contains(name.lower().strip(), autoescape=True),
            func.lower(func.coalesce(table.email, "")).not_in(own),
        )
        if session.scalar(others.limit(1)) is not None:
            return True
    return False


def preview(session: Session, who: Subject, tree: Sequence[UUID]) -> Found:
    """Return what erasing would change and what would stay; nothing changes."""
    found = Found()
    _everywhere(session, who, tree, found, dry=True)
    return found


def erase(session: Session, who: Subject, tree: Sequence[UUID], reason: str, by: Actor, now: datetime) -> Found:
    """Erase; what was done stays under the pseudonym, and the log tells who asked for it. Raises StillHolds."""
    found = Found()
    params = {"x": who.words.pseudonym, "now": now, "p": who.id, "c": list(who.ids)}
    if who.kind == "person":
        person = session.get_one(Person, who.id)
        require_empty_hands(session, person)
        close_doors(session, person, now)
        run_all(session, OF_PERSON, params)
    else:
        run_all(session, OF_CUSTOMER, params)
    session.expire_all()
    _everywhere(session, who, tree, found, dry=False)
    append_event(
        session,
        f"{who.kind}.erased",
        at=now,
        organisation_id=who.organisation_id,
        subject_kind=who.kind,
        subject_id=who.id,
        actor_kind=by.kind,
        actor_id=by.person_id,
        payload={"pseudonym": who.words.pseudonym, "rows": found.changed.total(), "kept": dict(found.kept)},
        personal={"reason": who.words.clean(reason)},
    )
    return found


def _everywhere(session: Session, who: Subject, tree: Sequence[UUID], found: Found, *, dry: bool) -> None:
    person_id = who.id if who.kind == "person" else None
    erase_reports(session, who.words, tree, found, dry=dry)
    erase_events(session, who.words, tree, who.ids, found, dry=dry)
    erase_everywhere(session, who.words, tree, person_id, found, dry=dry)


def tree_of(session: Session, organisation_id: UUID) -> list[UUID]:
    """Return an organisation and all below it."""
    below = select(Organisation.id).where(text(":root = ANY (ancestors)").bindparams(root=organisation_id))
    return list(session.scalars(below))
