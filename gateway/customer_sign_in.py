"""Customers who registered from a label sign in by their record's e-mail; they see machines of that record alone."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, delete, exists, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.db import Base
from assets.people import Person
from assets.registry import Asset, Customer
from assets.warranty.identities import normal_email
from gateway.sign_in import FAILURE_WINDOW, LINK_LIFE, SESSION_LIFE, SignInFailed, token_hash

MAX_RECORDS = 100  # of one address; one dealer's address may stand in the records of many customers


class CustomerLink(Base):
    """A link that shows a customer's machines once it is used. `person_id`: who has this address besides.

    `address_hash`: with another e-mail in the record, links and sessions of the one before are over.
    """

    __tablename__ = "customer_links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    address_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class CustomerSession(Base):
    """A browser whose reader has shown that the customer's address is theirs."""

    __tablename__ = "customer_sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    address_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]


def customer_of(session: Session, address: str) -> Customer | None:
    """Return the oldest record with this e-mail that has machines."""
    email = normal_email(address)
    if email is None:
        return None
    has_machines = exists().where(Asset.customer_id == Customer.id)
    records = select(Customer).where(func.lower(Customer.email) == email, Customer.merged_into_id.is_(None))
    return session.scalar(records.where(has_machines).order_by(Customer.id).limit(1))


def waiting_links(session: Session, customer: Customer, now: datetime) -> int:
    """Return how many links went to a customer in the last quarter of an hour."""
    fresh = CustomerLink.expires_at > now + LINK_LIFE - FAILURE_WINDOW
    counted = select(func.count()).where(CustomerLink.customer_id == customer.id, fresh)
    return session.scalar(counted) or 0


def make_customer_link(session: Session, customer: Customer, person: Person | None, now: datetime) -> str:
    """Return the token of a new link, good for a day and once."""
    session.execute(delete(CustomerLink).where(CustomerLink.expires_at < now - LINK_LIFE))
    token = secrets.token_urlsafe(32)
    made = CustomerLink(
        token_hash=token_hash(token),
        customer_id=customer.id,
        person_id=person.id if person else None,
        address_hash=_address_hash(customer),
        expires_at=now + LINK_LIFE,
    )
    session.add(made)
    session.flush()
    return token


def use_customer_link(session: Session, token: str, now: datetime) -> tuple[str, Person | None] | None:
    """Use a link up: the token of a new session, and the person who signs in with it; None when it is no such link.

    Raises SignInFailed when it was used, has expired, or the record's e-mail is another since.
    """
    link = session.get(CustomerLink, token_hash(token), with_for_update=True)
    if link is None:
        return None
    customer = _still(session, link.customer_id, link.address_hash)
    if link.used_at or link.expires_at <= now or customer is None:
        raise SignInFailed("this sign-in link was used or has expired; ask for a new one", link=True)
    link.used_at = now
    session.execute(delete(CustomerSession).where(CustomerSession.expires_at < now))
    opened = secrets.token_urlsafe(32)
    made = CustomerSession(
        token_hash=token_hash(opened),
        customer_id=customer.id,
        address_hash=link.address_hash,
        expires_at=now + SESSION_LIFE,
    )
    session.add(made)
    session.flush()
    person = session.get(Person, link.person_id) if link.person_id else None
    return opened, person if person is not None and person.disabled_at is None else None


def records_of_session(session: Session, token: str, now: datetime) -> list[UUID]:
    """Return the customers' records that a session shows: all with the address that its link went to."""
    found = session.get(CustomerSession, token_hash(token))
    customer = _still(session, found.customer_id, found.address_hash) if found and found.expires_at > now else None
    email = normal_email(customer.email) if customer else None
    if email is None:
        return []
    same = select(Customer.id).where(func.lower(Customer.email) == email, Customer.merged_into_id.is_(None))
    return list(session.scalars(same.order_by(Customer.id).limit(MAX_RECORDS)))


def _still(session: Session, customer_id: UUID, address_hash: bytes) -> Customer | None:
    """Return the record, or the one that it was put into, if the address is still its own."""
    customer = session.get(Customer, customer_id)
    for _ in range(10):
        if customer is None or customer.merged_into_id is None:
            break
        customer = session.get(Customer, customer.merged_into_id)
    return customer if customer is not None and _address_hash(customer) == address_hash else None


def _address_hash(customer: Customer) -> bytes:
    return token_hash(f"customer {normal_email(customer.email) or ''}")
