"""Customers outside: which address hears of a thing, in which language, and whether they asked not to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.ids import uuid7
from assets.people import Person, normal_email
from gateway.notify.facts import Facts
from gateway.notify.rule_models import NotificationContact

MAX_ADDRESS = 254


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody outside who asked for service: what they may be reached at, and the path of the page they follow."""

    email: str | None
    phone: str | None
    path: str


def contact_of(facts: Facts) -> Contact | None:
    """Return whom a thing concerns outside: whoever reported it, else the customer on record; None for nobody."""
    told: dict[str, Any] = {}
    for row in (facts.request, facts.case):
        if row is not None and any(row.contact.get(name) for name in ("email", "phone")):
            told = row.contact
            break
    email, phone = told.get("email"), told.get("phone")
    if not email and not phone and facts.customer is not None:
        email, phone = facts.customer.email, facts.customer.phone
    email = email if email and "@" in email and len(email) <= MAX_ADDRESS else None
    if not email and not phone:
        return None
    return Contact(email, phone_number(phone), path_of(facts))


def path_of(facts: Facts) -> str:
    """Return the page that a customer follows without signing in."""
    if facts.offer is not None and facts.kind == "appointment.offered":
        return f"/a/appointments/{facts.offer.token}"
    if facts.request is not None and facts.asset is not None and facts.request.asset_id == facts.asset.id:
        return f"/a/{facts.asset.code}/requests/{facts.request.tracking_code}"
    return f"/a/{facts.asset.code}" if facts.asset is not None else "/a"


def phone_number(typed: str | None) -> str | None:
    """Return the digits of a telephone number with its plus sign, None for what is none."""
    digits = "".join(each for each in typed or "" if each.isascii() and each.isdigit())
    return ("+" if (typed or "").strip().startswith("+") else "") + digits if 5 <= len(digits) <= 15 else None


def known_contact(session: Session, organisation_id: UUID, address: str, now: datetime) -> NotificationContact:
    """Return the row of an address, made when it is written to for the first time."""
    values = {
        "id": uuid7(),
        "organisation_id": organisation_id,
        "address": address,
        "token": secrets.token_urlsafe(24),
        "created_at": now,
    }
    session.execute(insert(NotificationContact).values(values).on_conflict_do_nothing())
    return session.scalars(
        select(NotificationContact).where(
            NotificationContact.organisation_id == organisation_id, NotificationContact.address == address
        )
    ).one()


def language_of(session: Session, address: str) -> str | None:
    """Return the language of who signs in with that address, None when nobody is known by it."""
    if "@" not in address:
        return None
    known = select(Person.language).where(Person.email == normal_email(address), Person.disabled_at.is_(None))
    return session.scalar(known)
