"""Organisations as a tree, the people in them, and what each may do there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Text, UniqueConstraint, Uuid, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from assets.base.access import Actor, Role
from assets.base.db import Base, Identified, Owned, Versioned
from assets.base.ids import uuid7


class Organisation(Identified, Versioned, Base):
    """Operator, partner or customer; `ancestors` runs from the root to the organisation itself."""

    __tablename__ = "organisations"

    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    ancestors: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_organisations_ancestors", "ancestors", postgresql_using="gin"),)


class Person(Identified, Owned, Versioned, Base):
    """Somebody who acts; signs in when credentials exist for them."""

    __tablename__ = "people"

    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text, default="en")
    demo: Mapped[bool] = mapped_column(default=False)
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("email"),)


class Membership(Identified, Owned, Base):
    """A person's role in an organisation."""

    __tablename__ = "memberships"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("organisation_id", "person_id", "role"),)


def add_organisation(
    session: Session, *, kind: str, name: str, now: datetime, parent: Organisation | None = None, demo: bool = False
) -> Organisation:
    """Add an organisation below its parent (None: a root)."""
    key = uuid7()
    organisation = Organisation(
        id=key,
        parent_id=parent.id if parent else None,
        kind=kind,
        name=name,
        ancestors=[*(parent.ancestors if parent else ()), key],
        demo=demo,
        created_at=now,
    )
    session.add(organisation)
    session.flush()
    return organisation


def add_person(
    session: Session,
    *,
    organisation_id: UUID,
    name: str,
    roles: list[Role],
    now: datetime,
    email: str | None = None,
    language: str = "en",
    demo: bool = False,
) -> Person:
    """Add a person with roles in one organisation; the e-mail is kept in small letters."""
    person = Person(
        organisation_id=organisation_id,
        name=name,
        email=normal_email(email) if email else None,
        language=language,
        demo=demo,
        created_at=now,
    )
    session.add(person)
    session.flush()
    session.add_all(Membership(organisation_id=organisation_id, person_id=person.id, role=role) for role in roles)
    session.flush()
    return person


def normal_email(email: str) -> str:
    """Return the one spelling under which an address is stored and found."""
    return email.strip().lower()


def actor_of(session: Session, person: Person) -> Actor:
    """Return the actor that a person is in their organisation."""
    roles = session.scalars(
        select(Membership.role).where(
            Membership.person_id == person.id, Membership.organisation_id == person.organisation_id
        )
    )
    actor = Actor("person", person.organisation_id, frozenset(Role(role) for role in roles), person.id, person.name)
    return bind_customer(session, actor, person.email)


# Customer records of the organisation and those below it that bear an address; one that was merged counts no more.
_RECORDS = text(
    "SELECT c.id FROM customers c JOIN organisations o ON o.id = c.organisation_id"
    " WHERE lower(c.email) = :email AND c.merged_into_id IS NULL AND o.ancestors @> ARRAY[CAST(:mine AS uuid)]"
)


def bind_customer(session: Session, actor: Actor, email: str | None) -> Actor:
    """Return the actor, bound to the customer records of their address when they are a customer among others.

    In a customer's own organisation all that it owns is theirs; in an operator's it is the whole fleet.
    """
    if not actor.roles or not actor.roles <= {Role.CUSTOMER}:
        return actor
    organisation = session.get(Organisation, actor.organisation_id)
    if organisation is not None and organisation.kind == "customer":
        return actor
    asked = {"email": normal_email(email), "mine": actor.organisation_id} if email else None
    return replace(actor, bound=frozenset(session.scalars(_RECORDS, asked) if asked else ()))


def root_organisation(session: Session) -> Organisation | None:
    """Return the operator at the top of the tree, None before set-up."""
    return session.scalar(
        select(Organisation).where(Organisation.parent_id.is_(None)).order_by(Organisation.created_at).limit(1)
    )
